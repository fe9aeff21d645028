"""Headers that are made on this machine: when they are used, and everything about their folder that has them not used.

The compiler is a script that writes a few bytes, and each case takes a moment: `tests/api/test_compiled_ahead.py` has GCC.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.executor import ROOT, until
from runtime.languages.ahead import Ahead
from runtime.languages.cache_folder import UnusableError, default_folder, opened, verified
from runtime.languages.registry import load
from tests.unit.making import command, made

_CPP = next(language for language in load() if language.name == "cpp")
_COMPILER = """#!/bin/sh
here=$(dirname "$0")
case "$*" in
  *-print-file-name=plugin*) echo /nonexistent ;;
  *--version*) echo "g++ 99.$(cat "$here/version")" ;;
  *-dumpmachine*) echo machine ;;
  *-print-prog-name*) echo "$0" ;;
  *" -M -") echo "-: $here/include/$(sed 's/.*<\\(.*\\)>.*/\\1/')" ;;
  *" -M "*) echo "-: $here/include/vector" ;;
  *) for word; do [ "$last" = -o ] && echo compiled > "$word"; last=$word; done; echo once >> "$here/made" ;;
esac
"""
_HEADERS = ("bits/stdc++.h", "iostream", "map", "string", "algorithm", "vector")
_NOBODY = 65534


class _Machine:
    """One with that compiler, and a cache folder."""

    def __init__(self, folder: Path) -> None:
        self.tools = folder / "tools"
        self.cache = folder / "cache"
        for header in _HEADERS:
            (self.tools / "include" / header).parent.mkdir(parents=True, exist_ok=True)
            (self.tools / "include" / header).write_text(f"// {header}\n")
        (self.tools / "g++").write_text(_COMPILER)
        (self.tools / "g++").chmod(0o755)
        (self.tools / "version").write_text("1")
        self.path = f"{self.tools}:/usr/bin:/bin"
        self.command = command("cpp", self.cache, self.path)

    def make(self, *before: str, user: int | None = None) -> tuple[list[Path], list[str]]:
        """The entries that can be used, and every other line."""
        return made("cpp", self.cache, self.path, *before, user=user)

    def compiled(self) -> int:
        """How often the compiler has made a header."""
        return len((self.tools / "made").read_text().splitlines())


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Machine]:
    # Above it only folders of the user's or of root's, whatever a test run has for its temporary ones.
    folder = tmp_path_factory.mktemp("machine")
    yield _Machine(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_headers_are_made_once_and_used_from_then_on(machine: _Machine) -> None:
    entries, words = machine.make()
    assert (len(entries), words, machine.compiled()) == (len(_HEADERS), [], len(_HEADERS))
    assert (entries[0] / "headers").read_text().startswith("bits/stdc++.h bits/stdc++.h ,")
    assert machine.make() == (entries, [])
    assert machine.compiled() == len(_HEADERS)
    assert not list(machine.cache.glob("building-*"))


@pytest.mark.parametrize(("file", "text"), [("version", "2"), ("include/vector", "// other words\n")])
def test_another_compiler_or_another_library_gets_headers_of_its_own(machine: _Machine, file: str, text: str) -> None:
    first, _ = machine.make()
    (machine.tools / file).write_text(text)
    second, words = machine.make()
    assert len(second) == len(_HEADERS)
    assert second[-1] != first[-1]
    assert not words


def _add_to_a_file(entry: Path) -> None:
    with (entry / "vector.gch").open("a") as file:
        file.write("and more")


def _add_a_file(entry: Path) -> None:
    (entry / "more").write_text("")


def _take_a_file_away(entry: Path) -> None:
    (entry / "vector.gch").unlink()


def _let_others_write(entry: Path) -> None:
    (entry / "vector.gch").chmod(0o666)


def _link(entry: Path) -> None:
    (entry / "vector.gch").rename(entry.parent / "elsewhere")
    (entry / "vector.gch").symlink_to(entry.parent / "elsewhere")


def _be_of_another_version(entry: Path) -> None:
    manifest = json.loads((entry / "manifest.json").read_text())
    (entry / "manifest.json").write_text(json.dumps(manifest | {"format": 0}))


def _be_cut_off(entry: Path) -> None:
    (entry / "manifest.json").write_text("{")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_add_to_a_file, "is not what was written there"),
        (_add_a_file, "is not what was written there"),
        (_take_a_file_away, "is not what was written there"),
        (_let_others_write, "other users can write to"),
        (_link, "is neither a file nor a folder"),
        (_be_of_another_version, "was made by another version of the executor"),
        (_be_cut_off, "has no manifest that can be read"),
    ],
)
def test_what_is_not_what_was_written_is_not_used(machine: _Machine, change: object, says: str) -> None:
    assert callable(change)
    entries, _ = machine.make()
    change(entries[-1])
    used, words = machine.make()
    assert used == entries[:-1]
    [line] = words
    assert says in line


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_what_somebody_else_owns_is_not_used(machine: _Machine) -> None:
    entries, _ = machine.make()
    os.chown(entries[0] / "bits/stdc++.h.gch", _NOBODY, _NOBODY)
    used, [line] = machine.make()
    assert used == entries[1:]
    assert line.endswith("stdc++.h.gch belongs to another user")


def test_a_folder_that_others_can_write_to_is_not_used(machine: _Machine) -> None:
    machine.cache.mkdir()
    machine.cache.chmod(0o777)
    used, [line] = machine.make()
    assert (used, line) == ([], f"other users can write to {machine.cache}")


def test_a_folder_that_cannot_be_written_to_is_used_for_what_it_has(machine: _Machine) -> None:
    if os.geteuid() == 0 and Path(sys.executable).resolve().is_relative_to(Path.home()):
        pytest.skip("this Python is closed to other users")
    made, _ = machine.make()
    shutil.rmtree(made[-1])
    temporary = Path(tempfile.gettempdir())
    for above in (machine.cache, *machine.cache.parents):
        if above.is_relative_to(temporary) and above != temporary:
            above.chmod(0o755)
    machine.cache.chmod(0o555)
    (machine.cache / "lock").unlink()
    used, [line] = machine.make(user=_NOBODY if os.geteuid() == 0 else None)
    machine.cache.chmod(0o755)
    assert used == made[:-1]
    assert line == f"[Errno 13] Permission denied: '{machine.cache}/lock'"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_folder_without_room_is_left_alone(machine: _Machine) -> None:
    machine.cache.mkdir()
    mount = f'mount -t tmpfs -o size=8m,mode=755 tmpfs {machine.cache} && exec "$@"'
    used, [line] = machine.make("unshare", "-m", "sh", "-c", mount, "sh")
    assert (used, line) == ([], f"{machine.cache} has 8 MiB left, and 512 are needed")


def test_a_compiler_that_fails_leaves_nothing_behind(machine: _Machine) -> None:
    fails = '*iostream.gch*) echo "no room" >&2; exit 1 ;;\n  *) for word'
    (machine.tools / "g++").write_text(_COMPILER.replace("*) for word", fails))
    used, [line] = machine.make()
    assert len(used) == 1
    assert line == "<iostream> was not compiled ahead: no room"
    assert sorted(path.name for path in machine.cache.iterdir()) == sorted([used[0].name, "lock"])


def test_two_at_once_make_each_header_once(machine: _Machine) -> None:
    machine.cache.mkdir()
    lock = os.open(machine.cache / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    both = [
        subprocess.Popen(machine.command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
        for _ in range(2)
    ]
    for each in both:
        assert each.stdout
        assert each.stdout.readline() == f"another process fills {machine.cache}, which is waited for\n"
    os.close(lock)
    for each in both:
        rest, _ = each.communicate(timeout=120)
        # They take turns, so that one may wait for the other again.
        assert sum(line.startswith("use ") for line in rest.splitlines()) == len(_HEADERS)
    assert machine.compiled() == len(_HEADERS)


def test_what_an_ended_process_left_is_removed_and_made_by_the_next(machine: _Machine) -> None:
    script = _COMPILER.replace("*) for word", "*iostream.gch*) touch $here/stuck; sleep 60 ;;\n  *) for word")
    (machine.tools / "g++").write_text(script)
    process = subprocess.Popen(machine.command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    assert until((machine.tools / "stuck").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == -signal.SIGKILL
    assert list(machine.cache.glob("building-*"))
    (machine.tools / "g++").write_text(_COMPILER)
    used, words = machine.make()
    assert (len(used), words) == (len(_HEADERS), [])
    assert not list(machine.cache.glob("building-*"))


def test_what_changes_while_it_is_in_use_is_not_used_any_more(machine: _Machine, caplog: pytest.LogCaptureFixture) -> None:
    entries, _ = machine.make()
    ahead = Ahead("", machine.path, readable_for_all=False)
    ahead.entries = {str(entry): verified(entry) for entry in entries}
    assert ahead.folders(_CPP) == tuple(map(str, entries))
    content = (entries[1] / "iostream.gch").stat()
    (entries[1] / "iostream.gch").write_text("compiles!")
    # Whoever owns a file can give it back its time.
    os.utime(entries[1] / "iostream.gch", ns=(content.st_atime_ns, content.st_mtime_ns))
    shutil.rmtree(entries[2])
    for _ in range(2):
        assert ahead.folders(_CPP) == tuple(str(entries[number]) for number in (0, 3, 4, 5))
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        f"{entries[1]} is not what it was",
        f"{entries[2]}: No such file or directory",
    ]


def test_programs_with_users_of_their_own_need_a_folder_that_is_open_to_them(machine: _Machine) -> None:
    machine.cache.mkdir()
    machine.cache.chmod(0o700)
    assert opened(str(machine.cache), readable_for_all=False) == machine.cache
    with pytest.raises(UnusableError, match="is closed to the users that programs have here"):
        opened(str(machine.cache), readable_for_all=True)


def test_the_folder_is_the_user_s_own_unless_it_is_root_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_folder({"XDG_CACHE_HOME": "/caches"}) == "/caches/code-executor"
    assert default_folder({"XDG_CACHE_HOME": "caches"}) == os.path.expanduser("~/.cache/code-executor")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_folder({"XDG_CACHE_HOME": "/caches"}) == "/var/cache/code-executor"
