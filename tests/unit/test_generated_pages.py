"""What the pages have from the code is what the code says now, and no page that is written by hand counts it again."""

import pytest

from devtools.pages import PARTS, Part


@pytest.mark.parametrize("part", [pytest.param(part, id=f"{part.page.name}: {part.name}") for part in PARTS])
def test_a_generated_part_of_a_page_is_what_the_code_says(part: Part) -> None:
    # No difference is shown: what is right is not copied by hand but written by the command.
    assert part.written() == part.page.read_text("utf-8"), f"{part.page.name} is not up to date: `make docs` writes it"
