"""Frames: what goes between the server and a supervisor."""

import socket
import threading

import msgspec
import pytest

from runtime.execution.codec import CANCEL, frame_parts, message_of, receive_frame
from runtime.execution.protocol import File, Job, Limits

_LIMITS = Limits(wall_ms=1, cpu_ms=1, memory_bytes=1)


def _job(*contents: bytes) -> Job:
    return Job(("/bin/true",), {}, tuple(File(str(n), memoryview(content)) for n, content in enumerate(contents)), _LIMITS)


@pytest.mark.parametrize("contents", [(), (b"",), (b"one", b"", b"three"), (b"x" * 5_000_000, b"y")])
def test_a_job_comes_over_with_the_contents_of_its_files(contents: tuple[bytes, ...]) -> None:
    job = _job(*contents)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        # More than the kernel takes at once.
        sender = threading.Thread(
            target=ours.sendall, args=(b"".join((*frame_parts(msgspec.msgpack.Encoder(), job)[0], CANCEL)),)
        )
        sender.start()
        received = receive_frame(theirs)
        assert received is not None
        header, rest = received
        assert message_of(msgspec.msgpack.Decoder(Job), header, rest) == job
        assert receive_frame(theirs) == (bytearray(CANCEL), memoryview(b""))
        sender.join()


def test_a_stream_that_ends_within_a_frame_gives_none() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        with ours:
            ours.sendall(b"".join(frame_parts(msgspec.msgpack.Encoder(), _job(b"one"))[0])[:-1])
        assert receive_frame(theirs) is None
