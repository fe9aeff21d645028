"""What no schema can say of a request, for schemathesis: such bodies match the schema and are refused all the same."""

from typing import Any

import schemathesis

from tests.problems.packages import LEGACY, zipped


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext, body: Any) -> bool:
    """Leaves out bodies that the schema of their fields cannot tell from valid ones."""
    if not isinstance(body, dict):
        return True
    checker = body.get("checker")
    if "sandbox" in body:
        return _is_codapis(body.get("files"))
    return (
        _can_be_placed(body.get("files"))
        and _can_be_placed(checker.get("files") if isinstance(checker, dict) else None)
        # Whether what is expected is JSON or a pattern; and whether the store has the problem.
        and not any(name in str(body.get("comparator")) for name in ("json", "regex"))
        and body.get("problem") is None
    )


def _is_codapis(files: Any) -> bool:
    """Whether the files can lie beside each other, and none is empty, which the main one must not be."""
    if not isinstance(files, dict):
        return True
    return _can_be_placed([{"name": name or "main.py"} for name in files]) and all(files.values())


def _can_be_placed(files: Any) -> bool:
    """Whether no two files have the same name, none is a folder of another, and no name is too long in bytes."""
    if not isinstance(files, list):
        return True
    names = [file["name"] for file in files if isinstance(file, dict) and isinstance(file.get("name"), str)]
    folders = {name[:end] for name in names for end, letter in enumerate(name) if letter == "/"}
    parts = [part for name in names for part in name.split("/")]
    return (
        len(set(names)) == len(names)
        and not folders & set(names)
        and all(len(name.encode()) <= 1024 for name in names)
        and all(len(part.encode()) <= 255 for part in parts)
    )


@schemathesis.serializer("application/zip")
def package(_context: schemathesis.SerializationContext, _value: Any) -> bytes:
    """The least package that there is: what is none, tests of packages put."""
    return zipped(LEGACY)
