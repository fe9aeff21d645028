"""The contract between the server and its supervisors: a job goes in, an outcome comes out, one message each way."""

import mmap
import os
import socket
import struct
from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec import structs

_HERE = os.path.dirname(os.path.realpath(__file__))
#: What interpreters that are started ahead load first.
BOOTSTRAP = f"{_HERE}/bootstrap"
#: The folder that has the package `runtime`.
RUNTIME_ROOT = os.path.dirname(os.path.dirname(_HERE))
#: The name of the directory in which every program runs.
BOX = "box"
#: The descriptor by which the spawner speaks with the server.
SPAWNER_CONNECTION = 3


class Limits(msgspec.Struct, frozen=True):
    """What one run may use, all of its processes together unless a field says otherwise."""

    wall_ms: int
    cpu_ms: int
    memory_bytes: int
    #: Private writable memory that a runtime maps without using it, on top of `memory_bytes`, for each process.
    data_headroom_bytes: int = 0
    processes: int = 10
    #: Processes and threads together.
    tasks: int = 128
    #: For each of stdout and stderr.
    output_bytes: int = 1 << 20
    #: For each file.
    file_bytes: int = 10 << 20
    #: For all files together.
    disk_bytes: int = 64 << 20
    files: int = 10_000
    stack_bytes: int = 8 << 20
    open_files: int = 256


class File(msgspec.Struct, frozen=True, array_like=True):
    """A file of the workspace; `name` is relative, with `/` between folders.

    The content of one that was received lies in the frame that brought it: a compiled program has megabytes.
    """

    name: str
    content: memoryview
    executable: bool = False


class Collect(msgspec.Struct, frozen=True):
    """Which files to bring back after a run, however it ended: names or patterns, and at most `max_bytes` in all."""

    patterns: tuple[str, ...]
    max_bytes: int


class Job(msgspec.Struct, frozen=True):
    """One program to run: `argv[0]` is an absolute path; `warm` names the kind of prepared worker that may serve it.

    A worker serves it with `arguments` only, the rest of `argv` being what the worker was started with.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    files: tuple[File, ...]
    limits: Limits
    stdin: bytes = b""
    arguments: tuple[str, ...] = ()
    warm: str = ""
    collect: Collect | None = None
    #: A compile step: the run of what it makes comes next, and should not wait for what can be done later.
    followed: bool = False


class Ended(StrEnum):
    """Why a run is over: by itself, or by the first limit that it met."""

    EXITED = "exited"
    SIGNALED = "signaled"
    WALL_TIME = "wall_time"
    CPU_TIME = "cpu_time"
    MEMORY = "memory"
    OUTPUT = "output"
    DISK = "disk"
    CANCELLED = "cancelled"
    #: The executor could not run it; `Outcome.message` says why.
    FAILED = "failed"


class Outcome(msgspec.Struct, frozen=True):
    """What became of a job; times in milliseconds, memory in bytes (the peak of the run's sum, as far as seen)."""

    ended: Ended
    code: int | None = None
    signal: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    cpu_ms: float = 0.0
    wall_ms: float = 0.0
    memory_bytes: int = 0
    #: The kernel refused the program memory beyond its limit at least once, or it came close to it.
    memory_refused: bool = False
    warm: bool = False
    files: tuple[File, ...] = ()
    message: str = ""


class WarmStart(msgspec.Struct, frozen=True):
    """A kind of worker to keep ready: started with `argv`, `forks` where it is itself the origin of the workers.

    With `on_demand` none is started before the first job that asks for one.
    """

    name: str
    argv: tuple[str, ...]
    env: dict[str, str]
    forks: bool
    ready: int
    on_demand: bool = False


class SupervisorConfig(msgspec.Struct, frozen=True):
    """What a supervisor is told when it is spawned: its slot's directory, how to confine, and what to keep ready."""

    directory: str
    #: Landlock's rules, as pairs of a path and the rights below it; level 0 leaves Landlock out.
    rules: tuple[tuple[str, int], ...]
    landlock_abi: int
    seccomp: bool
    notify: bool
    own_pid_namespace: bool
    #: What programs may never signal.
    service_pids: tuple[int, ...]
    #: First uid of this supervisor's range, 0 where programs share the service's uid.
    first_uid: int
    uids: int
    #: Whether programs may use /dev/shm; only where no other slot could meet them there.
    shared_memory: bool
    #: Whether this is the only slot, so that the use of a file system is this run's use.
    alone: bool
    #: Whether each process is limited by the kernel, and whether the supervisor watches the sums.
    rlimits: bool
    watcher: bool
    warm: tuple[WarmStart, ...]


# Of a frame: bytes of the message, number of its files, bytes of their contents. Then come each file's size, the message
# without the contents, and these, which may be too large to be copied into it and out again.
_HEADER = struct.Struct("!3I")
HEADER_BYTES = _HEADER.size
_SIZE_BYTES = 4
#: Asks the supervisor to give up the job at hand; it still answers.
CANCEL = _HEADER.pack(0, 0, 0)
_NO_CONTENT = memoryview(b"")
# From here on memory comes from the kernel at once: page by page, as it is written, takes longer than what is written.
_LARGE_BYTES = 1 << 18

_Message = TypeVar("_Message", Job, Outcome)


def frame(encoder: msgspec.msgpack.Encoder, message: Job | Outcome, sizes: Sequence[int]) -> bytes:
    """The start of a frame, for a message whose files have no content: contents of these sizes in bytes are to follow."""
    encoded = encoder.encode(message)
    return b"".join((_HEADER.pack(len(encoded), len(sizes), sum(sizes)), struct.pack(f"!{len(sizes)}I", *sizes), encoded))


def frame_parts(encoder: msgspec.msgpack.Encoder, message: Job) -> tuple[bytes | memoryview, ...]:
    """A whole frame, contents as they are."""
    contents = tuple(file.content for file in message.files)
    bare = tuple(structs.replace(file, content=_NO_CONTENT) for file in message.files)
    return frame(encoder, structs.replace(message, files=bare), tuple(map(len, contents))), *contents


def rest_of_frame(header: bytes | bytearray) -> memoryview:
    """Room for what follows a frame's first `HEADER_BYTES`; none after `CANCEL`."""
    length, count, total = _HEADER.unpack(header)
    size = count * _SIZE_BYTES + length + total
    if size < _LARGE_BYTES:
        return memoryview(bytearray(size))
    return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE))


def message_of(decoder: msgspec.msgpack.Decoder[_Message], header: bytes | bytearray, rest: memoryview) -> _Message:
    """The message of a frame, with its files' contents, which stay in `rest`."""
    length, count, _ = _HEADER.unpack(header)
    start = count * _SIZE_BYTES
    message = decoder.decode(rest[start : start + length])
    if not count:
        return message
    files = []
    position = start + length
    for file, size in zip(message.files, struct.unpack(f"!{count}I", rest[:start]), strict=True):
        files.append(structs.replace(file, content=rest[position : position + size]))
        position += size
    return structs.replace(message, files=tuple(files))


def receive_frame(connection: socket.socket) -> tuple[bytearray, memoryview] | None:
    """Reads a frame from a blocking stream: its header, and the rest; None where the stream ends before."""
    header = bytearray(HEADER_BYTES)
    if not _fill(connection, memoryview(header)):
        return None
    rest = rest_of_frame(header)
    return (header, rest) if _fill(connection, rest) else None


def _fill(connection: socket.socket, room: memoryview) -> bool:
    while room:
        # A process that was stopped meanwhile, as by `docker pause`, gets what had come until then.
        count = connection.recv_into(room, 0, socket.MSG_WAITALL)
        if not count:
            return False
        room = room[count:]
    return True
