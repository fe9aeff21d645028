"""The bytes of the contract between the server and its supervisors: how a job or an outcome travels.

A frame is a header, the size of each file, the message without the files' contents, and the contents. A frame without a
message is an event of a live job: its contents are one byte that names it, and what belongs to it.

A content that lies in memory with a descriptor (`memory_files`) is not in the frame: there is its place in that memory.
"""

import array
import mmap
import socket
import struct
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec
from msgspec import structs

from runtime.execution.memory_files import Memory, MemoryFile, in_memory
from runtime.execution.protocol import Event, Job, Outcome

# Of a frame: bytes of the message, number of its files, bytes of their contents. Then come each file's size, the message
# without the contents, and these, which may be too large to be copied into it and out again.
_HEADER = struct.Struct("!3I")
HEADER_BYTES = _HEADER.size
_SIZE_BYTES = 4
# A bit in the size of a content that lies in memory, and the place there.
_IN_MEMORY = 1 << 31
_PLACE = struct.Struct("!Q")
# The kernel takes no more descriptors at once than 253, and one of them may be for what comes back.
_MOST_MEMORIES = 252
#: Asks the supervisor to give up the job at hand; it still answers.
CANCEL = _HEADER.pack(0, 0, 0)
_NO_CONTENT = memoryview(b"")
_NUMBER = struct.Struct("!I")
# From here on memory comes from the kernel at once: page by page, as it is written, takes longer than what is written.
_LARGE_BYTES = 1 << 18

_Message = TypeVar("_Message", Job, Outcome)


def frame(encoder: msgspec.msgpack.Encoder, message: Job | Outcome, sizes: Sequence[int]) -> bytes:
    """The start of a frame, for a message whose files have no content: contents of these `sizes` are to follow."""
    encoded = encoder.encode(message)
    total = sum(_bytes_in_frame(size) for size in sizes)
    return b"".join((_HEADER.pack(len(encoded), len(sizes), total), struct.pack(f"!{len(sizes)}I", *sizes), encoded))


def frame_parts(encoder: msgspec.msgpack.Encoder, message: Job) -> tuple[tuple[bytes | memoryview, ...], tuple[Memory, ...]]:
    """A whole frame, contents as they are, and the memories whose descriptors go with its first byte."""
    sizes: list[int] = []
    contents: list[memoryview] = []
    memories: list[Memory] = []
    for file in message.files:
        found = in_memory(file.content)
        if found and len(memories) < _MOST_MEMORIES:
            size, content = part_in_memory(len(found), found.place)
            memories.append(found.memory)
        else:
            size, content = len(file.content), file.content
        sizes.append(size)
        contents.append(content)
    bare = tuple(structs.replace(file, content=_NO_CONTENT) for file in message.files)
    return (frame(encoder, structs.replace(message, files=bare), sizes), *contents), tuple(memories)


def part_in_memory(size: int, place: int) -> tuple[int, memoryview]:
    """What a frame has for so many bytes at this place in memory: as a size, and as a content."""
    return _IN_MEMORY | size, memoryview(_PLACE.pack(place))


def _bytes_in_frame(size: int) -> int:
    return _PLACE.size if size & _IN_MEMORY else size


def event_frame(event: Event, content: bytes | memoryview = b"") -> bytes:
    """A whole frame for an event."""
    return b"".join((_HEADER.pack(0, 0, len(content) + 1), event.to_bytes(1), content))


def number_event_frame(event: Event, number: int) -> bytes:
    """A whole frame for an event with a number."""
    return event_frame(event, _NUMBER.pack(number))


def is_event(header: bytes | bytearray) -> bool:
    """Whether the frame that begins so is an event or `CANCEL`, and not a message."""
    return not _HEADER.unpack(header)[0]


def event_of(rest: memoryview) -> tuple[Event, memoryview]:
    """The event of a frame, and what belongs to it."""
    return Event(rest[0]), rest[1:]


def number_of(content: memoryview) -> int:
    """The number that belongs to an event."""
    number: int = _NUMBER.unpack(content)[0]
    return number


def rest_of_frame(header: bytes | bytearray) -> memoryview:
    """Room for what follows a frame's first `HEADER_BYTES`; none after `CANCEL`."""
    length, count, total = _HEADER.unpack(header)
    size = count * _SIZE_BYTES + length + total
    if size < _LARGE_BYTES:
        return memoryview(bytearray(size))
    return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE))


def message_of(
    decoder: msgspec.msgpack.Decoder[_Message],
    header: bytes | bytearray,
    rest: memoryview,
    memories: Iterable[Memory] = (),
) -> _Message:
    """The message of a frame, with its files' contents, which stay in `rest` or in the next of `memories`.

    Raises ValueError where a memory is not what the frame says of it.
    """
    length, count, _ = _HEADER.unpack(header)
    start = count * _SIZE_BYTES
    message = decoder.decode(rest[start : start + length])
    if not count:
        return message
    files = []
    next_memory = iter(memories)
    position = start + length
    for file, size in zip(message.files, struct.unpack(f"!{count}I", rest[:start]), strict=True):
        content = rest[position : position + _bytes_in_frame(size)]
        position += len(content)
        if size & _IN_MEMORY:
            (place,) = _PLACE.unpack(content)
            content = memoryview(MemoryFile(next(next_memory), place, size & ~_IN_MEMORY))
        files.append(structs.replace(file, content=content))
    return structs.replace(message, files=tuple(files))


def receive_frame(connection: socket.socket, memories: list[Memory] | None = None) -> tuple[bytearray, memoryview] | None:
    """Reads a frame from a blocking stream: its header, and the rest; None where the stream ends before.

    `memories` gets those that come with it.
    """
    header = bytearray(HEADER_BYTES)
    filled = 0
    if memories is not None:
        room = socket.CMSG_SPACE((_MOST_MEMORIES + 1) * _SIZE_BYTES)
        filled, ancillary, _, _ = connection.recvmsg_into([header], room, socket.MSG_CMSG_CLOEXEC)
        for _, _, descriptors in ancillary:
            memories += map(Memory, array.array("i", descriptors))
        if not filled:
            return None
    if not _fill(connection, memoryview(header)[filled:]):
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
