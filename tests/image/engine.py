"""The Docker engine of this machine, by its command line, and the image that tests build once."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.server import ROOT, Executor

_REPOSITORY = "executor-image"
#: The size of one replica, without a capability; its file tree is its own and can be written to.
AS_ON_AZURE = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "1g", "--cpus", "0.5")
#: What issue and documentation promise to be enough: no capability, nothing writable, one half of a core.
CONFINED = (*AS_ON_AZURE, "--read-only", "--tmpfs", "/tmp")
_HEALTHY_SECONDS = 30


def docker(*arguments: str) -> str:
    """Output of a docker command; an error shows what docker said."""
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def build(target: str = "judge", *options: str) -> str:
    """Builds the image of a target, or skips where there is no engine; in CI that is an error instead."""
    reachable = (
        shutil.which("docker") and subprocess.run(("docker", "info"), capture_output=True, check=False).returncode == 0
    )
    if not reachable:
        if os.environ.get("REQUIRE_IMAGE_TESTS") == "1":
            pytest.fail("no Docker engine can be reached, and these tests must not be skipped here")
        pytest.skip("no Docker engine can be reached: the image is not tested")
    tag = f"{_REPOSITORY}:test-{target}"
    docker("build", "-q", "--target", target, "-t", tag, *options, str(ROOT / "runtime"))
    return tag


@contextmanager
def container(image: str, *options: str, settings: dict[str, str] | None = None) -> Iterator[Executor]:
    """An executor in a container, ready to serve; removed at the end."""
    environment = [word for name, value in (settings or {}).items() for word in ("-e", f"{name}={value}")]
    started = time.monotonic()
    name = docker("run", "-d", "-p", "127.0.0.1::8000", *options, *environment, image)
    try:
        port = docker("port", name, "8000").rpartition(":")[2]
        executor = Executor(f"http://127.0.0.1:{port}")
        executor.container = name
        deadline = time.monotonic() + _HEALTHY_SECONDS
        while True:
            try:
                if executor.http.get("/ready").status_code == 200:
                    break
            except httpx.TransportError:
                pass  # it is starting
            assert time.monotonic() < deadline, docker("logs", name)
            time.sleep(0.05)
        executor.started_seconds = time.monotonic() - started
        yield executor
        executor.http.close()
    finally:
        docker("rm", "-f", name)


def state(name: str) -> dict[str, object]:
    """What the engine says of a container's state."""
    found: dict[str, object] = json.loads(docker("inspect", name))[0]["State"]
    return found
