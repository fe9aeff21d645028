"""Landlock: a program reads its toolchain, writes its own working directory, and opens nothing else.

Rights and ABI levels: Documentation/userspace-api/landlock.rst of the Linux source.
"""

import ctypes
import os
import stat
import struct

from runtime.sandbox.syscalls import (
    SYS_LANDLOCK_ADD_RULE,
    SYS_LANDLOCK_CREATE_RULESET,
    SYS_LANDLOCK_RESTRICT_SELF,
    syscall,
)

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_CHAR = 1 << 6
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
MAKE_SOCK = 1 << 9
MAKE_FIFO = 1 << 10
MAKE_BLOCK = 1 << 11
MAKE_SYM = 1 << 12
REFER = 1 << 13
TRUNCATE = 1 << 14
IOCTL_DEV = 1 << 15

READ = READ_FILE | READ_DIR
READ_EXECUTE = READ | EXECUTE
# Device nodes and sockets are left out on purpose: a program has no use for either.
OWN = READ_EXECUTE | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_FIFO | MAKE_SYM | REFER | TRUNCATE
# No READ_DIR: names of semaphores are random, and a program has no need to list them.
SHARED_MEMORY = READ_FILE | WRITE_FILE | REMOVE_FILE | MAKE_REG | REFER | TRUNCATE
# What still has a meaning where the rule's path is a file and not a directory.
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

_HANDLED_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_BIND_CONNECT = 0b11
_SCOPE_ABSTRACT_UNIX_AND_SIGNAL = 0b11
_ABI_NET = 4
_ABI_IOCTL = 5
_ABI_SCOPE = 6
_RULE_PATH_BENEATH = 1
_CREATE_RULESET_VERSION = 1


# struct landlock_ruleset_attr: file rights, network rights, scopes.
_RULESET = struct.Struct("=3Q")
# struct landlock_path_beneath_attr, which is packed: rights, descriptor.
_PATH_BENEATH = struct.Struct("=Qi")


def abi() -> int:
    """The Landlock ABI that this kernel offers; 0 where it offers none."""
    try:
        return syscall(SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_VERSION))
    except OSError:
        return 0


def distinct(rules: "tuple[tuple[str, int], ...]") -> "tuple[tuple[str, int], ...]":
    """`rules` without links, and without those that say nothing new because a directory above has the same rights.

    Left out are paths that are not absolute, which could mean any place.
    """
    real: dict[str, int] = {}
    for path, access in rules:
        if not os.path.isabs(path):
            continue
        target = os.path.realpath(path)
        real[target] = real.get(target, 0) | access
    return tuple((path, access) for path, access in real.items() if access & ~_rights_above(path, real))


def _rights_above(path: str, rules: "dict[str, int]") -> int:
    rights = 0
    while path != (above := os.path.dirname(path)):
        rights |= rules.get(above, 0)
        path = above
    return rights


def opened(rules: "tuple[tuple[str, int], ...]", level: int) -> "tuple[bytes, ...]":
    """`rules`, which are pairs of a path and the rights below it, as the kernel takes them, with a descriptor of each path.

    A process that confines many others opens them once, and they close them. `level` is the ABI to use. A path that
    does not exist is passed over: a rule only ever allows.
    """
    handled = _HANDLED_BY_ABI[min(level, _ABI_IOCTL)]
    found = []
    for path, access in rules:
        try:
            target = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            continue
        allowed = access & handled
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            allowed &= _FILE_RIGHTS
        found.append(_PATH_BENEATH.pack(allowed, target))
    return tuple(found)


def opened_files(folder: str, names: "tuple[str, ...]", level: int) -> "tuple[bytes, ...]":
    """Rules that let files in `folder` be read, and the folder be listed; a name that is not there is passed over."""
    handled = _HANDLED_BY_ABI[min(level, _ABI_IOCTL)]
    top = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    found = [_PATH_BENEATH.pack(READ_DIR & handled, top)]
    for name in names:
        try:
            found.append(_PATH_BENEATH.pack(READ_FILE & handled, os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=top)))
        except FileNotFoundError:
            continue
    return tuple(found)


def restrict(rules: "tuple[bytes, ...]", level: int) -> None:
    """Confines the calling process, for good, to `rules`, as they were `opened` for this level.

    `level` is at most that of the kernel. The process must have no_new_privs. Raises OSError where the kernel refuses.
    """
    attributes = _RULESET.pack(
        _HANDLED_BY_ABI[min(level, _ABI_IOCTL)],
        _NET_BIND_CONNECT if level >= _ABI_NET else 0,
        _SCOPE_ABSTRACT_UNIX_AND_SIGNAL if level >= _ABI_SCOPE else 0,
    )
    # An older kernel accepts a larger structure as long as the fields that it does not know are zero.
    ruleset = syscall(SYS_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    try:
        for rule in rules:
            syscall(SYS_LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, ctypes.c_uint32(0))
        syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
