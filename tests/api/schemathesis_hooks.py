"""What no schema can say of a request, for schemathesis: such bodies match the schema and are refused all the same."""

from typing import Any

import schemathesis

from tests.problems.packages import LEGACY, zipped


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext, body: Any) -> bool:
    """Leaves out problems that nobody has put, patterns that are none, and names of files that do not go together.

    These are the same ones, folders of others, and those that are too long in bytes.
    """
    if not isinstance(body, dict):
        return True
    comparator = body.get("comparator")
    name = comparator.get("name") if isinstance(comparator, dict) else comparator
    if name in ("regex", "json") or isinstance(body.get("problem"), str):
        return False
    checker = body.get("checker")
    return all(_go_together(part.get("files")) for part in (body, checker) if isinstance(part, dict))


def _go_together(files: Any) -> bool:
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
