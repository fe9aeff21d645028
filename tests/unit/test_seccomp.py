"""The filter: what the table says is what the kernel gets, decided here by interpreting the instructions."""

import errno
import platform
import random
import re
import struct
from pathlib import Path

import pytest

from runtime.sandbox import bpf, filters, seccomp
from runtime.sandbox.filters import OWN_PID
from runtime.sandbox.rule import ALLOW, NOTHING, NOTIFY, Rule, When
from runtime.sandbox.syscall_numbers import NUMBERS

_X86_64 = 0xC000003E


def decide(program: bytes, call: int, *arguments: int, arch: int = _X86_64) -> str:
    """What the kernel would answer, from the meaning of the few instructions that the filter uses."""
    padded = (*arguments, *([0] * (6 - len(arguments))))
    data = struct.pack("=iIQ6Q", call, arch, 0, *(value & 0xFFFFFFFFFFFFFFFF for value in padded))
    instructions = [struct.unpack_from("=HBBI", program, offset) for offset in range(0, len(program), 8)]
    accumulator = position = 0
    while True:
        code, yes, no, value = instructions[position]
        position += 1
        match code:
            case 0x20:
                accumulator = struct.unpack_from("=I", data, value)[0]
            case 0x54:
                accumulator &= value
            case 0x15 | 0x25 | 0x35 | 0x45:
                holds = {
                    0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value,
                    0x45: bool(accumulator & value),
                }[code]  # fmt: skip
                position += yes if holds else no
            case 0x05:
                position += value
            case 0x06:
                if value == 0x7FFF0000:
                    return ALLOW
                if value == 0x50000:
                    return NOTHING
                return NOTIFY if value == 0x7FC00000 else errno.errorcode[value & 0xFFFF]
            case _:
                raise AssertionError(f"unexpected instruction {code:#x}")


@pytest.fixture(scope="module")
def shared() -> bytes:
    table = seccomp.rules(
        notify=True, shared_uid=True, own_pid_namespace=False, devices_readable_only=True, service_pids=(7, 8)
    )
    return filters.for_process(bpf.assemble(table, "ENOSYS"), 100)


@pytest.mark.parametrize(
    ("call", "arguments", "answer"),
    [
        ("mount", (), "EPERM"), ("unshare", (0x10000000,), "EPERM"), ("clone", (0x10000011,), "EPERM"),
        ("clone", (0x11,), NOTIFY), ("clone", (0x3D0F00,), NOTIFY), ("clone", (0x8011,), "EPERM"), ("clone3", (), "ENOSYS"),
        ("fork", (), NOTIFY), ("vfork", (), NOTIFY), ("ptrace", (), "EPERM"), ("socket", (2, 1, 0), "EACCES"),
        ("socket", (1, 1, 0), "EACCES"), ("socketpair", (1, 1 | 0o2000000, 0), NOTIFY), ("socketpair", (1, 2, 0), "EACCES"),
        ("socketpair", (2, 1, 0), "EACCES"), ("connect", (), "EACCES"), ("kill", (-1, 9), "EPERM"), ("kill", (0, 9), ALLOW),
        ("kill", (100, 9), ALLOW), ("kill", (7, 9), "EPERM"), ("kill", (-8, 9), "EPERM"), ("kill", (5, 9), NOTIFY),
        ("tgkill", (100, 101, 6), ALLOW), ("tgkill", (5, 5, 6), NOTIFY), ("pidfd_open", (8, 0), "EPERM"),
        ("prlimit64", (0, 7), ALLOW), ("prlimit64", (5, 7), "EPERM"), ("sched_setaffinity", (0,), ALLOW),
        ("sched_setaffinity", (100,), ALLOW), ("sched_setaffinity", (5,), "EPERM"), ("setpriority", (0, 0, 5), ALLOW),
        ("setpriority", (2, 0, 5), "EPERM"), ("setpriority", (0, 5, 5), "EPERM"), ("fcntl", (3, 8, 7), "EPERM"),
        ("fcntl", (3, 1, 0), ALLOW), ("ioctl", (0, 0x5412), "EPERM"), ("ioctl", (0, 0x5401), ALLOW),
        ("mmap", (0, 4096, 3, 0x22), ALLOW), ("mmap", (0, 1 << 36, 0, 0x4022), ALLOW),
        ("mmap", (0, 4096, 3, 0x21), NOTIFY), ("mmap", (0, 4096, 1, 0x01), ALLOW), ("mmap", (0, 1 << 33, 3, 0x22), NOTIFY),
        ("mremap", (0, 4096, 8192), ALLOW), ("mremap", (0, 4096, 1 << 32), NOTIFY), ("chmod", (), NOTIFY),
        ("utimensat", (3, 0, 0, 0), NOTIFY), ("utimensat", (3, 1 << 40, 0, 0), NOTIFY), ("chown", (), "EPERM"),
        ("fchown", (), "EPERM"), ("ioctl", (0, 0x40086602), "ENOTTY"), ("ioctl", (0, 0x40087602), "ENOTTY"),
        ("ioctl", (0, 0x5421), ALLOW), ("ioctl", (0, 0x5423), "EPERM"), ("fcntl", (3, 1036), "EPERM"),
        ("fcntl", (3, 1041), "EINVAL"), ("fcntl", (3, 1030), ALLOW), ("landlock_add_rule", (), "ENOSYS"),
        ("fallocate", (3, 1, 0, 9), NOTIFY), ("fallocate", (3, 3, 0, 9), ALLOW), ("fallocate", (3, 0x10, 0, 9), "ENOTSUP"),
        ("fadvise64", (3, 0, 0, 4), NOTHING), ("fadvise64", (3, 0, 0, 2), ALLOW), ("sync", (), NOTHING),
        ("personality", (0xFFFFFFFF,), ALLOW), ("personality", (0x40000,), "EPERM"), ("prctl", (62, 1), "EINVAL"),
        ("memfd_create", (), "ENOSYS"), ("io_uring_setup", (), "ENOSYS"), ("setxattr", (), "ENOTSUP"),
    ],
)  # fmt: skip
def test_each_call_gets_its_answer(shared: bytes, call: str, arguments: tuple[int, ...], answer: str) -> None:
    assert decide(shared, NUMBERS[call], *arguments) == answer


def by_the_table(table: tuple[Rule, ...], call: int, arguments: tuple[int, ...]) -> str:
    """What the table says, read from top to bottom."""
    for rule in table:
        named = call in {NUMBERS[name] for name in rule.calls}
        if named and all(holds(when, arguments[when.argument]) for when in rule.when):
            return rule.answer
    return "ENOSYS"


def holds(when: When, value: int) -> bool:
    low = value & 0xFFFFFFFF
    match when.kind:
        case "pointer":
            return value != 0
        case ">=":
            return value >= when.value
        case "bits":
            return bool(low & when.value)
        case "==":
            return low & when.mask == when.value
        case _:
            return low & when.mask != when.value


@pytest.mark.parametrize("own_uid", [False, True])
def test_the_filter_answers_every_call_as_the_table_read_from_top_to_bottom(own_uid: bool) -> None:
    table = seccomp.rules(
        notify=True, shared_uid=not own_uid, own_pid_namespace=False, devices_readable_only=True, neighbours=True, warm=True,
        service_pids=(7, 8),
    )  # fmt: skip
    program = bpf.assemble(table, "ENOSYS")
    chance = random.Random(5)
    values = sorted({when.value for rule in table for when in rule.when} | {0, 1, 2, 1 << 32, 1 << 40, (1 << 64) - 1})
    for call in range(480):
        for _ in range(40):
            arguments = tuple(chance.choice(values) for _ in range(6))
            assert decide(program, call, *arguments) == by_the_table(table, call, arguments), (call, arguments)


def test_a_call_that_nobody_has_decided_on_does_not_exist(shared: bytes) -> None:
    assert decide(shared, 0) == decide(shared, 231) == ALLOW
    assert decide(shared, 350) == decide(shared, max(NUMBERS.values()) + 1) == decide(shared, 547) == "ENOSYS"


def test_foreign_calling_conventions_are_refused(shared: bytes) -> None:
    assert decide(shared, 1, arch=0x40000003) == "ENOSYS"
    assert decide(shared, 0x40000000 + 1) == "ENOSYS"


def test_with_a_uid_of_its_own_the_kernel_guards_files_and_signals() -> None:
    table = seccomp.rules(notify=True, shared_uid=False, own_pid_namespace=False, devices_readable_only=True)
    program = bpf.assemble(table, "ENOSYS")
    assert decide(program, NUMBERS["chmod"]) == ALLOW
    assert decide(program, NUMBERS["kill"], 5, 9) == ALLOW
    assert decide(program, NUMBERS["kill"], -1, 9) == "EPERM"


def test_without_a_supervisor_to_ask_attributes_are_refused_and_the_service_is_still_safe_from_signals() -> None:
    table = seccomp.rules(
        notify=False, shared_uid=True, own_pid_namespace=False, devices_readable_only=True, service_pids=(7,)
    )
    program = bpf.assemble(table, "ENOSYS")
    assert decide(program, NUMBERS["chmod"]) == "EPERM"
    assert decide(program, NUMBERS["kill"], 7, 9) == "EPERM"
    assert decide(program, NUMBERS["fork"]) == ALLOW


def test_every_rule_has_a_reason_and_every_number_a_rule() -> None:
    table = seccomp.rules(
        notify=True, shared_uid=True, own_pid_namespace=False, devices_readable_only=True, neighbours=True, warm=True
    )
    assert all(rule.reason for rule in table)
    assert {call for rule in table for call in rule.calls} == set(NUMBERS)


def test_the_kernels_header_has_no_call_and_no_number_that_is_not_decided_on() -> None:
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if platform.machine() != "x86_64" or not header.exists():
        pytest.skip("no kernel headers on this machine")
    known = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())}
    assert {name: number for name, number in known.items() if NUMBERS.get(name) != number} == {}


def test_conditions_read_as_words() -> None:
    assert str(When(0, "==", 0xFFFFFFFF)) == "argument 1 == -1"
    assert str(When(1, "pointer")) == "argument 2 is not null"
    assert str(When(2, "bits", 2)) == "argument 3 & 0x2"
    assert len(bpf.assemble((Rule("kill", "EPERM", "why", When(0, "==", OWN_PID)),))) % 8 == 0
