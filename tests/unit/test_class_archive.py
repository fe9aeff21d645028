"""An archive of javac's classes that is made on this machine: when it is used, and what has it not used, with one line each.

The compiler is a script: `tests/api/test_archived_classes.py` has a JDK.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.languages.ahead import Ahead
from runtime.languages.cache_folder import verified
from runtime.languages.class_archive import words
from runtime.languages.registry import load
from tests.unit.making import made

_JAVA = next(language for language in load() if language.name == "java")
_COMPILER = """#!/bin/sh
for word; do
  case $word in
    -J-version) echo "javac $(cat "$(dirname "$0")/version")"; exit 0 ;;
    -J-XX:ArchiveClassesAtExit=*) echo archive > "${word#*=}"; echo once >> "$(dirname "$0")/made" ;;
  esac
done
exit 1
"""
_NOBODY = 65534
_needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class _Machine:
    """One with that compiler, and a cache folder."""

    def __init__(self, folder: Path) -> None:
        self.jdk = folder / "jdk"
        self.cache = folder / "cache"
        (self.jdk / "bin").mkdir(parents=True)
        (self.jdk / "lib").mkdir()
        (self.jdk / "lib/modules").write_text("modules")
        (self.jdk / "bin/version").write_text("99")
        self.compile_with(_COMPILER)
        self.path = f"{self.jdk}/bin:/usr/bin:/bin"

    def compile_with(self, script: str) -> None:
        (self.jdk / "bin/javac").write_text(script)
        (self.jdk / "bin/javac").chmod(0o755)

    def make(self, *before: str, user: int | None = None, path: str = "") -> tuple[list[Path], list[str]]:
        """The entry that can be used, if there is one, and every other line."""
        return made("java", self.cache, path or self.path, *before, user=user)

    def made(self) -> int:
        """How often an archive was written."""
        return len((self.jdk / "bin/made").read_text().splitlines())


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Machine]:
    folder = tmp_path_factory.mktemp("machine")
    yield _Machine(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_an_archive_is_made_once_and_used_from_then_on(machine: _Machine) -> None:
    [entry], said = machine.make()
    assert (said, (entry / "javac.jsa").read_text()) == ([], "archive\n")
    assert machine.make() == ([entry], [])
    assert machine.made() == 1
    assert words((str(entry),)) == (f"-J-XX:SharedArchiveFile={entry}/javac.jsa",)
    assert words(()) == ()


@pytest.mark.parametrize("file", ["bin/version", "lib/modules"])
def test_another_jdk_gets_an_archive_of_its_own(machine: _Machine, file: str) -> None:
    first, _ = machine.make()
    (machine.jdk / file).write_text("another one")
    second, said = machine.make()
    assert (len(second), said) == (1, [])
    assert second != first


def _written_to(entry: Path) -> None:
    (entry / "javac.jsa").write_text("compiles!")


def _of_another_version(entry: Path) -> None:
    manifest = json.loads((entry / "manifest.json").read_text())
    (entry / "manifest.json").write_text(json.dumps(manifest | {"format": 0}))


def _open_to_others(entry: Path) -> None:
    (entry / "javac.jsa").chmod(0o666)


def _somebody_else_s(entry: Path) -> None:
    os.chown(entry / "javac.jsa", _NOBODY, _NOBODY)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_written_to, "is not what was written there"),
        (_of_another_version, "was made by another version of the executor"),
        (_open_to_others, "other users can write to"),
        pytest.param(_somebody_else_s, "belongs to another user", marks=_needs_root),
    ],
)
def test_an_archive_that_is_not_what_was_written_is_not_used(
    machine: _Machine, change: Callable[[Path], None], says: str
) -> None:
    [entry], _ = machine.make()
    change(entry)
    used, [line] = machine.make()
    assert used == []
    assert says in line


@_needs_root
def test_a_folder_without_room_is_left_alone(machine: _Machine) -> None:
    machine.cache.mkdir()
    mount = f'mount -t tmpfs -o size=8m,mode=755 tmpfs {machine.cache} && exec "$@"'
    assert machine.make("unshare", "-m", "sh", "-c", mount, "sh") == (
        [],
        [f"{machine.cache} has 8 MiB left, and 128 are needed"],
    )


@_needs_root
def test_a_folder_that_cannot_be_written_to_is_left_alone(machine: _Machine) -> None:
    machine.cache.mkdir()
    mount = f'mount -t tmpfs -o ro,mode=755 tmpfs {machine.cache} && exec "$@"'
    used, [line] = machine.make("unshare", "-m", "sh", "-c", mount, "sh")
    assert (used, line) == ([], f"[Errno 30] Read-only file system: '{machine.cache}/lock'")


def test_a_jvm_that_makes_no_archive_is_left_alone(machine: _Machine) -> None:
    machine.compile_with(
        _COMPILER.replace("-J-XX:ArchiveClassesAtExit=*)", "unknown)").replace("exit 1", 'echo "no such option"')
    )
    assert machine.make() == ([], ["javac made no archive of its classes: no such option"])
    assert sorted(path.name for path in machine.cache.iterdir()) == ["lock"]


def test_a_machine_without_a_jdk_is_left_alone(machine: _Machine) -> None:
    assert machine.make(path="/nonexistent") == ([], ["there is no javac"])
    (machine.jdk / "lib/modules").unlink()
    assert machine.make() == ([], [f"{machine.jdk} is no JDK: No such file or directory"])


def test_an_archive_that_changes_while_it_is_in_use_is_not_used_any_more(
    machine: _Machine, caplog: pytest.LogCaptureFixture
) -> None:
    if os.path.exists(_JAVA.archive):
        pytest.skip("this machine has the image's archive")
    [entry], _ = machine.make()
    ahead = Ahead()
    ahead.entries = {str(entry): verified(entry), "/cache/cpp-1": "a header's"}
    assert ahead.words(_JAVA) == (f"-J-XX:SharedArchiveFile={entry}/javac.jsa",)
    _written_to(entry)
    assert ahead.words(_JAVA) == ()
    assert [record.getMessage() for record in caplog.records] == [
        f"Java programs take longer than they could (EXECUTOR_CACHE_DIR): {entry} is not what it was"
    ]
