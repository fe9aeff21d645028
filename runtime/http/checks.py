"""Checks of what several kinds of request have: files, arguments, limits. Every wrong field is named."""

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from runtime.execution import command_line
from runtime.execution.protocol import File
from runtime.http import bounds
from runtime.http.problems import FieldError, InvalidRequestError
from runtime.languages.registry import Language
from runtime.settings import Settings

# An answer to a wrong request shall not be larger than the request.
MOST_ERRORS = 50
_BASE64 = re.compile("[A-Za-z0-9+/]*={0,2}")


class FileContent(Protocol):
    """A file of a request."""

    @property
    def name(self) -> str:
        """Its name; empty where it has none."""

    @property
    def content(self) -> str:
        """Its content, written as `encoding` says."""

    @property
    def encoding(self) -> str:
        """One of `bounds.ENCODINGS`."""


class Program(Protocol):
    """A program of a request: one text, or several files."""

    @property
    def code(self) -> str | None:
        """The text."""

    @property
    def files(self) -> Sequence[FileContent] | None:
        """The files, the main one first."""


class Checks:
    """Collects what is wrong, so that one answer names every wrong field."""

    def __init__(self, errors: Iterable[FieldError] = ()) -> None:
        self.errors = list(errors)

    def refuse(self, field: str, message: str) -> None:
        """Notes what is wrong with `field`."""
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(FieldError(field, message))

    def raise_if_any(self) -> None:
        """Raises InvalidRequestError with every wrong field."""
        if self.errors:
            names = ", ".join(error.field for error in self.errors)
            raise InvalidRequestError(f"These fields are not valid: {names}.", tuple(self.errors))


def check_limits(
    place: str,
    timeout: float | None,
    time_limit: float | None,
    memory_mb: float | None,
    settings: Settings,
    *,
    checks: Checks,
) -> None:
    """Checks the limits at `place`; None where there is none."""
    if time_limit is not None and not 0 < time_limit <= settings.max_time_limit_seconds:
        checks.refuse(f"{place}time_limit", f"must be above 0 and at most {settings.max_time_limit_seconds:g} seconds")
    if timeout is not None and not 0 < timeout <= settings.max_timeout_seconds:
        checks.refuse(f"{place}timeout", f"must be above 0 and at most {settings.max_timeout_seconds:g} seconds")
    if memory_mb is not None and not (1 <= memory_mb <= settings.max_memory_mb and memory_mb == int(memory_mb)):
        checks.refuse(f"{place}memory_limit_mb", f"must be a whole number from 1 to {settings.max_memory_mb}")


def check_arguments(field: str, arguments: list[str], checks: Checks) -> None:
    """Checks the command-line arguments that `field` has."""
    if len(arguments) > bounds.MOST_ARGUMENTS or command_line.size(arguments) > command_line.MOST_BYTES:
        checks.refuse(field, f"must have at most {bounds.MOST_ARGUMENTS} items and {command_line.MOST_BYTES >> 10} KiB")
        return
    for position, word in enumerate(arguments):
        if "\0" in word:
            checks.refuse(f"{field}[{position}]", "must not contain NUL")


def files_of(
    body: Program, language: Language, checks: Checks, place: str = "", *, empty_main: bool = False
) -> tuple[File, ...]:
    """The files of the program whose fields are at `place`, as far as they are valid; `checks` gets what is not.

    With `empty_main` the main one of `files` may be empty.
    """
    if body.files is None:
        if not body.code:
            checks.refuse(f"{place}code", "must not be empty" if body.code is not None else "is required, or files")
            return ()
        return (File(language.file, memoryview(body.code.encode())),)
    if body.code is not None:
        checks.refuse(f"{place}code", "goes without files, and files without code")
    if not 1 <= len(body.files) <= bounds.MOST_FILES:
        checks.refuse(f"{place}files", f"must have from 1 to {bounds.MOST_FILES} items")
        return ()
    found: list[File] = []
    names: set[str] = set()
    for position, item in enumerate(body.files):
        content = b""
        try:
            content = _content(item)
        except ValueError as error:
            field = "encoding" if isinstance(error, _EncodingError) else "content"
            checks.refuse(f"{place}files[{position}].{field}", str(error))
        else:
            if position == 0 and not content and not empty_main:
                checks.refuse(f"{place}files[0].content", "must not be empty: it is the main file")
        name = item.name or (language.file if position == 0 else "")
        problem = name_problem(name) or ("is there twice" if name in names else "")
        if not problem and any(name.startswith(f"{other}/") or other.startswith(f"{name}/") for other in names):
            problem = "is a file and a folder at the same time"
        if problem:
            checks.refuse(f"{place}files[{position}].name", problem)
        names.add(name)
        found.append(File(name, memoryview(content)))
    return tuple(found)


class _EncodingError(ValueError):
    """An encoding that is not one of the three."""


def _content(item: FileContent) -> bytes:
    match item.encoding:
        case "utf8":
            return item.content.encode()
        case "base64":
            # Python's own check lets characters through after the end.
            if len(item.content) % 4 or not _BASE64.fullmatch(item.content):
                raise ValueError("is not base64")
            return base64.b64decode(item.content)
        case "hex":
            try:
                content = bytes.fromhex(item.content)
            except ValueError as error:
                raise ValueError("is not hexadecimal") from error
            if item.content and not content:
                raise ValueError("is not hexadecimal")
            return content
    raise _EncodingError(f"must be one of {', '.join(bounds.ENCODINGS)}")


def name_problem(name: str) -> str:  # noqa: PLR0911 - a reason each
    """Why a file cannot have this name; empty where it can."""
    parts = name.split("/")
    if not name:
        return "must not be empty"
    if any(part in ("", ".", "..") for part in parts):
        return "must be a path inside the working directory"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "must not contain control characters"
    if any(part.startswith(("-", "@")) for part in parts):
        return "must not start with a dash or an at sign, which compilers take for an option or a response file"
    if len(name.encode()) > bounds.NAME_BYTES or any(len(part.encode()) > bounds.NAME_PART_BYTES for part in parts):
        return f"must have at most {bounds.NAME_BYTES} bytes, and {bounds.NAME_PART_BYTES} between slashes"
    if len(parts) > bounds.NAME_DEPTH:
        return f"must be at most {bounds.NAME_DEPTH} folders deep"
    return ""
