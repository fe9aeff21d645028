"""What the runbook says by hand, against what it is about."""

import re

import pytest

from devtools import stack_files
from infra.quota import Demand, cores_needed
from infra.settings import KEYS, parse_settings
from tests.infra.program import deploy, update

RUNBOOK = stack_files.ROOT / "docs" / "operations.md"


def test_the_runbook_names_no_setting_that_does_not_exist() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    named = set(re.findall(r"pulumi config (?:set|rm)(?: --secret| --path)* '?([A-Za-z]+)", text))
    assert len(named) >= 8
    assert named - {"KEY"} <= set(KEYS)


@pytest.mark.parametrize(
    ("stack", "stacks"), [("dev", "`dev`"), ("contest", "`contest`, `idle`"), ("idle", "`contest`, `idle`")]
)
def test_the_runbook_s_cores_are_those_of_the_stack_files(stack: str, stacks: str) -> None:
    config = {key.removeprefix("code-executor:"): value for key, value in stack_files.stack_config(stack).items()}
    (app,) = parse_settings(config).apps
    need = cores_needed([Demand(app.max_replicas, app.cpu)])
    assert f"| {stacks} | {need.steady:,.0f} | {need.swap:,.0f} |" in RUNBOOK.read_text(encoding="utf-8")


def test_the_runbook_explains_exactly_the_outputs_that_there_are() -> None:
    section = RUNBOOK.read_text(encoding="utf-8").partition("## Every output")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == set(
        deploy("dev", update(), stackReadme="true", store="create", storeAccountName="aitastore").outputs
    )
