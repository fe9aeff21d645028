"""The bytes of the contract between the server and its supervisors: how a job or an outcome travels.

A frame is a header, the size of each file, the message without the files' contents, and the contents. A frame without a
message is an event of a live job: its contents are one byte that names it, and what belongs to it.
"""

import mmap
import socket
import struct
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import structs

from runtime.execution.protocol import Event, Job, Outcome

# Of a frame: bytes of the message, number of its files, bytes of their contents. Then come each file's size, the message
# without the contents, and these, which may be too large to be copied into it and out again.
_HEADER = struct.Struct("!3I")
HEADER_BYTES = _HEADER.size
_SIZE_BYTES = 4
#: Asks the supervisor to give up the job at hand; it still answers.
CANCEL = _HEADER.pack(0, 0, 0)
_NO_CONTENT = memoryview(b"")
_NUMBER = struct.Struct("!I")
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
