"""What no schema can say of a request, for schemathesis: such bodies match the schema and are refused all the same."""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext, body: Any) -> bool:
    """Leaves out files of the same name, files that are folders of others, and names that are too long in bytes."""
    files = body.get("files") if isinstance(body, dict) else None
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
