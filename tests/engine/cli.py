"""The Pulumi command in a copy of the project, with the stand-in in the place of Azure's provider."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from devtools import stack_files
from devtools.cloud_file import CloudFile
from tests.engine.stand_in import CLOUD_VARIABLE, write_plugin

COPIED = ("infra", "policy", "runtime")
"""Folders that the program needs; of `runtime` it reads the settings, and the image is built from it."""


@dataclass(frozen=True)
class Project:
    """A copy of the project in a folder of the test's own.

    Attributes:
        folder: Where it is.
        cloud: What the stand-in holds.
        environment: Variables of every command.
    """

    folder: Path
    cloud: CloudFile
    environment: Mapping[str, str]

    def beside(self, variables: Mapping[str, str]) -> "Project":
        """Gives the same project with more variables for its commands."""
        return replace(self, environment={**self.environment, **variables})

    def start(self, *arguments: str, session: bool = False) -> subprocess.Popen[str]:
        """Starts `pulumi` with `arguments`, in a session of its own where it is to be killed, and does not wait for it."""
        return subprocess.Popen(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=session,
        )

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Runs `pulumi` with `arguments`, and gives what it printed."""
        process = self.start(*arguments)
        printed, _ = process.communicate(timeout=240)
        assert (process.returncode != 0) == fails, f"pulumi {' '.join(arguments)}: {printed}"
        return printed

    def adopt(self, *arguments: str) -> str:
        """Runs `python -m infra.adopt` in the project, and gives what it printed."""
        command = [sys.executable, "-m", "infra.adopt", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=dict(self.environment), capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def state(self) -> list[dict[str, Any]]:
        """Gives the resources in the selected stack's state."""
        return list(self.read_json("stack", "export")["deployment"].get("resources") or [])

    def outputs(self) -> dict[str, Any]:
        """Gives the outputs of the selected stack."""
        found = self.read_json("stack", "output", "--json", "--show-secrets")
        assert isinstance(found, dict)
        return found

    def read_json(self, *arguments: str) -> Any:
        """Runs `pulumi` with `arguments`, and gives what it printed as JSON: its warnings go elsewhere."""
        command = ["pulumi", "--non-interactive", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=dict(self.environment), capture_output=True, check=True)
        return json.loads(done.stdout)

    def app(self, name: str) -> dict[str, Any]:
        """Gives an app as the stand-in's cloud has it."""
        (found,) = (each["outputs"] for key, each in self.cloud.resources().items() if key.endswith(f"/containerApps/{name}"))
        assert isinstance(found, dict)
        return found

    def replicas(self, name: str) -> tuple[int, int]:
        """Gives how many replicas it has at least and at most."""
        scale = self.app(name)["template"]["scale"]
        return scale["minReplicas"], scale["maxReplicas"]

    def made(self) -> dict[str, Any]:
        """Gives what the stand-in made, by its type."""
        return {resource["type"]: resource["outputs"] for resource in self.cloud.resources().values()}


def copied_project(folder: Path, backend: str, plugins: Sequence[str] = ("azure-native", "docker")) -> Project:
    """Copies the project to `folder`, where it uses this interpreter's packages and the stand-in for `plugins`."""
    for path in [stack_files.ROOT / "__main__.py", *stack_files.ROOT.glob("Pulumi*.yaml")]:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    for name in COPIED:
        shutil.copytree(stack_files.ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "venv"))
    content = stack_files.project()
    content["runtime"]["options"]["virtualenv"] = sys.prefix
    binaries = folder / "plugins"
    for name in plugins:
        write_plugin(binaries, name)
    content["plugins"] = {"providers": [{"name": name, "path": str(binaries)} for name in plugins]}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    pack = yaml.safe_load((folder / "policy" / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    pack["runtime"]["options"]["virtualenv"] = sys.prefix
    (folder / "policy" / "PulumiPolicy.yaml").write_text(yaml.safe_dump(pack, sort_keys=False), encoding="utf-8")
    cloud = folder / "cloud.json"
    return Project(
        folder,
        CloudFile(cloud),
        {
            **os.environ,
            CLOUD_VARIABLE: str(cloud),
            "PULUMI_BACKEND_URL": backend,
            "PULUMI_CONFIG_PASSPHRASE": "a test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
            "NO_COLOR": "1",
        },
    )
