"""The runbook's tables, against what they are about.

`UPDATE_SNAPSHOTS=1 python -m pytest tests/infra/test_docs.py` writes the generated ones anew.
"""

import os
import re
from collections.abc import Callable, Iterator

import pytest

from infra.pricing import Size, estimate, load_rates
from infra.settings import KEYS, parse_settings
from tests.infra import stack_files
from tests.infra.program import STACKS, deploy, update

RUNBOOK = stack_files.ROOT / "docs" / "operations.md"


def settings_table() -> Iterator[str]:
    config = stack_files.project()["config"]
    yield "| setting | default | meaning |"
    yield "|---|---|---|"
    for key in KEYS:
        setting = config[key]
        default = setting.get("value", setting.get("default"))
        text = str(default).lower() if isinstance(default, bool) else str(default)
        shown = "–" if default in ("", [], {}, None) else f"`{text}`"
        yield f"| `{key}` | {shown} | {setting.get('description', 'Azure region of everything that is created.')} |"


def cost_table() -> Iterator[str]:
    rates = load_rates()
    yield "| stack | a day | a contest | a month |"
    yield "|---|---|---|---|"
    for stack in STACKS:
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
    ("stack", "row"), [("dev", r"`dev` \| 100 \| 200"), ("contest", r"`contest`, `idle` \| 500 \| 1,000")]
)
def test_the_runbook_s_cores_are_those_of_the_stack_files(stack: str, row: str) -> None:
    _, _, most = STACKS[stack]
    steady = most * 0.5
    assert f"{steady:,.0f} | {2 * steady:,.0f}" in row.replace("\\", "")
    assert re.search(row, RUNBOOK.read_text(encoding="utf-8"))


def test_the_runbook_explains_exactly_the_outputs_that_there_are() -> None:
    section = RUNBOOK.read_text(encoding="utf-8").partition("## Every output")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == set(deploy("dev", update()).outputs)
