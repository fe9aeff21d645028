"""The working directory: what a program leaves there is removed, whatever it is, and nothing else is touched."""

import os
import socket
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
    assert len(os.listdir("/proc/self/fd")) == opened


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
