"""The canonical form of a package: what judging needs of it, in one file whose bytes depend on names and contents alone.

A line says what it is, a line of JSON has each file's name and size, sorted by name, and the contents follow, one after the
other. The digest of this file is the problem's name. Statements and the author's solutions are not in it.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from runtime.problems.faults import Fault, PackageError
from runtime.store.digests import name_of

if TYPE_CHECKING:
    from runtime.problems.archive import Archive

_MAGIC = b"executor problem 1\n"
_KEPT_FILES = ("problem.yaml", "domjudge-problem.ini", ".timelimit", "data/testdata.yaml", "data/test_group.yaml")
# Without what file managers and version control leave in them, whose names begin with a period.
_KEPT_FOLDERS = ("data/sample/", "data/secret/", "output_validator/", "output_validators/", "include/")
_UNSUPPORTED = ("static_validator", "graders")
_HEADER_BYTES = 8 << 20


def write(archive: "Archive", file: Path) -> str:
    """Writes the canonical form into a new file, and returns its digest; raises PackageError, and OSError where it cannot."""
    faults = [
        Fault(folder, "is not supported")
        for folder in _UNSUPPORTED
        if any(name.startswith(f"{folder}/") for name in archive.names())
    ]
    if faults:
        raise PackageError(faults)
    names = [name for name in archive.names() if name in _KEPT_FILES or (name.startswith(_KEPT_FOLDERS) and "/." not in name)]
    hashed = hashlib.sha256()
    with file.open("xb") as target:
        header = _MAGIC + msgspec.json.encode([(name, archive.size(name)) for name in names]) + b"\n"
        hashed.update(header)
        target.write(header)
        for name in names:
            for chunk in archive.chunks(name):
                hashed.update(chunk)
                target.write(chunk)
    return name_of(hashed.hexdigest())


class Package:
    """A package in its canonical form, of which each file can be read at any time; `close` it."""

    def __init__(self, descriptor: int) -> None:
        """Owns the descriptor. Raises PackageError where it is no package, as a blob of somebody else's making may be."""
        self._descriptor = descriptor
        self._places: dict[str, tuple[int, int]] = {}
        head = os.pread(descriptor, len(_MAGIC) + _HEADER_BYTES, 0)
        line = head.find(b"\n", len(_MAGIC))
        try:
            if not head.startswith(_MAGIC) or line < 0:
                raise msgspec.DecodeError
            files = msgspec.json.decode(head[len(_MAGIC) : line], type=list[tuple[str, int]])
        except msgspec.MsgspecError as error:
            raise PackageError([Fault("", "is no problem package in its canonical form")]) from error
        position = line + 1
        for name, size in files:
            self._places[name] = (position, size)
            position += size
        if any(size < 0 for _, size in files) or position != os.fstat(descriptor).st_size:
            raise PackageError([Fault("", "has other sizes than its files")])

    @classmethod
    def of_file(cls, file: Path) -> Self:
        """The package in this file."""
        return cls(os.open(file, os.O_RDONLY | os.O_CLOEXEC))

    def close(self) -> None:
        """Nothing can be read any more."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        """A judgement that still reads keeps it open, and is the last to do so."""
        self.close()

    def leave_out(self, ignored: Callable[[str], bool]) -> None:
        """Files of these names are as if they were not there."""
        self._places = {name: place for name, place in self._places.items() if not ignored(name)}

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def names(self) -> tuple[str, ...]:
        """The names of all files, sorted."""
        return tuple(self._places)

    def size(self, name: str) -> int:
        """Bytes of the file."""
        return self._places[name][1]

    def read(self, name: str) -> bytes:
        """The file's content."""
        position, size = self._places[name]
        return os.pread(self._descriptor, size, position)
