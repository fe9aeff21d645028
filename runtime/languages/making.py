"""`python -m runtime.languages.making LANGUAGE FOLDER PATH [all]`: fills the cache folder, and says what can be used of it.

For C++ these are headers that were compiled ahead, for Java an archive of the compiler's classes.

A process of its own, beside a server that goes on: it computes for a minute, at the lowest priority. A line of its output is
`use ENTRY FINGERPRINT`, or a reason to go on without. The compilers on PATH are this machine's; no program has a part in it.
"""

import fcntl
import functools
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from runtime.languages.cache_folder import UnusableError, opened, publish, verified
from runtime.languages.class_archive import NEEDED_MB, Javac
from runtime.languages.registry import load
from runtime.sandbox.syscalls import PR_SET_PDEATHSIG, prctl

# Of those that the image has: the first by itself serves most contests' programs.
_HEADERS = ("bits/stdc++.h", "iostream", "map", "string", "algorithm", "vector")
_SCRIPTS = Path(__file__).resolve().parents[1] / "gcc"
_NICENESS = 19
# One header takes half of that while it is made.
_HEADER_NEEDS_MB = 512
_BUILDING = "building-"


class _Entry(NamedTuple):
    """What is to be in the cache folder: its name there, what it needs of the disk, and how a folder is filled with it."""

    key: str
    needed_mb: int
    fill: Callable[[Path, str], None]


def main() -> None:
    """Ends when it has said of each entry whether it can be used."""
    name, folder, path, *words = sys.argv[1:]
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    os.nice(_NICENESS)
    os.environ.update(PATH=path, LC_ALL="C")
    os.umask(0o022)
    try:
        cache = opened(folder, readable_for_all="all" in words)
        entries = _archives(name) if name == "java" else _headers()
    except UnusableError as error:
        _say(str(error))
        return
    able = True
    for entry in entries:
        place = cache / entry.key
        try:
            if able and not place.exists():
                with _alone(cache):
                    _make(cache, entry)
        except (UnusableError, OSError, subprocess.TimeoutExpired) as error:
            # Others would fail in the same way; what is there already can be used.
            able = False
            _say(str(error))
        try:
            if place.exists():
                _say(f"use {place} {verified(place)}")
        except UnusableError as error:
            _say(str(error))


def _headers() -> list[_Entry]:
    compiler = _Compiler()
    return [
        _Entry(compiler.key(header), _HEADER_NEEDS_MB, functools.partial(compiler.precompile, header)) for header in _HEADERS
    ]


def _archives(name: str) -> list[_Entry]:
    compiler = Javac(next(language for language in load() if language.name == name))
    return [_Entry(compiler.key, NEEDED_MB, compiler.archive)]


def _make(cache: Path, entry: _Entry) -> None:
    """Makes the entry, unless another process just has; raises UnusableError, OSError or TimeoutExpired."""
    for left in cache.glob(f"{_BUILDING}*"):
        shutil.rmtree(left, ignore_errors=True)
    if (cache / entry.key).exists():
        return
    free_mb = shutil.disk_usage(cache).free >> 20
    if free_mb < entry.needed_mb:
        raise UnusableError(f"{cache} has {free_mb} MiB left, and {entry.needed_mb} are needed")
    with tempfile.TemporaryDirectory(prefix=_BUILDING, dir=cache) as building:
        made = Path(building, "made")
        made.mkdir()
        entry.fill(made, building)
        publish(made, cache / entry.key)


def _say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Waits until no other process makes something in this folder; raises UnusableError where nobody can."""
    lock = os.open(cache / "lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another process fills {cache}, which is waited for")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


class _Compiler:
    """This machine's g++, as it is now."""

    def __init__(self) -> None:
        """Raises UnusableError where it does not answer."""
        has_plugins = Path(_output("g++", "-print-file-name=plugin"), "include", "gcc-plugin.h").exists()
        #: Headers of GCC itself are a package that few machines have. Without it a program takes twice as long.
        self._plugin = {} if has_plugins else {"PLUGIN": "none"}
        self._fixed = [_output("g++", "--version"), _output("g++", "-dumpmachine"), str(has_plugins)]
        for path in (Path(_output("g++", "-print-prog-name=cc1plus")), *sorted(_SCRIPTS.iterdir())):
            if path.is_file():
                with path.open("rb") as file:
                    self._fixed.append(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}")

    def key(self, header: str) -> str:
        """A name that another compiler, another library, other options or another way to make it would not have."""
        rule = _output("g++", "-std=gnu++20", "-fopenmp", "-x", "c++", "-M", "-", text=f"#include <{header}>")
        read = hashlib.sha256("\0".join((header, *self._fixed)).encode())
        for name in sorted(set(rule.replace("\\", " ").split())):
            if name.startswith("/"):
                read.update(name.encode() + b"\0" + Path(name).read_bytes())
        return f"cpp-{read.hexdigest()[:32]}"

    def precompile(self, header: str, into: Path, temporary: str) -> None:
        """Fills the folder `into`; raises UnusableError with the compiler's last words."""
        command = ("sh", str(_SCRIPTS / "precompile.sh"), str(into), header)
        done = subprocess.run(
            command, env=os.environ | self._plugin | {"TMPDIR": temporary}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise UnusableError(f"<{header}> was not compiled ahead: {(done.stderr.strip() or 'no words').splitlines()[-1]}")


def _output(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnusableError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
