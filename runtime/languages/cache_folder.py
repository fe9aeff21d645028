"""A folder of the executor's user in which it keeps what it made of this machine's tools, and how it trusts what lies there.

A compiler puts what lies there into students' programs. So nobody else may be able to write there, and what is used is what
was written: every file is compared with the digests that were written with it, and does not change from then on.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

_MANIFEST = "manifest.json"
_FORMAT = 1
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ROOT_UID = 0


class UnusableError(Exception):
    """The folder, or an entry in it, is not to be used; the message says which and why."""


def default_folder(environment: Mapping[str, str]) -> str:
    """Where it is if nobody says: below XDG_CACHE_HOME or ~/.cache, and where programs of other users can read for root."""
    if os.geteuid() == _ROOT_UID:
        return "/var/cache/code-executor"
    base = environment.get("XDG_CACHE_HOME", "")
    # The XDG Base Directory Specification takes no relative path.
    if not base.startswith("/"):
        base = os.path.expanduser("~/.cache")
    return f"{base}/code-executor"


def opened(folder: str, *, readable_for_all: bool) -> Path:
    """The folder, which is made if need be; raises UnusableError where somebody else could write into it.

    With `readable_for_all` it must be open to every user of this machine, as programs may be ones of their own.
    """
    path = Path(folder)
    try:
        if not path.is_dir():
            path.mkdir(0o755, parents=True)
            path.chmod(0o755)
        path = path.resolve(strict=True)
        for above in (path, *path.parents):
            _check_owner(above, above.stat(), sticky_will_do=above != path)
            if readable_for_all and not above.stat().st_mode & stat.S_IXOTH:
                raise UnusableError(f"{above} is closed to the users that programs have here")
    except OSError as error:
        raise UnusableError(f"{folder}: {error.strerror}") from error
    return path


def _check_owner(path: Path, status: os.stat_result, *, sticky_will_do: bool = False) -> None:
    if status.st_uid not in (_ROOT_UID, os.geteuid()):
        raise UnusableError(f"{path} belongs to another user")
    if status.st_mode & _OTHERS_WRITE and not (sticky_will_do and status.st_mode & stat.S_ISVTX):
        raise UnusableError(f"other users can write to {path}")


def fingerprint(entry: Path) -> str:
    """What changes with every change of a file in it: no user can set the time of a file's last change of status.

    Raises UnusableError where there is anything but files and folders of this user's or root's that nobody else can write to.
    """
    seen = []
    try:
        for path in (entry, *sorted(entry.rglob("*"))):
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                raise UnusableError(f"{path} is neither a file nor a folder")
            _check_owner(path, status)
            if stat.S_ISREG(status.st_mode):
                facts = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                seen.append(f"{path.relative_to(entry)} {facts}")
    except OSError as error:
        raise UnusableError(f"{entry}: {error.strerror}") from error
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()


def publish(building: Path, entry: Path) -> None:
    """Makes `building` the entry, at once and with its digests; raises OSError, also where the entry is there already."""
    digests = _digests(building)
    (building / _MANIFEST).write_text(json.dumps({"format": _FORMAT, "key": entry.name, "files": digests}))
    for path in building.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    building.chmod(0o755)
    building.rename(entry)


def verified(entry: Path) -> str:
    """The fingerprint of an entry whose files are what was written; raises UnusableError."""
    before = fingerprint(entry)
    try:
        manifest = json.loads((entry / _MANIFEST).read_bytes())
        found = {"format": _FORMAT, "key": entry.name, "files": _digests(entry)}
    except (OSError, ValueError) as error:
        raise UnusableError(f"{entry} has no manifest that can be read") from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise UnusableError(f"{entry} was made by another version of the executor")
    if manifest != found or fingerprint(entry) != before:
        raise UnusableError(f"{entry} is not what was written there")
    return before


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / _MANIFEST:
            with path.open("rb") as file:
                found[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
