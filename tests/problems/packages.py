"""Zips of packages, made of names and contents."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "packages"

#: The least that a package of each format has.
LEGACY: dict[str, str] = {
    "problem.yaml": "name: Sum\nlimits:\n  memory: 256\n",
    "data/sample/1.in": "1 2\n",
    "data/sample/1.ans": "3\n",
    "data/secret/1.in": "5 6\n",
    "data/secret/1.ans": "11\n",
}
NEWEST = LEGACY | {
    "problem.yaml": "problem_format_version: 2025-09\nname: Sum\nuuid: acde070d-8c4c-4f0d-9d8a-162843c10333\n"
    "limits:\n  time_limit: 1.5\n"
}


def zipped(files: Mapping[str, str | bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files, in the order of the mapping."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def folder_files(name: str) -> dict[str, bytes]:
    """The files of a package that stands in this folder."""
    root = FOLDER / name
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
