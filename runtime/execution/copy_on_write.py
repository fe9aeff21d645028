"""Keeps pages shared between a process and its forks: a page that neither writes to is never copied.

A worker of Python spends about 2 µs on each page that it copies, and most of what a short program writes to is the
interpreter's: how often its objects are referred to, which it has found where, and free memory all over the place.
"""

import ctypes
import os
import sys

from runtime.sandbox.syscalls import LIBC, return_freed_memory

# As in `typing`, which must not be imported into the interpreter of programs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import ModuleType

# A pool of small blocks begins with its own record and is aligned to its size (Include/internal/pycore_obmalloc.h).
_POOL_BYTES, _POOL_HEADER_BYTES = 1 << 14, 48
_BLOCK_STEP, _LARGEST_BLOCK = 16, 512
# What the C library hands out beyond that: first its large gaps, then each size that it keeps a list of.
_GAPS = (1 << 16, 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11, *range(1040, _LARGEST_BLOCK, -_BLOCK_STEP))
# Far more than is free in an interpreter that has just started.
_MOST_BYTES = 4 << 20
_PAGE = 4096
# Bits 56 and 63 of a page's eight bytes: mapped only here, and present (Documentation/admin-guide/mm/pagemap.rst).
_FLAGS_BYTE, _ITS_OWN = 7, 0x81
# Of what a process can have (Documentation/arch/x86/x86_64/mm.rst).
_END_OF_ADDRESSES = 1 << 47
# How often something is done until the interpreter has learned all that it can about it.
_TIMES = 20


def hide(things: "Iterable[object]") -> None:
    """Takes `things` off the collector's lists, where a program would find them.

    They are never freed, because that would take them off once more.
    """
    # SAFETY: PyObject_GC_UnTrack takes any object that the collector tracks and ignores others. Freeing such an object would
    # untrack it a second time; the reference that Py_IncRef adds, and that is never given back, keeps it from being freed.
    untrack, keep = ctypes.pythonapi.PyObject_GC_UnTrack, ctypes.pythonapi.Py_IncRef
    for thing in things:
        kept = ctypes.py_object(thing)
        untrack(kept)
        keep(kept)


def learn(path: str) -> None:
    """Runs the script under `path`, for what the interpreter then remembers of its own types and functions."""
    with open(path, encoding="utf-8") as script:
        source = script.read()
    for _ in range(_TIMES):
        exec(compile(source, path, "exec"), {"__name__": "__main__"})  # noqa: S102 - it is one of our own


def make_immortal(things: "Iterable[object]", gc: "ModuleType") -> bool:
    """Has references to `things`, and to all that can be reached from them, not be counted any more; whether that was done.

    That is how Python treats None since 3.12 (PEP 683); before, and where an object does not begin with its count, nothing
    is changed. Left out are dictionaries that the collector does not look at yet, because `fast_exit` would not find them,
    and the main module, whose end is the end of all that a program has made.
    """
    count = ctypes.c_uint32.from_address
    immortal = count(id(None)).value
    seen = object()
    before = count(id(seen)).value
    again = seen
    if immortal < 1 << 31 or count(id(again)).value != before + 1:
        return False
    # SAFETY: the count is written as the first four bytes of an object. The comparison above has shown that counts of this
    # interpreter lie there, and that None's is one that the interpreter never changes (PEP 683); `found` keeps each object
    # alive until its count has been written. Older interpreters fail the comparison and are left alone.
    main = sys.modules["__main__"]
    # What is only reached must not go meanwhile.
    found = {id(thing): thing for thing in things}
    latest = list(things)
    while latest:
        reached = {id(thing): thing for thing in gc.get_referents(*latest)}
        latest = [reached[key] for key in reached.keys() - found.keys()]
        found.update(reached)
    for key, thing in found.items():
        kind = type(thing)
        if kind.__name__ == "frame" or thing is main or thing is main.__dict__:
            continue
        if (kind is not dict or gc.is_tracked(thing)) and count(key).value < immortal:
            count(key).value = immortal
    return True


def fill_gaps() -> "list[bytes]":
    """Takes the memory that is free between what is in use, so that what a worker makes lies together; returns the takers."""
    header = sys.getsizeof(b"")
    return_freed_memory()
    LIBC.sbrk.restype = ctypes.c_void_p
    end = LIBC.sbrk(ctypes.c_ssize_t(0)) - _GAPS[-1]
    taken = []
    left = _MOST_BYTES
    for size in _GAPS:
        while left > 0 and id(block := bytes(size - header)) < end:
            taken.append(block)
            left -= size
    for size in range(3 * _BLOCK_STEP, _LARGEST_BLOCK + 1, _BLOCK_STEP):
        while left > 0 and id(block := bytes(size - header)) % _POOL_BYTES != _POOL_HEADER_BYTES:
            taken.append(block)
            left -= size
    return taken


def _writable() -> "Iterator[tuple[int, int]]":
    """Where this process has memory of its own to write to but its stack: pairs of an address and the one behind the end."""
    with open("/proc/self/maps", "rb") as maps:
        for line in maps.read().splitlines():
            addresses, rights, *_, name = line.split()
            if rights == b"rw-p" and name != b"[stack]":
                first, end = addresses.split(b"-")
                yield int(first, 16), int(end, 16)


def pages_of_its_own() -> "list[int]":
    """The addresses of the writable pages that this process has copied or made since it was forked."""
    found: list[int] = []
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for first, end in _writable():
            pagemap.seek(first // _PAGE * 8)
            flags = pagemap.read((end - first) // _PAGE * 8)[_FLAGS_BYTE::8]
            found += [first + number * _PAGE for number, flag in enumerate(flags) if flag & _ITS_OWN == _ITS_OWN]
    return found


class Pages:
    """Pages of which each process that is forked from this one can have its own copies before it needs them.

    Each writes a byte of them to where it has just read it. What changes in between is the stack, which is not among them,
    and what the interpreter keeps of the function that does it: counts that are the same at both moments, and places that
    it has in the processor's registers meanwhile (3.11 to 3.13). As that is the same in every process, one tries it.
    It takes two thirds of the time that the kernel's call for it needs (MADV_POPULATE_WRITE).
    """

    def __init__(self, addresses: "Sequence[int]") -> None:
        """`addresses` are those of pages; what is not mapped here is left out."""
        # SAFETY: the view spans all addresses; only those of `_places` are used, which /proc/self/maps has just shown as
        # private and writable. `work` tries all of them in a child first, and whoever uses `copy` has a single thread.
        here = [range(*place) for place in _writable()]
        self._places = [address - _PAGE for address in addresses if any(address in place for place in here)]
        # Nothing is ever mapped in the first page, and no view begins at 0.
        self._memory = memoryview((ctypes.c_ubyte * (_END_OF_ADDRESSES - _PAGE)).from_address(_PAGE)).cast("B")

    def copy(self) -> None:
        """In a process that has just been forked."""
        memory = self._memory
        for place in self._places:
            memory[place] = memory[place]

    @property
    def known(self) -> bool:
        """Whether there is any page to copy."""
        return bool(self._places)

    def work(self) -> bool:
        """Whether a process that copies them lives on."""
        child = os.fork()
        if child == 0:
            try:
                self.copy()
            finally:
                os._exit(0)
        return os.waitpid(child, 0)[1] == 0
