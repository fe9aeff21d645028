"""The runbook's tables, against what they are about.

`UPDATE_SNAPSHOTS=1 python -m pytest tests/infra/test_docs.py` writes the generated ones anew.
"""

import os
import re
from collections.abc import Callable, Iterator

import pytest

from infra.pricing import Size, estimate, load_rates
from infra.quota import Demand, cores_needed
from infra.settings import DECLARATIONS, KEYS, parse_settings
from tests.infra import stack_files
from tests.infra.program import SCALING, STACKS, deploy, update

RUNBOOK = stack_files.ROOT / "docs" / "operations.md"


def settings_table() -> Iterator[str]:
    yield "| setting | default | meaning |"
    yield "|---|---|---|"
    for declared in DECLARATIONS:
        default = declared.default
        text = str(default).lower() if isinstance(default, bool) else str(default)
        shown = "–" if default in ("", [], {}, None) else f"`{text}`"
        yield f"| `{declared.key}` | {shown} | {declared.meaning} |"


def cost_table() -> Iterator[str]:
    rates = load_rates()
    yield "| stack | a day | a contest | a month |"
    yield "|---|---|---|---|"
    for stack in (*STACKS, *SCALING):
        config = {key.removeprefix("code-executor:"): value for key, value in stack_files.stack_config(stack).items()}
        apps = parse_settings(config).apps
        cost = estimate([Size(app.min_replicas, app.max_replicas, app.cpu, app.memory_gib) for app in apps], rates)
        day = f"{cost.idle_day:.2f} – {cost.busy_day:.2f}" if cost.busy_day else "0"
        yield f"| `{stack}` | {day} | {cost.contest:.0f} | {cost.month:.0f} |"


@pytest.mark.parametrize(("name", "table"), [("settings", settings_table), ("costs", cost_table)])
def test_a_generated_table_is_that_of_the_code(name: str, table: Callable[[], Iterator[str]]) -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    match = re.search(rf"(<!-- {name}: [^\n]*-->\n)(.*?)(<!-- end -->)", text, flags=re.DOTALL)
    assert match
    wanted = "\n".join(table()) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        RUNBOOK.write_text(text[: match.start(2)] + wanted + text[match.end(2) :], encoding="utf-8")
    else:
        assert match[2] == wanted


def test_the_runbook_names_no_setting_that_does_not_exist() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    named = set(re.findall(r"pulumi config (?:set|rm)(?: --secret| --path)* '?([A-Za-z]+)", text))
    assert len(named) >= 8
    assert named - {"KEY"} <= set(KEYS)


@pytest.mark.parametrize(
    ("stack", "row"), [("dev", "`dev`"), ("contest", "`contest`, `idle`"), ("idle", "`contest`, `idle`")]
)
def test_the_runbook_s_cores_are_those_of_the_stack_files(stack: str, row: str) -> None:
    config = {key.removeprefix("code-executor:"): value for key, value in stack_files.stack_config(stack).items()}
    (app,) = parse_settings(config).apps
    need = cores_needed([Demand(app.max_replicas, app.cpu)])
    assert f"| {row} | {need.steady:,.0f} | {need.swap:,.0f} |\n" in RUNBOOK.read_text(encoding="utf-8")


def test_the_runbook_explains_exactly_the_outputs_that_there_are() -> None:
    section = RUNBOOK.read_text(encoding="utf-8").partition("## Every output")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == set(
        deploy("dev", update(), stackReadme="true").outputs
    )
