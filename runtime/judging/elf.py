"""Reads from a compiled program's file how much memory its global variables take. Source of the layout: elf(5)."""

import struct

_ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_PT_LOAD, _PF_W = 1, 2


def static_data_bytes(program: memoryview) -> int:
    """Bytes of writable memory that the program gets before its first line; 0 where the file is no 64-bit ELF program."""
    if program[:6] != _ELF64_LITTLE_ENDIAN:
        return 0
    total = 0
    try:
        (table,) = struct.unpack_from("<Q", program, 32)
        size, count = struct.unpack_from("<2H", program, 54)
        for number in range(count):
            kind, flags, _, _, _, _, in_memory = struct.unpack_from("<2I5Q", program, table + number * size)
            if kind == _PT_LOAD and flags & _PF_W:
                total += in_memory
    except (struct.error, OverflowError):
        return 0  # the file is cut off, or its author made up the numbers
    return total
