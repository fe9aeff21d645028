"""The working directory: what a program leaves there is removed, whatever it is, and nothing else is touched."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.execution.protocol import Collect, File
from runtime.execution.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(str(tmp_path), "w1", 0)


def test_files_are_placed_with_their_folders_and_modes(workspace: Workspace) -> None:
    workspace.place(
        (
            File("a/b/c.txt", memoryview(b"1")),
            File("a/b/d.txt", memoryview(b"2")),
            File("run", memoryview(b"3"), executable=True),
        )
    )
    top = Path(workspace.path)
    assert (top / "a/b/c.txt").read_bytes() == b"1"
    assert os.access(top / "run", os.X_OK)


def test_only_matching_regular_files_come_back_never_through_a_link(workspace: Workspace, tmp_path: Path) -> None:
    top = Path(workspace.path)
    (tmp_path / "secret.class").write_bytes(b"secret")
    (top / "in").mkdir()
    (top / "in/A.class").write_bytes(b"A")
    (top / "B.class").write_bytes(b"B")
    (top / "big.class").write_bytes(b"x" * 100)
    (top / "other.txt").write_bytes(b"no")
    (top / "link.class").symlink_to(tmp_path / "secret.class")
    (top / "out").symlink_to(tmp_path)
    os.mkfifo(top / "pipe.class")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(top / "socket.class"))
        found = workspace.collect(Collect(("*.class",), 50))
    assert [(file.name, file.content) for file in found] == [("B.class", b"B"), ("in/A.class", b"A")]


def test_a_name_that_is_no_text_does_not_come_back(workspace: Workspace) -> None:
    for name in (b"a.class", b"\xff.class"):
        with open(os.fsencode(workspace.path) + b"/" + name, "wb"):
            pass
    assert [file.name for file in workspace.collect(Collect(("*.class",), 10))] == ["a.class"]


def test_a_tree_of_ten_thousand_levels_is_removed(workspace: Workspace, tmp_path: Path) -> None:
    folder = os.dup(workspace.descriptor)
    for _ in range(10_000):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    workspace.remove()
    assert list(tmp_path.iterdir()) == []


def test_odd_names_links_pipes_and_closed_folders_go_and_nothing_outside(workspace: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    top = os.fsencode(workspace.path)
    os.symlink(outside, top + b"/link")
    os.mkfifo(top + b"/fifo")
    for name in (b"\xff\xfe", b".removed-1-1", b"new\nline", b"-rf"):
        os.mkdir(top + b"/" + name)
        os.mkdir(top + b"/" + name + b"/inner")
        os.symlink(outside, top + b"/" + name + b"/inner/link")
        os.chmod(top + b"/" + name + b"/inner", 0)
        os.chmod(top + b"/" + name, 0)
    workspace.remove()
    assert (outside / "kept").read_text() == "kept"
    assert os.listdir(tmp_path) == ["outside"]


def _counted(workspace: Workspace, most_files: int) -> tuple[int, int]:
    found = workspace.disk_use(most_files)
    while not found.count(0.01):
        pass
    return found.bytes, found.files


def test_disk_use_counts_bytes_and_files_of_all_folders(workspace: Workspace) -> None:
    top = Path(workspace.path)
    (top / "a").mkdir()
    (top / "a/file").write_bytes(b"x" * 100_000)
    (top / "sparse").touch()
    os.truncate(top / "sparse", 1 << 30)
    size, count = _counted(workspace, 1000)
    assert 100_000 <= size < 200_000
    assert count == 3
    assert _counted(workspace, 1)[1] == 2


def test_disk_use_finds_what_lies_in_many_deep_and_closed_folders_and_leaves_them_closed(workspace: Workspace) -> None:
    top = Path(workspace.path)
    for number in range(300):
        (top / f"{number}/in/{'deep/' * (20 if number < 10 else 0)}").mkdir(parents=True)
        (top / f"{number}/in/file").write_bytes(b"x" * 10_000)
        os.chmod(top / f"{number}/in", 0)
    opened = len(os.listdir("/proc/self/fd"))
    size, count = _counted(workspace, 100_000)
    assert size >= 3_000_000
    assert count == 300 * (1 + 1 + 1) + 10 * 20
    assert {os.stat(top / f"{number}/in").st_mode & 0o777 for number in range(300)} == {0}
    assert len(os.listdir("/proc/self/fd")) == opened


@pytest.mark.parametrize("folders", [["/".join("d" * 101)], [str(number) for number in range(1001)]])
def test_a_tree_that_is_too_deep_or_has_too_many_folders_counts_as_too_many_files(
    workspace: Workspace, folders: list[str]
) -> None:
    opened = len(os.listdir("/proc/self/fd"))
    for folder in folders:
        (Path(workspace.path) / folder).mkdir(parents=True)
    assert _counted(workspace, 100_000)[1] > 100_000
    assert len(os.listdir("/proc/self/fd")) <= opened


def test_a_directory_that_a_program_closed_is_read_and_removed(workspace: Workspace) -> None:
    (Path(workspace.path) / "a").write_bytes(b"1")
    os.chmod(workspace.path, 0)
    assert [file.name for file in workspace.collect(Collect(("a",), 10))] == ["a"]
    os.chmod(workspace.path, 0)
    workspace.remove()
    assert not os.path.exists(workspace.path)


def test_a_large_file_comes_back_as_a_descriptor_after_the_others(workspace: Workspace) -> None:
    top = Path(workspace.path)
    (top / "a").write_bytes(b"x" * (1 << 18))
    (top / "b").write_bytes(b"small")
    small, large = workspace.collect(Collect(("*",), 1 << 20))
    assert (small.name, small.content, small.descriptor) == ("b", b"small", -1)
    assert (large.name, large.size, os.read(large.descriptor, 1 << 20)) == ("a", 1 << 18, b"x" * (1 << 18))
    large.close()


_FILES = (
    File("main.py", memoryview(b"print(1)\n")),
    File("data.txt", memoryview(b"2")),
    File("main", memoryview(b"\x7fELF"), executable=True),
    File("notes/", memoryview(b"")),
)


def _many_names(top: Path) -> None:
    for number in range(500):
        (top / f"{'n' * 100}{number}").touch()
    for path in filter(Path.is_file, top.iterdir()):
        path.unlink()


def _set_times(top: Path) -> None:
    for path in (top, top / "main.py"):
        os.utime(path, (1, 1))


def _replace(top: Path, make: Callable[[Path], object]) -> None:
    (top / "main.py").unlink()
    make(top / "main.py")


def _replace_folder(top: Path, make: Callable[[Path], object]) -> None:
    (top / "notes").rmdir()
    make(top / "notes")


_DEEDS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "a longer file": lambda top: (top / "main.py").write_bytes(b"x" * 5_000_000),
    "a file with a hole": lambda top: os.truncate(top / "main.py", 1 << 30),
    "a closed file": lambda top: (top / "main.py").chmod(0),
    "an executable file": lambda top: (top / "main.py").chmod(0o755),
    "a closed folder": lambda top: top.chmod(0),
    "a folder that is open to everyone": lambda top: top.chmod(0o1777),
    "times of a former year": _set_times,
    "no file": lambda top: (top / "main.py").unlink(),
    "a link": lambda top: _replace(top, lambda path: path.symlink_to("/etc/passwd")),
    "a link to itself": lambda top: _replace(top, lambda path: path.symlink_to("main.py")),
    "a folder": lambda top: _replace(top, lambda path: path.mkdir()),
    "a pipe": lambda top: _replace(top, os.mkfifo),
    "another file of the name": lambda top: _replace(top, lambda path: path.write_text("another")),
    "a second name": lambda top: os.link(top / "main.py", top / "second"),
    "a name outside": lambda top: os.link(top / "main.py", top.parent / "outside"),
    "another name": lambda top: (top / "main.py").rename(top / "renamed.py"),
    "some more files": lambda top: [(top / f"f{number}").write_text("x") for number in range(5)],
    "many names": _many_names,
    "folders": lambda top: (top / "a/b").mkdir(parents=True),
    "another program": lambda top: (top / "main").write_bytes(b"another"),
    "a program that cannot be executed": lambda top: (top / "main").chmod(0o644),
    "a note": lambda top: (top / "notes/1").write_text("x"),
    "a folder in the folder": lambda top: (top / "notes/1").mkdir(),
    "many notes": lambda top: [(top / f"notes/{number}").write_text("x") for number in range(50)],
    "a closed folder of notes": lambda top: (top / "notes").chmod(0),
    "a link in the place of a folder": lambda top: _replace_folder(top, lambda path: path.symlink_to("/etc")),
    "a folder in the place of a folder": lambda top: _replace_folder(top, lambda path: (path / "1").mkdir(parents=True)),
}


def _state(top: Path) -> list[object]:
    """All that a later run can see of a folder and its files."""
    found: list[object] = []
    for path in (top, *sorted(top.iterdir())):
        status = path.lstat()
        fields = (status.st_mode, status.st_size, status.st_blocks, status.st_nlink, status.st_uid, status.st_gid)
        found.append((path.name if path != top else "", *fields, path.read_bytes() if path.is_file() else b""))
    return found


@pytest.mark.parametrize("later", [_FILES, _FILES[1:], (File("main.py/in", memoryview(b"3")),)], ids=["same", "other", "in"])
@pytest.mark.parametrize("deed", _DEEDS)
def test_a_directory_that_serves_again_is_as_a_new_one(tmp_path: Path, deed: str, later: tuple[File, ...]) -> None:
    workspace = Workspace.create(str(tmp_path), "w1", 0)
    workspace.place(_FILES)
    before = time.time_ns()
    _DEEDS[deed](Path(workspace.path))
    if not workspace.recycle():
        workspace.remove()
        workspace = Workspace.create(str(tmp_path), "w1", 0)
    workspace.give_to(0)
    workspace.place(later)
    new = Workspace.create(str(tmp_path), "w2", 0)
    new.place(later)
    assert _state(Path(workspace.path)) == _state(Path(new.path))
    times = [path.lstat().st_mtime_ns for path in (Path(workspace.path), *Path(workspace.path).iterdir())]
    assert all(each >= before - 20_000_000 for each in times)  # a file's time is that of the latest tick


def test_what_a_usual_run_leaves_serves_again(workspace: Workspace) -> None:
    before = os.stat(workspace.path).st_ino
    workspace.place(_FILES)
    names = ("main.py", "data.txt", "main")
    files = [os.stat(f"{workspace.path}/{name}").st_ino for name in names]
    if os.stat(workspace.path).st_size != 4096:
        pytest.skip("this file system's directories grow with each name")
    (Path(workspace.path) / "notes/1").write_text("a note")
    (Path(workspace.path) / "made").write_text("a file of the run")
    assert workspace.recycle()
    assert sorted(os.listdir(workspace.path)) == sorted(names)
    workspace.give_to(0)
    workspace.place(_FILES)
    assert os.stat(workspace.path).st_ino == before
    assert [os.stat(f"{workspace.path}/{name}").st_ino for name in names] == files


def test_a_file_does_not_wait_for_one_that_is_executed(workspace: Workspace) -> None:
    workspace.place((File("main", memoryview(b"1")),))
    if not workspace.recycle():
        pytest.skip("this file system's directories grow with each name")
    workspace.give_to(0)
    workspace.place((File("main", memoryview(b"2"), executable=True),))
    assert os.access(f"{workspace.path}/main", os.X_OK)
