"""What a program is confined to, prepared once for all the processes that will be."""

import msgspec

from runtime.sandbox import landlock


class Confinement(msgspec.Struct, frozen=True):
    """The plan that `confine` follows."""

    #: Landlock's, as pairs of a path and the rights below it, without the program's own directory.
    rules: tuple[tuple[str, int], ...]
    #: The same with a descriptor of each path (`landlock.opened`): for processes forked from this one only.
    opened: tuple[bytes, ...]
    #: The level of Landlock to use; 0 leaves it out.
    landlock_abi: int
    #: The seccomp filter with `filters.OWN_PID` in it, empty for none.
    program: bytes
    #: The supervisor answers some calls.
    notify: bool
    #: In a pid namespace of its own.
    own_pids: bool


def prepared(
    rules: tuple[tuple[str, int], ...], landlock_abi: int, program: bytes, *, notify: bool, own_pids: bool
) -> Confinement:
    """The plan, with the rules' paths open in this process for good. Raises OSError where descriptors run out."""
    opened = landlock.opened(rules, landlock_abi) if landlock_abi else ()
    return Confinement(rules, opened, landlock_abi, program, notify, own_pids)
