"""Packages of Polygon as problem packages of the format `legacy`: p2d converts them, and groups and points are added here.

Source of Polygon's side: `problem.xml` of its standard package.
"""

import logging
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from executor_client.polygon_interactive import with_checker
from executor_client.problem_folder import FolderError


class _Test(NamedTuple):
    """A test of `problem.xml`; `name` is what p2d calls it."""

    name: str
    sample: bool
    group: str
    points: float


class _Group(NamedTuple):
    """A group of tests, whose points are given as a whole or for each test."""

    whole: bool
    points: float | None
    requires: tuple[str, ...]


class _Said(logging.Handler):
    """Collects what p2d warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a warning."""
        self.lines.append(record.getMessage())


def import_package(source: Path, target: Path) -> list[str]:
    """Writes the Polygon package `source`, a zip or a folder, as the new folder `target`.

    Returns what could not be taken over, a line each. Raises FolderError, also where `target` is there already.
    """
    try:
        import p2d  # noqa: PLC0415 - only for this command
    except ImportError as error:
        raise FolderError("import-polygon needs p2d: pip install 'executor-client[polygon]'") from error
    if target.exists():
        raise FolderError(f"{target} is there already")
    said, log = _Said(), logging.getLogger("p2d")
    level, handlers, propagate = log.level, log.handlers, log.propagate
    log.handlers, log.propagate = [said], False
    log.setLevel(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder, "package.zip")
            p2d.convert(source, archive, short_name="problem")
            with zipfile.ZipFile(archive) as found:
                found.extractall(target)
    except (OSError, ValueError, KeyError, RuntimeError, AssertionError, zipfile.BadZipFile, ET.ParseError) as error:
        raise FolderError(f"{source} is no package of Polygon that can be read: {error}") from error
    finally:
        log.setLevel(level)
        log.handlers, log.propagate = handlers, propagate
    # The author's own file, which p2d has read before.
    problem = ET.fromstring(_description(source))  # noqa: S314
    try:
        lost = with_checker(problem, source, target)
    except (OSError, ValueError, KeyError) as error:
        raise FolderError(f"{source} is no package of Polygon that can be read: {error}") from error
    return [*said.lines, *lost, *_with_points(problem, target)]


def _description(source: Path) -> bytes:
    if source.is_dir():
        return (source / "problem.xml").read_bytes()
    with zipfile.ZipFile(source) as archive:
        return archive.read("problem.xml")


def _with_points(problem: ET.Element, target: Path) -> list[str]:
    """Moves the secret tests into the folders of their groups, and says what each is worth; what could not be said."""
    tests = [
        _Test(
            name=f"{number:02}",
            sample=test.get("sample") == "true",
            group=test.get("group", ""),
            points=float(test.get("points", 0)),
        )
        for number, test in enumerate(problem.iterfind("judging/testset[1]/tests/test"), 1)
    ]
    if not any(test.points for test in tests):
        return []
    groups = {
        found.get("name", ""): _Group(
            whole=found.get("points-policy") == "complete-group",
            points=float(found.get("points", "nan")) if found.get("points") else None,
            requires=tuple(each.get("group", "") for each in found.iterfind("dependencies/dependency")),
        )
        for found in problem.iterfind("judging/testset[1]/groups/group")
    }
    lost = [
        f"group {name} requires {', '.join(found.requires)}, which {target} does not say"
        for name, found in groups.items()
        if found.requires
    ]
    _write(target / "data/testdata.yaml", "on_reject: continue\ngrader_flags: sum ignore_sample\nrange: 0 +inf\n")
    for name in sorted({test.group for test in tests}):
        members = [test for test in tests if test.group == name and (test.points or not test.sample)]
        if members:
            _place(target, name, groups.get(name, _Group(whole=False, points=None, requires=())), members)
    yaml = target / "problem.yaml"
    yaml.write_text(f"{yaml.read_text('utf-8')}type: scoring\n", "utf-8")
    return lost


def _place(target: Path, name: str, group: _Group, members: list[_Test]) -> None:
    """Places the tests of one group, in a folder of its own where it has a name."""
    folder = target / "data/secret" / (f"group-{name}" if name else "")
    whole = sum(test.points for test in members) if group.points is None else group.points
    if group.whole:
        text = f"on_reject: break\ngrader_flags: min\naccept_score: {whole:g}\nrange: 0 {whole:g}\n"
        _write(folder / "testdata.yaml", text)
    else:
        _write(folder / "testdata.yaml", "on_reject: continue\ngrader_flags: sum\nrange: 0 +inf\n")
    for test in members:
        place = folder if group.whole else folder / f"test-{test.name}"
        if not group.whole:
            _write(place / "testdata.yaml", f"accept_score: {test.points:g}\nrange: 0 {test.points:g}\n")
        for ending in (".in", ".ans"):
            origin = target / "data" / ("sample" if test.sample else "secret") / f"{test.name}{ending}"
            content = origin.read_bytes()
            if not test.sample:
                origin.unlink()
            place.mkdir(parents=True, exist_ok=True)
            (place / origin.name).write_bytes(content)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
