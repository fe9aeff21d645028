"""A supervisor comes to the processor soon after it is woken, and what it forks does not inherit that."""

import ctypes
import os
import platform
import struct
from collections.abc import Callable

import pytest

from runtime.sandbox.scheduling import run_soon_after_waking
from runtime.sandbox.syscall_numbers import NUMBERS
from runtime.sandbox.syscalls import LIBC

_KERNEL = tuple(map(int, platform.release().split(".")[:2]))


def _slice_ns() -> int:
    """The slice of this process, as sched_getattr(2) says since Linux 6.12."""
    attributes = bytearray(48)
    # SAFETY: the array has the size that is told, and lives until the call returns.
    size = len(attributes)
    assert LIBC.syscall(NUMBERS["sched_getattr"], 0, (ctypes.c_char * size).from_buffer(attributes), size, 0) == 0
    return int(struct.unpack_from("=Q", attributes, 24)[0])


def _in_a_child(look: Callable[[], list[int]]) -> list[int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, ",".join(map(str, look())).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with open(reader) as answer:
        return [int(number) for number in answer.read().split(",")]


@pytest.mark.skipif(_KERNEL < (6, 12), reason="before Linux 6.12 a process has no slice of its own")
def test_the_slice_is_the_supervisors_alone() -> None:
    def look() -> list[int]:
        usual = _slice_ns()
        run_soon_after_waking()
        return [usual, _slice_ns(), *_in_a_child(lambda: [_slice_ns(), os.nice(0)])]

    usual, own, forked, niceness = _in_a_child(look)
    assert (own, forked, niceness) == (100_000, usual, os.nice(0))
    assert usual > own
