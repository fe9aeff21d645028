"""The translation of a table of rules into a filter that the kernel runs: classic BPF over struct seccomp_data."""

import errno
import struct

from runtime.sandbox.rule import ALLOW, NOTHING, NOTIFY, Rule, When
from runtime.sandbox.syscall_numbers import NUMBERS

_LD_W_ABS = 0x20
_ALU_AND_K = 0x54
_JA = 0x05
_JEQ_K, _JGE_K, _JGT_K, _JSET_K = 0x15, 0x35, 0x25, 0x45
_RET_K = 0x06
_RET_ALLOW = 0x7FFF0000
_RET_NOTIFY = 0x7FC00000
_RET_ERRNO = 0x00050000
_AUDIT_ARCH_X86_64 = 0xC000003E
#: Code, where to go if true and if false, and a constant: struct sock_filter.
_Instruction = tuple[int, int, int, int]
_X32_BIT = 0x40000000


def _returned(answer: str) -> int:
    if answer == ALLOW:
        return _RET_ALLOW
    if answer == NOTIFY:
        return _RET_NOTIFY
    if answer == NOTHING:
        return _RET_ERRNO
    return _RET_ERRNO | int(getattr(errno, answer))


def _condition(when: When, rest: int) -> "list[_Instruction]":
    """Instructions that go on behind themselves where the condition holds, and otherwise `rest` further."""
    low = 16 + 8 * when.argument
    high = low + 4
    if when.kind == "pointer":
        return [(_LD_W_ABS, 0, 0, low), (_JGT_K, 2, 0, 0), (_LD_W_ABS, 0, 0, high), (_JGT_K, 0, rest, 0)]
    if when.kind == ">=":
        return [(_LD_W_ABS, 0, 0, high), (_JGT_K, 2, 0, 0), (_LD_W_ABS, 0, 0, low), (_JGE_K, 0, rest, when.value)]
    load = [(_LD_W_ABS, 0, 0, low)]
    if when.kind == "bits":
        return [*load, (_JSET_K, 0, rest, when.value)]
    if when.mask != 0xFFFFFFFF:
        load.append((_ALU_AND_K, 0, 0, when.mask))
    yes, no = (0, rest) if when.kind == "==" else (rest, 0)
    return [*load, (_JEQ_K, yes, no, when.value)]


def assemble(table: "tuple[Rule, ...]", default: str = ALLOW) -> bytes:
    """The filter for `table`, as an array of struct sock_filter; `default` is answered where no rule says anything.

    It finds the rules of a call by halving: the kernel runs a new filter once for every number there is, to know those
    that it need not ask about, and a program runs it for every call that has rules.
    """
    of_call: dict[int, list[Rule]] = {}
    for rule in table:
        for call in rule.calls:
            of_call.setdefault(NUMBERS[call], []).append(rule)
    # From each number on, up to the next: what is done with the call.
    otherwise: tuple[_Instruction, ...] = ((_RET_K, 0, 0, _returned(default)),)
    spans: list[tuple[int, tuple[_Instruction, ...]]] = [(0, otherwise)]
    for number in sorted(of_call):
        # The number after one with rules has the default again, unless it has rules too.
        if spans[-1][0] == number:
            spans.pop()
        spans += [(number, _answers(of_call[number], otherwise)), (number + 1, otherwise)]
    spans = [span for position, span in enumerate(spans) if position == 0 or span[1] != spans[position - 1][1]]
    found = _halved(spans)
    start: list[_Instruction] = [
        (_LD_W_ABS, 0, 0, 4),
        (_JEQ_K, 1, 0, _AUDIT_ARCH_X86_64),
        (_RET_K, 0, 0, _returned("ENOSYS")),
        (_LD_W_ABS, 0, 0, 0),
        (_JGE_K, 0, 1, _X32_BIT),
        (_RET_K, 0, 0, _returned("ENOSYS")),
    ]
    # Behind the search the answers of more than one instruction, each once.
    long: dict[tuple[_Instruction, ...], int] = {}
    end = len(start) + len(found)
    for step in found:
        if len(step) > 1 and step not in long:
            long[step] = end
            end += len(step)
    program = start
    for step in found:
        program.append(step[0] if len(step) == 1 else (_JA, 0, 0, long[step] - len(program) - 1))
    for step in long:
        program += step
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _answers(rules_of_call: "list[Rule]", otherwise: "tuple[_Instruction, ...]") -> "tuple[_Instruction, ...]":
    """What one call is answered: its rules, the first whose conditions hold."""
    program: list[_Instruction] = []
    for rule in rules_of_call:
        body: list[_Instruction] = [(_RET_K, 0, 0, _returned(rule.answer))]
        for when in reversed(rule.when):
            body = _condition(when, len(body)) + body
        program += body
        if not rule.when:
            return tuple(program)
    return (*program, *otherwise)


def _halved(spans: "list[tuple[int, tuple[_Instruction, ...]]]") -> "list[tuple[_Instruction, ...]]":
    """The search for the span that a number is in; each step is one instruction, or the several of an answer to jump to."""
    if len(spans) == 1:
        return [spans[0][1]]
    middle = len(spans) // 2
    low, high = _halved(spans[:middle]), _halved(spans[middle:])
    first = spans[middle][0]
    # A conditional jump reaches 255 instructions.
    if len(low) <= 255:
        return [((_JGE_K, len(low), 0, first),), *low, *high]
    return [((_JGE_K, 0, 1, first),), ((_JA, 0, 0, len(low)),), *low, *high]
