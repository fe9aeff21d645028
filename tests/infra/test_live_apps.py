"""What the program does about an app that exists already: it is this stack's, another's, or nobody's."""

import pulumi
import pytest

from devtools.azure_double import AzureDouble, live_app
from devtools.engine_double import EngineDouble
from infra.live_apps import ADOPTING_VARIABLE
from tests.infra.program import APP, STACKS, deploy

NAME = STACKS["contest"][0]
OWN = f"urn:pulumi:contest::code-executor::code-executor:infra:ExecutorApp${APP}::executor-app"


def engine(tags: dict[str, str] | None, *state: str) -> EngineDouble:
    cloud = AzureDouble(apps={NAME: {**live_app(), "tags": tags}})
    cloud.state = state
    return EngineDouble(cloud, preview=True)


@pytest.mark.parametrize(
    "tags", [None, {"project": "another", "stack": "prod"}, {"project": "code-executor", "stack": "contest"}]
)
def test_an_app_that_is_not_in_the_state_stops_everything_with_the_command_that_takes_it_over(
    tags: dict[str, str] | None,
) -> None:
    run = engine(tags, OWN.replace("executor-app", "executor-node-app"), OWN.replace(APP, "code-executor:infra:ExecutorApp"))
    with pytest.raises(pulumi.RunError, match=r"nothing was touched.*`python -m infra\.adopt --stack contest`"):
        deploy("contest", run)
    assert run.resources == []


def test_an_app_that_is_in_the_state_is_changed_whatever_its_tags_are() -> None:
    for tags in (None, {"project": "code-executor", "stack": "contest"}):
        assert APP in deploy("contest", engine(tags, OWN)).types()


def test_an_app_of_another_stack_is_left_to_that_one() -> None:
    run = engine({"project": "code-executor", "stack": "exam"})
    with pytest.raises(pulumi.RunError, match="is the stack exam's, so nothing was touched: two stacks never own one app"):
        deploy("contest", run)
    assert run.resources == []


def test_the_adoption_itself_may_look_at_what_would_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADOPTING_VARIABLE, "1")
    assert APP in deploy("contest", engine(None)).types()


def test_each_app_of_a_list_is_looked_up_by_its_own_name() -> None:
    run = engine(None)
    with pytest.raises(pulumi.RunError, match=f"The app {NAME} exists"):
        deploy("contest", run, apps=f'[{{"imageTarget": "node"}}, {{"imageTarget": "judge", "appName": "{NAME}"}}]')


@pytest.mark.parametrize(
    ("state", "before", "after"), [("Succeeded", None, None), ("Succeeded", "2", "2"), ("Failed", "2", "3")]
)
def test_an_app_whose_last_change_failed_is_tried_again_and_any_other_is_left_as_it_is(
    state: str, before: str | None, after: list[str]
) -> None:
    app = {**live_app(), "provisioningState": state}
    if before is not None:
        app["template"]["containers"][0]["env"] = [{"name": "REVISION_ATTEMPT", "value": before}]
    cloud = AzureDouble(apps={NAME: app})
    cloud.state = (OWN,)
    run = EngineDouble(cloud, preview=True)
    (container,) = deploy("contest", run).only(APP).inputs["template"]["containers"]
    assert [each["value"] for each in container.get("env", []) if each["name"] == "REVISION_ATTEMPT"] == (
        [after] if after else []
    )
    assert any("failed in Azure" in text and "--type system" in text for text in run.warnings) is (state == "Failed")
