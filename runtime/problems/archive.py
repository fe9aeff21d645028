"""A zip from a stranger: its names and sizes are checked before anything of it is unpacked."""

import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from runtime.problems.faults import Faults

MOST_ENTRIES = 10_000
# Reading the directory takes time and memory by its size, whatever number of entries it claims.
_DIRECTORY_BYTES = 2 << 20
# Deflate makes a file of zeros 1,000 times smaller. Test data that is smaller than this may be such a file.
_HIGHEST_RATIO = 200
_RATIO_FROM_BYTES = 64 << 20
_NAME_BYTES, _DEPTH = 512, 16
_CHUNK_BYTES = 1 << 20
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\5\6"
_LONGEST_COMMENT = 0xFFFF
_ENCRYPTED = 1
# What archivers on desktops leave beside the files.
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


class Archive:
    """The files of a zip that has been checked; names are relative to the package's folder."""

    def __init__(self, file: Path, most_bytes: int) -> None:
        """Raises PackageError with every fault; `most_bytes` is for all files unpacked together. `close` it."""
        faults = Faults()
        _check_end(file, faults)
        faults.raise_if_any()
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError) as error:
            faults.add("", f"is no zip that can be read: {error}")
            faults.raise_if_any()
            raise
        try:
            self._entries = _checked(self._zip.infolist(), file.stat().st_size, most_bytes, faults)
            faults.raise_if_any()
        except BaseException:
            self._zip.close()
            raise

    def close(self) -> None:
        """Closes the zip."""
        self._zip.close()

    def names(self) -> list[str]:
        """The names of all files, sorted."""
        return sorted(self._entries)

    def size(self, name: str) -> int:
        """Bytes of the file, unpacked."""
        return self._entries[name].file_size

    def chunks(self, name: str) -> Iterator[bytes]:
        """The file's content in pieces; raises PackageError where it is not what the zip says of it."""
        left = self.size(name)
        try:
            with self._zip.open(self._entries[name]) as source:
                while chunk := source.read(_CHUNK_BYTES):
                    left -= len(chunk)
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            _refuse(name, f"cannot be unpacked: {error}")
        if left:
            _refuse(name, "is not as large as the zip says")


def _refuse(name: str, message: str) -> None:
    faults = Faults()
    faults.add(name, message)
    faults.raise_if_any()


def _check_end(file: Path, faults: Faults) -> None:
    """Checks the record at the zip's end, from which the directory's size is known without reading it."""
    size = file.stat().st_size
    with file.open("rb") as source:
        source.seek(max(0, size - _LONGEST_COMMENT - _END.size))
        tail = source.read()
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) - at < _END.size:
        faults.add("", "is no zip")
        return
    _, disk, _, entries, _, directory_bytes, _, _ = _END.unpack_from(tail, at)
    if disk:
        faults.add("", "is one part of a zip that was split")
    elif entries > MOST_ENTRIES or directory_bytes > _DIRECTORY_BYTES:
        faults.add("", f"has more than {MOST_ENTRIES} entries, or names that are too long")


def _checked(
    entries: list[zipfile.ZipInfo], packed_bytes: int, most_bytes: int, faults: Faults
) -> dict[str, zipfile.ZipInfo]:
    """The files by their names in the package; notes everything that is wrong with names, kinds and sizes."""
    if len(entries) > MOST_ENTRIES:
        faults.add("", f"has more than {MOST_ENTRIES} entries")
        return {}
    files: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = entry.orig_filename
        if name.startswith(_LITTER[0]) or name.rpartition("/")[2] in _LITTER:
            continue
        if problem := _name_problem(name.removesuffix("/")) or _kind_problem(entry):
            faults.add(name, problem)
        elif not name.endswith("/"):
            if name in files:
                faults.add(name, "is there twice")
            files[name] = entry
        elif entry.file_size:
            faults.add(name, "is a folder with a content")
    _check_collisions(files, faults)
    total = sum(entry.file_size for entry in files.values())
    if total > most_bytes:
        faults.add("", f"has {total} bytes unpacked: at most {most_bytes} may be")
    elif total > _RATIO_FROM_BYTES and total > packed_bytes * _HIGHEST_RATIO:
        faults.add("", f"is more than {_HIGHEST_RATIO} times as large unpacked, as only a bomb is")
    if not files:
        faults.add("", "has no files")
    root = _root(files)
    return {name.removeprefix(root): entry for name, entry in files.items() if name.startswith(root)}


def _root(files: dict[str, zipfile.ZipInfo]) -> str:
    """The folder that everything is in, where the package was packed together with its folder."""
    if "problem.yaml" in files:
        return ""
    folders = {name.partition("/")[0] for name in files}
    root = f"{next(iter(folders), '')}/"
    return root if len(folders) == 1 and all(root in name for name in files) else ""


def _name_problem(name: str) -> str:  # noqa: PLR0911 - a reason each
    parts = name.split("/")
    if not name:
        return "has an empty name"
    if name.startswith("/") or (len(parts[0]) == 2 and parts[0][1] == ":"):
        return "is an absolute name"
    if "\\" in name:
        return "has a backslash in its name"
    if any(ord(character) < 32 or ord(character) == 127 or 0xD800 <= ord(character) < 0xE000 for character in name):
        return "has a control character in its name"
    if ".." in parts:
        return "leads out of the package"
    if any(part in ("", ".") for part in parts):
        return "is no plain path"
    if len(name.encode()) > _NAME_BYTES or len(parts) > _DEPTH:
        return f"has more than {_NAME_BYTES} bytes in its name, or is more than {_DEPTH} folders deep"
    return ""


def _kind_problem(entry: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed by another way than deflate"
    return ""


def _check_collisions(files: dict[str, zipfile.ZipInfo], faults: Faults) -> None:
    """Two names that some file systems take for one, and names that are a file and a folder at the same time."""
    seen: dict[str, str] = {}
    folders: set[str] = set()
    for name in files:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            faults.add(name, f"differs from {seen[folded]} in upper and lower case only")
        seen[folded] = name
        folder = os.path.dirname(name)
        while folder and folder not in folders:
            folders.add(folder)
            folder = os.path.dirname(folder)
    for name in folders & files.keys():
        faults.add(name, "is a file and a folder at the same time")
    folded_folders: dict[str, str] = {}
    for folder in sorted(folders):
        folded = unicodedata.normalize("NFC", folder).casefold()
        if folded_folders.setdefault(folded, folder) != folder:
            faults.add(folder, f"differs from {folded_folders[folded]} in upper and lower case only")
