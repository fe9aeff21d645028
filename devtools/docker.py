"""The Docker engine of this machine, by its command line: images of the runtime, and executors in containers."""

import json
import os
import shutil
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from devtools.executor import ROOT, Executor

#: Two checkouts on one machine take each other's tags away; TEST_IMAGES gives those of one another name.
_REPOSITORY = os.environ.get("TEST_IMAGES", "executor-image")
#: The size of one replica, without a capability; its file tree is its own and can be written to.
AS_ON_AZURE = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "1g", "--cpus", "0.5")
#: What is promised to be enough: no capability, nothing writable, one half of a core.
CONFINED = (*AS_ON_AZURE, "--read-only", "--tmpfs", "/tmp")
_HEALTHY_SECONDS = 30


def docker(*arguments: str) -> str:
    """Output of a docker command; raises RuntimeError with what docker said."""
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


def reachable() -> bool:
    """Whether there is an engine that answers."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(("docker", "info"), capture_output=True, check=False).returncode == 0


def build(target: str = "judge", *options: str) -> str:
    """Builds the image of a target and gives its tag; raises RuntimeError where the build fails.

    Other options make another tag: while one process builds, another may ask what the target's own image is.
    """
    tag = f"{_REPOSITORY}:test-{target}"
    if options:
        tag += f"-{zlib.crc32(' '.join(options).encode()):08x}"
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
            if time.monotonic() > deadline:
                raise RuntimeError(f"the executor in {image} is not ready: {docker('logs', name)}")
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
