"""What the repository tells the services around it: the workflow, updates of what is pinned, hooks before a commit."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

_ROOT = Path(__file__).resolve().parents[2]
_MAKEFILE = (_ROOT / "Makefile").read_text("utf-8")
#: What each of Dependabot's ecosystems looks for in a directory.
_MANIFESTS = {
    "pip": ("requirements*.txt", "pyproject.toml"),
    "npm": ("package.json",),
    "docker": ("Dockerfile",),
    "gomod": ("go.mod",),
    "github-actions": (".github/workflows/*.yml",),
}


def _document(name: str) -> dict[Any, Any]:
    found = yaml.safe_load((_ROOT / name).read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def _prerequisites(target: str) -> list[str]:
    rule = re.search(rf"^{re.escape(target)}:(?!=)(.*)$", _MAKEFILE, re.MULTILINE)
    assert rule, f"the Makefile has no target {target}"
    return rule[1].split()


_CI = ".github/workflows/ci.yml"
_WORKFLOWS = sorted(str(path.relative_to(_ROOT)) for path in (_ROOT / ".github/workflows").iterdir())


def _steps(workflow: str = _CI) -> list[dict[str, Any]]:
    jobs = _document(workflow)["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_the_workflow_runs_for_pushes_and_pull_requests_and_may_only_read() -> None:
    workflow = _document(_CI)
    assert {"push", "pull_request"} <= workflow[True].keys()  # YAML 1.1 takes `on` for a truth
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())


def test_the_workflow_runs_what_ci_runs_elsewhere_and_make_targets_that_there_are() -> None:
    commands = "\n".join(step["run"] for step in _steps() if "run" in step)
    assert ".ci/run" in commands
    assert os.access(_ROOT / ".ci/run", os.X_OK)
    targets = re.findall(r"^\s*make ([a-z-]+)", commands, re.MULTILINE)
    assert targets
    for target in targets:
        _prerequisites(target)


def test_what_publishes_the_site_builds_it_with_make_and_may_write_pages_alone() -> None:
    workflow = _document(".github/workflows/site.yml")
    assert workflow["permissions"] == {"contents": "read"}
    [job] = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "read", "pages": "write", "id-token": "write"}
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make site"]
    _prerequisites("site")


@pytest.mark.parametrize("workflow", _WORKFLOWS)
def test_each_action_is_one_commit_whose_version_stands_beside_it(workflow: str) -> None:
    text = (_ROOT / workflow).read_text("utf-8")
    used = [step["uses"] for step in _steps(workflow) if "uses" in step]
    assert used
    for action in used:
        assert re.search(rf"{re.escape(action)} # v\d+\.\d+\.\d+\n", text), action
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action


def test_the_workflow_s_pulumi_command_is_of_the_version_that_the_program_needs() -> None:
    [version] = [step["with"]["pulumi-version"] for step in _steps() if "pulumi/actions" in step.get("uses", "")]
    assert f"\npulumi=={version}\n" in (_ROOT / "requirements.txt").read_text("utf-8")


def test_updates_look_where_there_is_something_to_update() -> None:
    document = _document(".github/dependabot.yml")
    assert document["version"] == 2
    for update in document["updates"]:
        assert update["schedule"]["interval"] in ("daily", "weekly", "monthly")
        for directory in update.get("directories") or [update["directory"]]:
            folder = _ROOT / directory.strip("/")
            patterns = _MANIFESTS[update["package-ecosystem"]]
            assert any(list(folder.glob(pattern)) for pattern in patterns), f"{update['package-ecosystem']}: {directory}"


def test_nothing_that_is_pinned_is_left_out_of_the_updates() -> None:
    looked_at = {
        ((_ROOT / directory.strip("/")).resolve(), update["package-ecosystem"])
        for update in _document(".github/dependabot.yml")["updates"]
        for directory in update.get("directories") or [update["directory"]]
    }
    for ecosystem, pattern in (("npm", "package-lock.json"), ("gomod", "go.mod"), ("docker", "Dockerfile")):
        for folder in ("runtime", "client", "infra", "web"):
            for path in (_ROOT / folder).rglob(pattern):
                if "node_modules" not in path.parts:
                    assert (path.parent, ecosystem) in looked_at, path


def test_the_hooks_before_a_commit_are_the_parts_of_make_check() -> None:
    repositories = _document(".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert [hook["entry"] for hook in hooks] == [f"make {part}" for part in _prerequisites("check")]
    for hook in hooks:
        assert hook.keys() >= {"id", "name", "language"}
        _prerequisites(hook["id"])


@pytest.mark.parametrize(
    ("wanted", "locked"),
    [
        ("requirements.txt", "requirements.lock"),
        ("judge-packages.in", "judge-packages.txt"),
        ("science-packages.in", "science-packages.txt"),
    ],
)
def test_a_lock_has_the_versions_that_are_wanted(wanted: str, locked: str) -> None:
    pins = re.findall(r"^([\w.-]+==[\w.]+)", (_ROOT / "runtime" / wanted).read_text("utf-8"), re.MULTILINE)
    assert pins
    lock = (_ROOT / "runtime" / locked).read_text("utf-8")
    assert [pin for pin in pins if not re.search(rf"^{re.escape(pin)}[ ;]", lock, re.MULTILINE | re.IGNORECASE)] == []
