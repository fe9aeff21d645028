"""The pipelines that are ready to copy: valid by their publishers' schemas, without a secret of Azure's, with an approval."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools import stack_files

FOLDER = stack_files.ROOT / "pipelines"
GITHUB, AZURE = FOLDER / "github-deploy.yml", FOLDER / "azure-pipelines.yml"

# Some patterns of Azure's schema are none of Unicode's regular expressions.
OPTIONS = {
    GITHUB: ("--builtin-schema", "vendor.github-workflows"),
    AZURE: (
        "--builtin-schema",
        "vendor.azure-pipelines",
        "--data-transform",
        "azure-pipelines",
        "--regex-variant",
        "nonunicode",
    ),
}


def problems(file: Path, options: tuple[str, ...]) -> str:
    """Gives what check-jsonschema, which carries the schemas with it, says of a file; nothing where it is valid."""
    command = [sys.executable, "-m", "check_jsonschema", *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def read(file: Path) -> Any:
    # YAML 1.1 reads the key `on` as true.
    return {("on" if key is True else key): value for key, value in yaml.safe_load(file.read_text(encoding="utf-8")).items()}


@pytest.mark.parametrize("file", OPTIONS, ids=lambda file: file.name)
def test_a_pipeline_is_valid_by_its_publisher_s_schema(file: Path, tmp_path: Path) -> None:
    assert problems(file, OPTIONS[file]) == ""
    broken = tmp_path / file.name
    broken.write_text(file.read_text(encoding="utf-8").replace("steps:", "step:"), encoding="utf-8")
    assert "step" in problems(broken, OPTIONS[file])


def test_every_pipeline_in_the_folder_is_tested() -> None:
    assert set(FOLDER.iterdir()) == set(OPTIONS)


@pytest.mark.parametrize("file", OPTIONS, ids=lambda file: file.name)
def test_no_pipeline_holds_or_asks_for_a_client_secret(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"client[-_]?secret|ARM_CLIENT_SECRET|AZURE_CREDENTIALS|creds:", text, re.IGNORECASE)
    assert set(re.findall(r"secrets\.(\w+)", text)) <= {"PULUMI_CONFIG_PASSPHRASE"}


@pytest.mark.parametrize("file", OPTIONS, ids=lambda file: file.name)
def test_the_stacks_that_a_pipeline_names_have_files(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    named = set(re.findall(r"--stack (\w+)|stack-name: (\w+)", text))
    assert {first or second for first, second in named} <= set(stack_files.stacks())
    assert named


def test_github_s_deployment_waits_for_an_approval_and_a_fork_gets_no_token() -> None:
    workflow = read(GITHUB)
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    assert jobs["up"]["environment"] == "production"
    assert "head.repo.full_name == github.repository" in jobs["preview"]["if"]
    (preview,) = (step["with"] for step in jobs["preview"]["steps"] if step.get("uses", "").startswith("pulumi/actions"))
    assert (preview["command"], preview["comment-on-pr"], preview["diff"]) == ("preview", True, True)
    crons = [each["cron"] for each in workflow["on"]["schedule"]]
    assert crons[0] in jobs["scale"]["env"]["STACK"]


def test_azure_s_deployment_waits_for_an_approval_and_its_preview_becomes_a_comment() -> None:
    stages = {stage["stage"]: stage for stage in read(AZURE)["stages"]}
    (deployment,) = stages["up"]["jobs"]
    assert deployment["environment"] == "production"
    (job,) = stages["preview"]["jobs"]
    assert any("pullRequests" in step.get("script", "") for step in job["steps"])
    assert "Build.Reason'], 'PullRequest'" in stages["preview"]["condition"]
