"""How soon the kernel lets a process run that has been woken."""

import os
import struct

from runtime.sandbox.syscall_numbers import NUMBERS
from runtime.sandbox.syscalls import syscall

_SCHED_OTHER = 0
_RESET_ON_FORK = 1
# The least that the kernel takes.
_SLICE_NS = 100_000
# struct sched_attr in its first version, from include/uapi/linux/sched/types.h of the Linux source: size, policy, flags,
# nice, priority, runtime, deadline, period.
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


def run_soon_after_waking() -> None:
    """Has this process, but none that it forks, take the processor from programs as soon as it is woken.

    A short slice does that since Linux 6.12, at the same share of the processor; older kernels take no notice. Without it
    the process waits for the program's slice to end, which can take several ticks, in which a program can go on past its
    limits. Raises OSError where the kernel refuses it.
    """
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, _SCHED_OTHER, _RESET_ON_FORK, os.nice(0), 0, _SLICE_NS, 0, 0)
    # SAFETY: the bytes object lives until the call returns, and the kernel only reads it.
    syscall(NUMBERS["sched_setattr"], 0, attributes, 0)
