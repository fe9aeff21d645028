"""The folder `data/`: its groups and cases, with the settings that each inherits.

Sources: the chapters on test data and on graders of the problem package format, versions `legacy` and `2025-09`.
"""

import math
from typing import Any

import msgspec

from runtime.problems import constants, points
from runtime.problems.canonical import Package
from runtime.problems.default_validator import FlagsError, parse
from runtime.problems.faults import Faults
from runtime.problems.mappings import Mapping, load
from runtime.problems.metadata import Metadata
from runtime.problems.model import Aggregation, Case, Format, Group, Scores, Verdict

MOST_CASES = 2000
# What `test_group.yaml` was called in drafts of 2025-09, as the examples beside its text still have it.
_OLDER_FILE = "testdata.yaml"
_AGGREGATIONS = {"sum": Aggregation.SUM, "min": Aggregation.MIN, "max": Aggregation.MAX, "avg": Aggregation.AVERAGE}
# Whether or not there is a file with settings in them.
_ALWAYS_GROUPS = ("data", "data/sample", "data/secret")
_VERDICTS = {
    "first_error": Verdict.FIRST_ERROR,
    "worst_error": Verdict.WORST_ERROR,
    "no_errors": Verdict.WORST_ERROR,
    "always_accept": Verdict.ALWAYS_ACCEPT,
    "accept_if_any_accepted": Verdict.ANY_ACCEPTED,
}


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a group's own file, and those of the groups around it, set for the cases in it."""

    validator_flags: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    # Legacy.
    stops: bool = True
    grader_flags: tuple[str, ...] = ()
    accept_score: float = 1.0
    reject_score: float = 0.0
    max_score: float | None = None
    # 2025-09.
    stated_score: float | None = None
    unbounded: bool = False
    aggregation: Aggregation | None = None
    require_pass: tuple[str, ...] = ()


def read(package: Package, metadata: Metadata, has_validator: bool, faults: Faults) -> Group:
    """The test data's tree; what is wrong with it is noted."""
    reader = _Reader(package, metadata, has_validator, faults)
    root = reader.group("data", _Settings())
    cases = root.cases()
    if not cases:
        faults.add("data", "has no test cases: sample/ or secret/ must have a .in file with its .ans")
    if len(cases) > MOST_CASES:
        faults.add("data", f"has {len(cases)} test cases: at most {MOST_CASES} may be")
    _check_required(root, faults)
    if metadata.scoring and metadata.format is Format.V2025_09:
        root = points.shared(root)
        if not faults.found:
            _check_points(root, faults)
    return root


def _check_points(group: Group, faults: Faults) -> None:
    """A group whose parts are added has room for all that they have."""
    inner = [item for item in group.items if isinstance(item, Group) and item.name not in group.ignored]
    parts = math.fsum(item.max_score or 0.0 for item in inner)
    if group.aggregation is Aggregation.SUM and group.max_score is not None and parts > group.max_score * (1 + 1e-9):
        words = f"max_score is {group.max_score:g}, and its groups have {parts:g} together"
        faults.add(f"data/{group.name}/test_group.yaml", words)
    for item in inner:
        _check_points(item, faults)


class _Reader:
    """Walks through the folders, whose names are all known from the package's list of files."""

    def __init__(self, package: Package, metadata: Metadata, has_validator: bool, faults: Faults) -> None:
        self._package = package
        self._metadata = metadata
        self._has_validator = has_validator
        self._faults = faults
        self._legacy = metadata.format is not Format.V2025_09
        self._group_file = "testdata.yaml" if self._legacy else "test_group.yaml"
        #: By folder, the names directly in it; a folder's ends in a slash.
        self._entries: dict[str, set[str]] = {}
        for path in package.names():
            folder, _, name = path.rpartition("/")
            while folder.startswith("data"):
                self._entries.setdefault(folder, set()).add(name)
                folder, _, name = folder.rpartition("/")
                name += "/"

    def group(self, folder: str, around: _Settings) -> Group:
        """The group in this folder of the package."""
        settings = self._settings(self._file_of(folder), around, inside=folder)
        name = folder.removeprefix("data").removeprefix("/") or "data"
        return self._with_grading(name, self._items(folder, settings), settings)

    def _file_of(self, folder: str) -> str:
        """The file with the settings of the group in this folder, whether or not it is there."""
        file, older = f"{folder}/{self._group_file}", f"{folder}/{_OLDER_FILE}"
        return older if not self._legacy and file not in self._package and older in self._package else file

    def _is_group(self, folder: str) -> bool:
        """In 2025-09 what has no settings of its own is only a folder of the group around it."""
        return self._legacy or folder in _ALWAYS_GROUPS or self._file_of(folder) in self._package

    def _items(self, folder: str, settings: _Settings) -> tuple[Case | Group, ...]:
        """What the group with these settings has in this folder, in the order of the names, which have no endings."""
        entries = self._entries.get(folder, set())
        items: list[tuple[str, tuple[Case | Group, ...]]] = []
        for name in sorted(entries):
            path = f"{folder}/{name}"
            if name.endswith(".files/"):
                if f"{name.removesuffix('.files/')}.in" not in entries:
                    self._faults.add(path, "belongs to no .in file")
            elif name.endswith("/"):
                inner = path.removesuffix("/")
                found = (self.group(inner, settings),) if self._is_group(inner) else self._items(inner, settings)
                items.append((name.removesuffix("/"), found))
            elif name.endswith(".in"):
                items.append((name.removesuffix(".in"), (self._case(path.removesuffix(".in"), entries, settings),)))
            elif name.endswith(".ans") and f"{name.removesuffix('.ans')}.in" not in entries:
                self._faults.add(path, "is an answer without its .in file")
        return tuple(item for _, found in sorted(items, key=lambda named: named[0]) for item in found)

    def _with_grading(self, name: str, items: tuple[Case | Group, ...], settings: _Settings) -> Group:
        if self._legacy:
            aggregations = [_AGGREGATIONS[flag] for flag in settings.grader_flags if flag in _AGGREGATIONS]
            verdicts = [_VERDICTS[flag] for flag in settings.grader_flags if flag in _VERDICTS]
            ignored = ("sample",) if "ignore_sample" in settings.grader_flags and name == "data" else ()
            return Group(
                name=name,
                items=items,
                stops=settings.stops,
                verdict=verdicts[-1] if verdicts else Verdict.WORST_ERROR,
                aggregation=aggregations[-1] if aggregations else Aggregation.SUM,
                max_score=settings.max_score,
                ignored=ignored,
            )
        scoring = self._metadata.scoring
        aggregation = settings.aggregation or (Aggregation.SUM if name in ("data", "secret") else Aggregation.PASS_FAIL)
        return Group(
            name=name,
            items=items,
            stops=not scoring or aggregation is not Aggregation.SUM,
            verdict=Verdict.FIRST_ERROR,
            aggregation=aggregation if scoring else Aggregation.PASS_FAIL,
            max_score=math.inf if settings.unbounded else settings.stated_score,
            require_pass=settings.require_pass,
            ignored=("sample",) if scoring and name == "data" else (),
        )

    def _case(self, path: str, entries: set[str], around: _Settings) -> Case:
        name = path.rpartition("/")[2]
        if f"{name}.ans" not in entries:
            self._faults.add(f"{path}.in", "has no answer: the .ans file is missing")
        settings = self._settings(f"{path}.yaml", around) if f"{name}.yaml" in entries and not self._legacy else around
        flags = (*self._metadata.validator_flags, *settings.validator_flags)
        if not self._has_validator:
            try:
                parse(flags, once=not self._legacy)
            except FlagsError as error:
                self._faults.add(f"{path}.in", str(error))
        folder = f"{path}.files/"
        files = tuple((file.removeprefix(folder), file) for file in self._package.names() if file.startswith(folder))
        legacy_points = self._legacy and self._metadata.scoring
        return Case(
            name=path.removeprefix("data/"),
            input=f"{path}.in",
            answer=f"{path}.ans",
            validator_flags=flags,
            arguments=settings.arguments,
            files=files if f"{name}.files/" in entries else (),
            accept_score=settings.accept_score if legacy_points else None,
            reject_score=settings.reject_score if legacy_points else 0.0,
            max_score=max(settings.accept_score, settings.reject_score)
            if legacy_points and not self._metadata.custom_score
            else None,
            scores=Scores.REQUIRED if self._metadata.custom_score else Scores.ALLOWED,
        )

    def _settings(self, path: str, around: _Settings, inside: str = "") -> _Settings:
        """The settings of a group's file, or of a case's own where `inside` no folder, on top of those around it."""
        values: dict[str, Any] = {}
        if path in self._package:
            content = self._package.read(path)
            # Of a group's alone: the format has none in files of cases.
            values = load(constants.filled(content, self._metadata.constants if inside else {}), path, self._faults)
        keys = Mapping(values, path, self._faults)
        found = self._legacy_settings(keys, around) if self._legacy else self._new_settings(keys, around, inside)
        keys.finish()
        return found

    def _legacy_settings(self, keys: Mapping, around: _Settings) -> _Settings:
        overrides: dict[str, Any] = self._metadata.grading
        keys.ignore("input_validator_flags")
        if keys.choice("grading", ("default", "custom"), "default") == "custom":
            keys.fault("grading", "is custom: graders of the package's own are not supported")
        grader_flags = keys.texts("grader_flags", split=True) if keys.has("grader_flags") else around.grader_flags
        keys.ignore("grader_flags")
        for flag in grader_flags:
            if flag not in (*_AGGREGATIONS, *_VERDICTS, "ignore_sample"):
                keys.fault("grader_flags", f"has {flag!r}, which is no flag of the default grader")
        stops = keys.choice("on_reject", ("break", "continue"), "break" if around.stops else "continue") == "break"
        if "on_reject" in overrides:
            stops = overrides["on_reject"] == "break"
        named = isinstance(keys.value("output_validator_flags"), dict)
        flags = keys.mapping("output_validator_flags") if named else keys
        given = flags.arguments("flags" if named else "output_validator_flags", around.validator_flags, split=True)
        if named:
            flags.ignore("name")  # there is one validator, or all of them are asked
            flags.finish()
        return _Settings(
            validator_flags=given,
            stops=stops,
            grader_flags=grader_flags,
            accept_score=self._score(keys, "accept_score", around.accept_score),
            reject_score=self._score(keys, "reject_score", around.reject_score),
            max_score=self._highest(keys, around.max_score),
        )

    def _score(self, keys: Mapping, key: str, default: float) -> float:
        text = keys.text(key, f"{default}")
        text = str(self._metadata.grading.get(key, text))
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            keys.fault(key, f"is {text!r}: must be a number")
            return default
        return found

    def _highest(self, keys: Mapping, default: float | None) -> float | None:
        """The upper end of `range`; None where it is infinite."""
        text = str(self._metadata.grading.get("range", keys.text("range")))
        if not text:
            return default
        try:
            low, high = map(float, text.split())
        except ValueError:
            low = high = math.nan
        if not low <= high:
            keys.fault("range", f"is {text!r}: must be two numbers, the lowest and the highest score")
            return default
        return high if math.isfinite(high) else None

    def _new_settings(self, keys: Mapping, around: _Settings, inside: str) -> _Settings:
        keys.ignore("answer_validator_args", "input_validator_args", "input_visualizer_args", "output_visualizer_args")
        keys.ignore("full_feedback", "hint", "description")
        if keys.has("static_validation_score"):
            keys.fault("static_validation_score", "is not supported, nor are static validators")
        keys.ignore("static_validation_score")
        if keys.texts("static_validator_args"):
            keys.fault("static_validator_args", "goes with static_validation_score, which is not supported")
        stated, unbounded = None, False
        aggregation = None
        if keys.path.endswith(f"/{_OLDER_FILE}"):
            return self._older_settings(keys, around)
        require_pass: tuple[str, ...] = ()
        if inside:
            unbounded = keys.value("max_score") == "unbounded"
            if unbounded:
                keys.ignore("max_score")
            else:
                stated = keys.number("max_score", -1)
                if stated is not None and stated < 0:
                    keys.fault("max_score", "must not be below 0")
            if keys.has("score_aggregation"):
                aggregation = Aggregation(keys.choice("score_aggregation", ("pass-fail", "sum", "min"), "sum"))
                if not self._metadata.scoring:
                    keys.fault("score_aggregation", "is for scoring problems only")
            require_pass = keys.texts("require_pass")
        return _Settings(
            validator_flags=keys.arguments("output_validator_args", around.validator_flags),
            arguments=keys.arguments("args", around.arguments),
            stated_score=stated,
            unbounded=unbounded,
            aggregation=aggregation,
            require_pass=require_pass,
        )

    def _older_settings(self, keys: Mapping, around: _Settings) -> _Settings:
        keys.ignore("input_validator_flags")
        scoring = keys.mapping("scoring")
        aggregation = Aggregation(scoring.choice("aggregation", ("sum", "min"), "sum"))
        has_score = scoring.has("max_score") or (scoring.has("score") and aggregation is Aggregation.MIN)
        score, most = scoring.number("score", -1), scoring.number("max_score", -1)
        if scoring.has("score") and not has_score:
            scoring.fault("score", "is for each test case where aggregation is sum: set max_score")
        stated = most if most is not None else score
        if stated is not None and stated < 0:
            scoring.fault("score", "must not be below 0")
        scoring.finish()
        return _Settings(
            validator_flags=keys.arguments("output_validator_flags", around.validator_flags, split=True),
            arguments=around.arguments,
            stated_score=stated if self._metadata.scoring else None,
            aggregation=aggregation if self._metadata.scoring and scoring.has("aggregation") else None,
        )


def _check_required(root: Group, faults: Faults) -> None:
    """Each group that one requires must be there, and be judged before it, so that they cannot require one another."""
    places: dict[str, int] = {}
    required: list[tuple[Group, int]] = []
    position = 0

    def walk(group: Group) -> None:
        nonlocal position
        required.append((group, position))
        for item in group.items:
            if isinstance(item, Group):
                walk(item)
            else:
                position += 1
        places[group.name] = position

    walk(root)
    for group, start in required:
        for name in group.require_pass:
            path = f"data/{group.name}/test_group.yaml"
            if name not in places:
                faults.add(path, f"require_pass names {name!r}, which is no group of this package")
            elif name == group.name or group.name.startswith(f"{name}/") or name.startswith(f"{group.name}/"):
                faults.add(path, f"require_pass names {name!r}, in a cycle: the groups are one inside of the other")
            elif places[name] > start:
                faults.add(path, f"require_pass names {name!r}, which is judged later: the order is that of the names")
