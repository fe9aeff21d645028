"""The places in which the corpus has to hold, each with a really running executor and a look at it from outside."""

import atexit
import contextlib
import functools
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from devtools.docker import AS_ON_AZURE, container, state
from devtools.executor import ROOT, Executor, running
from runtime.execution.process_tree import descendants
from runtime.sandbox.layers import FIRST_UID
from tests import processes
from tests.image.built import built

#: As Azure runs it, and a bound on processes that a fork bomb would run into if ours did not hold.
NO_CAPABILITIES = (*AS_ON_AZURE, "--pids-limit", "256")
_WATCHED = ("tmp", "var/tmp", "dev/shm", "run/lock", "dev/mqueue")
# An ordinary user that no test machine has a name for. Each test process has its own: what another one's executors have in
# /tmp for a moment is nothing that a program left here.
_USER = 12345 + processes.position()
#: What the names of folders with such a user's secret begin with.
SECRET_FOLDER = f"pytest-place-{_USER}-"

PLACES = {
    "a": "image without capabilities",
    "b": "image with Docker's default capabilities",
    "c": "host as an ordinary user",
    "d": "host as root",
    "e": "image without capabilities, Landlock ABI 1, /tmp in memory",
    "f": "image with default capabilities, without Landlock, /tmp in memory",
    "g": "image without capabilities and without Docker's own filter of system calls, /tmp in memory",
}


@dataclass
class Place:
    """One running executor. `root` is where its file tree is seen from here, `first` its first process."""

    letter: str
    executor: Executor
    first: int
    root: Path
    #: How many processes there are when nothing runs.
    at_rest: int = 0

    @property
    def landlock(self) -> bool:
        return bool(self.executor.health()["isolation"]["landlock_abi"])

    def processes(self) -> list[int]:
        """The executor's processes, as this machine numbers them."""
        return descendants([self.first])

    def described(self) -> str:
        """A line for each process: number, parent, state and command line."""
        lines = []
        for pid in self.processes():
            with contextlib.suppress(OSError):  # it has just ended
                name, _, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
                command = _words(pid).replace(b"\0", b" ").decode(errors="replace") or name.partition("(")[2]
                lines.append(f"{pid} {' '.join(fields.split()[1::-1])} {command}")
        return "\n".join(lines)

    def leftovers(self) -> set[str]:
        """Files in places where every user may write, but for the executor's own directory and those of the tests."""
        found = set()
        for place in _WATCHED:
            folder = self.root / place
            if folder.is_dir():
                found |= {f"{place}/{name}" for name in os.listdir(folder) if self._is_a_programs(folder / name)}
        return found

    def _is_a_programs(self, path: Path) -> bool:
        """On this machine others write to public places as well; in a container nobody does."""
        if re.match(r"executor-|runc-process", path.name):
            return False
        if self.letter not in "cd":
            return True
        try:
            uid = path.lstat().st_uid
        except FileNotFoundError:
            return False
        return uid >= FIRST_UID or (uid == _USER and not path.name.startswith("pytest-"))

    def boxes(self) -> set[str]:
        """What the executor's own directory holds besides directories that wait for a run."""
        found = set()
        for top in self._own_directories():
            for slot in top.iterdir():
                if slot.name != "bootstrap":
                    found |= {
                        f"{slot.name}/{entry.name}" for entry in slot.iterdir() if not re.fullmatch(r"w\d+", entry.name)
                    }
        return found

    def _own_directories(self) -> set[Path]:
        """Found by where the waiting workers are: other executors may run on this machine."""
        found = set()
        for pid in self.processes():
            try:
                match = re.match(r"/(tmp/executor-[^/]+)/", os.readlink(f"/proc/{pid}/cwd"))
            except FileNotFoundError:
                continue
            if match:
                found.add(self.root / match[1])
        return found

    def weight(self) -> tuple[int, int]:
        """Open descriptors and resident kilobytes of the server, its spawner and its supervisors."""
        descriptors = kilobytes = 0
        for pid in self.long_lived():
            descriptors += len(os.listdir(f"/proc/{pid}/fd"))
            status = Path(f"/proc/{pid}/status").read_text()
            kilobytes += int(re.findall(r"VmRSS:\s+(\d+)", status)[0])
        return descriptors, kilobytes

    def long_lived(self) -> list[int]:
        """Server, spawner and supervisors."""
        return [pid for pid in self.processes() if b"executor/bin/spawner" in _words(pid) or b"runtime" in _words(pid)][:3]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def place(letter: str) -> Iterator[Place]:
    """Starts the executor of one place; skips, saying why, where this machine cannot offer it."""
    if letter in "cd":
        if os.geteuid() != 0:
            pytest.skip("needs root, to be anyone")
        with on_host_as_user({}) if letter == "c" else running() as executor:
            assert executor.pid
            yield Place(letter, executor, executor.pid, Path("/"))
        return
    image = built()
    options = NO_CAPABILITIES if letter in "aeg" else ("--memory", "1g")
    if letter in "efg":
        # On disk and in memory files differ in what they count, and in how fast names are made.
        options = (*options, "--tmpfs", "/tmp:exec")
    if letter == "g":
        options = (*options, "--security-opt", "seccomp=unconfined")
    settings = {"e": {"EXECUTOR_TEST_LANDLOCK_ABI": "1"}, "f": {"EXECUTOR_TEST_DISABLE_LAYERS": "landlock"}}.get(letter, {})
    with container(image, *options, settings=settings) as executor:
        first = int(str(state(executor.container)["Pid"]))
        yield Place(letter, executor, first, Path(f"/proc/{first}/root"))


@contextmanager
def on_host_as_user(settings: dict[str, str]) -> Iterator[Executor]:
    """An executor on this machine that runs as an ordinary user, with a secret of that user's beside it."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become an ordinary user")
    python = Path(sys.executable).resolve()
    if python.is_relative_to(Path.home()):
        python = Path("/usr/bin/python3")
    with tempfile.TemporaryDirectory(prefix=SECRET_FOLDER) as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "secret").write_text("secret")
        (folder / "secret").chmod(0o600)
        os.chown(folder / "secret", _USER, _USER)
        command = (str(python), "-m", "runtime")
        with running(settings | {"PYTHONPATH": _copied_for_others()}, command=command, cwd=folder, user=_USER) as executor:
            yield executor


@functools.cache
def _copied_for_others() -> str:
    """A folder with the runtime and its packages, for ordinary users to read: a checkout under /root is closed to others.

    It goes with this process.
    """
    folder = Path(tempfile.mkdtemp(prefix="pytest-runtime-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    # With what is compiled of them, but for what another process is just compiling.
    shutil.copytree(ROOT / "runtime", folder / "runtime", ignore=shutil.ignore_patterns("*.pyc.*"))
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "runtime/requirements.lock").read_text(), re.MULTILINE)
    for package in locked:
        for file in importlib.metadata.files(package) or ():
            if ".." not in file.parts:
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(file.locate()), target)
    return str(folder)
