"""Contents of files in memory that processes hand to one another as descriptors: a compiled program has megabytes.

The server asks for such memory with a compile step. The supervisor fills it from the box, the server seals it, and each
run's supervisor copies from it into the run's box. So no bytes go through a socket, and nobody can change what is kept.
"""

import fcntl
import mmap
import os

# As of Linux 6.3, which earlier ones refuse: nothing is ever executed from here.
_MFD_NOEXEC_SEAL = 8
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def copy(target: int, source: int, size: int, start: int = 0) -> int:
    """Copies `size` bytes of the file `source` from `start` on, in the kernel; how many of them the file does not have.

    `target` is a file or a socket. Raises OSError where it takes no more.
    """
    left = size
    while left and (count := os.sendfile(target, source, start + size - left, left)):
        left -= count
    return left


class Memory:
    """A piece of memory with a descriptor, which lives as long as something refers to this."""

    def __init__(self, descriptor: int) -> None:
        """Takes the descriptor over."""
        self.descriptor = descriptor

    @classmethod
    def create(cls) -> "Memory":
        """An empty one that can be written and sealed; raises OSError where there is none to be had."""
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        try:
            return cls(os.memfd_create("compiled", flags | _MFD_NOEXEC_SEAL))
        except OSError:
            return cls(os.memfd_create("compiled", flags))

    def seal(self) -> None:
        """From here on nobody can change it; raises OSError where somebody could, through a mapping of theirs."""
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return os.fstat(self.descriptor).st_size

    def take(self, source: int, size: int) -> int:
        """Copies the first `size` bytes of a file to the end of this, and gives the place; zeros where the file is shorter.

        Raises OSError where there is no memory.
        """
        place = -self.size % mmap.ALLOCATIONGRANULARITY + self.size
        os.ftruncate(self.descriptor, place + size)
        os.lseek(self.descriptor, place, os.SEEK_SET)
        copy(self.descriptor, source, size)
        return place

    def __del__(self) -> None:
        os.close(self.descriptor)


class MemoryFile(mmap.mmap):
    """The content of one file in such memory, which can be read here."""

    memory: Memory
    place: int

    def __new__(cls, memory: Memory, place: int, size: int) -> "MemoryFile":
        """Raises OSError or ValueError where the memory has no such place, or not so many bytes."""
        # Before Linux 6.7 memory that is sealed cannot be shared, not even to be read.
        made = super().__new__(cls, memory.descriptor, size, mmap.MAP_PRIVATE, mmap.PROT_READ, offset=place)
        made.memory, made.place = memory, place
        return made

    def write_to(self, target: int) -> None:
        """Copies it to a file, in the kernel; raises OSError on a full disk."""
        copy(target, self.memory.descriptor, len(self), self.place)


def in_memory(content: memoryview) -> MemoryFile | None:
    """The file in memory that this is the whole content of, if it is one."""
    found = content.obj
    return found if isinstance(found, MemoryFile) and len(found) == len(content) else None
