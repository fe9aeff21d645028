"""Contents in memory with a descriptor: whole on the other side, and nobody's to change."""

import errno
import mmap
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from runtime.execution.codec import frame, frame_parts, message_of, part_in_memory, receive_frame
from runtime.execution.memory_files import Memory, MemoryFile, in_memory
from runtime.execution.protocol import Ended, File, Job, Limits, Outcome

_LIMITS = Limits(wall_ms=1, cpu_ms=1, memory_bytes=1)
_PROGRAM = os.urandom(300_001)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(_PROGRAM)
    return path


def _taken(memory: Memory, path: Path, size: int = len(_PROGRAM)) -> MemoryFile:
    with path.open("rb") as file:
        return MemoryFile(memory, memory.take(file.fileno(), size), size)


def test_a_job_s_contents_in_memory_come_over_as_descriptors(program: Path) -> None:
    memory = Memory.create()
    other = program.with_name("other")
    other.write_bytes(_PROGRAM[:0:-1])
    first, second = memoryview(_taken(memory, program)), memoryview(_taken(memory, other, len(_PROGRAM) - 1))
    names = {"a": first, "b": memoryview(b"small"), "c": second, "part": first[3:]}
    job = Job(("/bin/true",), {}, tuple(File(*item) for item in names.items()), _LIMITS)
    parts, memories = frame_parts(msgspec.msgpack.Encoder(), job)
    assert sum(map(len, parts)) < 2 * len(_PROGRAM)  # only the part went by the stream
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        socket.send_fds(ours, [b"".join(parts)], [each.descriptor for each in memories])
        came: list[Memory] = []
        received = receive_frame(theirs, came)
        assert received is not None
        got = message_of(msgspec.msgpack.Decoder(Job), *received, came)
    assert got == job
    assert [in_memory(file.content) is not None for file in got.files] == [True, False, True, False]
    assert not os.get_inheritable(came[0].descriptor)
    for file in got.files:
        if found := in_memory(file.content):
            with program.open("wb") as target:
                found.write_to(target.fileno())
            assert program.read_bytes() == file.content


def test_an_outcome_s_contents_are_found_in_the_memory_that_was_given(program: Path) -> None:
    memory = Memory.create()
    sizes, contents = [], []
    for size in (len(_PROGRAM), 5):
        with program.open("rb") as file:
            told, content = part_in_memory(size, memory.take(file.fileno(), size))
        sizes.append(told)
        contents.append(content)
    files = tuple(File(name, memoryview(b"")) for name in ("a", "b"))
    start = frame(msgspec.msgpack.Encoder(), Outcome(Ended.EXITED, files=files), sizes)
    whole = memoryview(b"".join((start, *contents)))
    memory.seal()
    got = message_of(msgspec.msgpack.Decoder(Outcome), whole[:12].tobytes(), whole[12:], (memory, memory))
    assert [file.content for file in got.files] == [_PROGRAM, _PROGRAM[:5]]


@pytest.mark.parametrize(
    "change",
    [
        lambda descriptor: os.pwrite(descriptor, b"x", 0),
        lambda descriptor: os.ftruncate(descriptor, 0),
        lambda descriptor: os.ftruncate(descriptor, 1 << 20),
        lambda descriptor: mmap.mmap(descriptor, 1, mmap.MAP_SHARED, mmap.PROT_WRITE),
        lambda descriptor: os.pwrite(os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR), b"x", 0),
    ],
)
def test_what_is_sealed_nobody_can_change(program: Path, change: Callable[[int], object]) -> None:
    memory = Memory.create()
    place = _taken(memory, program).place
    memory.seal()
    with pytest.raises(PermissionError) as raised:
        change(memory.descriptor)
    assert raised.value.errno == errno.EPERM
    assert MemoryFile(memory, place, len(_PROGRAM))[:] == _PROGRAM


def test_a_file_that_was_made_shorter_meanwhile_ends_in_zeros(program: Path) -> None:
    content = _taken(Memory.create(), program, len(_PROGRAM) + 9)
    assert content[:] == _PROGRAM + bytes(9)


@pytest.mark.parametrize("size", [len(_PROGRAM) + 4096, 1 << 40])
def test_a_size_that_the_memory_does_not_have_is_an_error(program: Path, size: int) -> None:
    memory = Memory.create()
    _taken(memory, program)
    with pytest.raises(ValueError, match="length"):
        MemoryFile(memory, 0, size)


def test_a_copy_that_the_disk_does_not_take_is_an_error(program: Path) -> None:
    content = _taken(Memory.create(), program)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with program.with_name("copy").open("wb") as copy:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                content.write_to(copy.fileno())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_memory_that_nobody_refers_to_any_more_is_given_back(program: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    content = memoryview(_taken(Memory.create(), program))
    assert len(os.listdir("/proc/self/fd")) > before
    del content
    assert len(os.listdir("/proc/self/fd")) == before
