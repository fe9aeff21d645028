"""What the runbook says by hand, against what it is about."""

import re

import pytest

from devtools import stack_files
from infra.settings import KEYS
from tests.infra.program import APP, deploy, update

RUNBOOK = stack_files.ROOT / "docs" / "operations.md"


def test_the_runbook_names_no_setting_that_does_not_exist() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    named = set(re.findall(r"pulumi config (?:set|rm)(?: --secret| --path)* '?([A-Za-z]+)", text))
    assert len(named) >= 8
    assert named - {"KEY"} <= set(KEYS)


@pytest.mark.parametrize(("stack", "stacks"), [("dev", "`dev`"), ("contest", "`contest`, `idle`")])
def test_the_runbook_s_cores_are_those_of_the_stack_files(stack: str, stacks: str) -> None:
    template = deploy(stack, update()).only(APP).inputs["template"]
    steady = template["scale"]["maxReplicas"] * sum(container["resources"]["cpu"] for container in template["containers"])
    # During a rollout the old revision's replicas are there as well.
    assert f"| {stacks} | {steady:,.0f} | {2 * steady:,.0f} |" in RUNBOOK.read_text(encoding="utf-8")


def test_the_cores_of_idle_are_those_of_the_contest_s_app() -> None:
    contest, idle = (stack_files.stack_config(stack) for stack in ("contest", "idle"))
    for setting in ("appName", "maxReplicas"):
        assert idle[f"code-executor:{setting}"] == contest[f"code-executor:{setting}"]


def test_the_runbook_explains_exactly_the_outputs_that_there_are() -> None:
    section = RUNBOOK.read_text(encoding="utf-8").partition("## Every output")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == set(deploy("dev", update()).outputs)
