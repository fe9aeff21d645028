"""`problem.yaml` in each format: what kind of problem it is, its limits, and how it is validated.

Sources: the chapters on problem.yaml of the problem package format, versions `legacy`, `legacy-icpc` and `2025-09`. The draft
`2023-07` is the latter's, and problemtools has what packages of it are like.
"""

import re
from typing import Any

import msgspec

from runtime.problems.canonical import Package
from runtime.problems.faults import Faults
from runtime.problems.mappings import Mapping, load
from runtime.problems.model import Format, Limits

PATH = "problem.yaml"
_TYPES = ("pass-fail", "scoring", "multi-pass", "interactive", "submit-answer")
# The format's codes of languages that have another name here.
_LANGUAGES = {"python3": "python", "visualbasic": "vb"}
_DESCRIPTIVE = ("uuid", "source", "license", "rights_owner", "keywords")
_MOST_PASSES = 100
_TIME_LIMITS = (
    (".timelimit", r"\A\s*([0-9.]+)\s*\Z"),
    ("domjudge-problem.ini", r"^\s*timelimit\s*=\s*['\"]?([^'\"\s]*)"),
)


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What `problem.yaml` says that matters to judging."""

    name: str
    format: Format
    scoring: bool = False
    multi_pass: bool = False
    interactive: bool = False
    limits: Limits = Limits()
    #: Legacy only: whether validators of the package's own are used, and whether they give scores.
    custom: bool | None = None
    custom_score: bool = False
    validator_flags: tuple[str, ...] = ()
    languages: tuple[str, ...] | None = None
    constants: dict[str, str] = {}
    #: Legacy only, from before test groups had settings of their own: these stand for theirs.
    grading: dict[str, Any] = {}
    #: The score that is best: for problems whose lower scores are better there are no points here.
    minimize: bool = False


def read(package: Package, faults: Faults) -> Metadata | None:
    """The metadata; None where not even the format is known. What is wrong is noted."""
    if PATH not in package:
        faults.add(PATH, "is missing")
        return None
    values = load(package.read(PATH), PATH, faults)
    version = str(values.get("problem_format_version") or Format.LEGACY)
    # problemtools takes both for the same.
    version = {"2023-07": Format.V2023_07}.get(version, version)
    if version not in tuple(Format):
        faults.add(PATH, f"problem_format_version is {version!r}: must be one of {', '.join(Format)}")
        return None
    keys = Mapping(values, PATH, faults)
    keys.ignore("problem_format_version")
    if version in (Format.V2023_07, Format.V2025_09):
        found = _read_2025_09(keys, Format(version), package, faults)
    else:
        found = _read_legacy(keys, Format(version), package, faults)
    keys.finish()
    return found


def _read_legacy(keys: Mapping, version: Format, package: Package, faults: Faults) -> Metadata:
    keys.ignore(*_DESCRIPTIVE, "author", "source_url")
    name = _name(keys)
    kind = keys.choice("type", ("pass-fail", "scoring"), "pass-fail")
    if version is Format.LEGACY_ICPC and kind == "scoring":
        keys.fault("type", "must be pass-fail in legacy-icpc")
    validation = keys.text("validation", "default").split()
    modes = set(validation[1:])
    if validation[:1] not in (["default"], ["custom"]) or not modes <= {"interactive", "score", "multipass"}:
        keys.fault("validation", "must be default, or custom with any of interactive, score and multipass after it")
    elif validation == ["default", *modes] and modes:
        keys.fault("validation", "must be custom with these words")
    grading = keys.mapping("grading")
    minimize = grading.choice("objective", ("max", "min"), "max") == "min"
    grading.ignore("show_test_data_groups")
    overrides: dict[str, Any] = {}
    for key in ("accept_score", "reject_score", "range"):
        if grading.has(key):
            overrides[key] = grading.text(key)
    if grading.has("on_reject"):
        mode = grading.choice("on_reject", ("first_error", "worst_error", "grade"), "first_error")
        if mode != "worst_error":
            overrides["on_reject"] = "break" if mode == "first_error" else "continue"
    grading.finish()
    return Metadata(
        name=name,
        format=version,
        scoring=kind == "scoring",
        multi_pass="multipass" in modes,
        interactive="interactive" in modes,
        limits=_legacy_limits(keys.mapping("limits"), package, faults, multi_pass="multipass" in modes),
        custom=validation[:1] == ["custom"],
        custom_score="score" in modes,
        validator_flags=keys.arguments("validator_flags", (), split=True),
        grading=overrides,
        minimize=minimize,
    )


def _legacy_limits(keys: Mapping, package: Package, faults: Faults, *, multi_pass: bool) -> Limits:
    multiplier = keys.number("time_multiplier", 0, 5.0) or 5.0
    keys.ignore("time_safety_margin")
    return _common_limits(keys, _time_limit_of_others(package, faults), multiplier, multi_pass=multi_pass)


def _time_limit_of_others(package: Package, faults: Faults) -> float | None:
    """Seconds, as the files have them that other systems added, because the format has no limit of time."""
    for path, pattern in _TIME_LIMITS:
        if path not in package:
            continue
        found = re.search(pattern, package.read(path).decode(errors="replace"), re.MULTILINE)
        if found is None and path != ".timelimit":
            continue
        try:
            seconds = float(found[1]) if found else 0.0
        except ValueError:
            seconds = 0.0
        if seconds > 0:
            return seconds
        faults.add(path, "has no limit of time that is a number of seconds")
    return None


def _read_2025_09(keys: Mapping, version: Format, package: Package, faults: Faults) -> Metadata:
    # `source_url` is no key of these formats any more, but one of the examples beside their text.
    keys.ignore(*_DESCRIPTIVE, "version", "credits", "embargo_until", "source_url")
    for key in ("name", "uuid"):
        if not keys.has(key):
            keys.fault(key, "is required")
    # The same examples have several types in one text.
    types = keys.texts("type", split=True) or ("pass-fail",)
    for kind in types:
        if kind not in _TYPES:
            keys.fault("type", f"is {kind!r}: must be one of {', '.join(_TYPES)}")
    if "pass-fail" in types and "scoring" in types:
        keys.fault("type", "must not be pass-fail and scoring at the same time")
    if "submit-answer" in types:
        keys.fault("type", "is submit-answer, which this executor does not judge")
    if keys.switch("allow_file_writing"):
        pass  # programs may write in their own working directory, and nowhere else
    limits = keys.mapping("limits")
    multipliers = limits.mapping("time_multipliers")
    multiplier = multipliers.number("ac_to_time_limit", 0, 2.0) or 2.0
    multipliers.ignore("time_limit_to_tle")
    multipliers.finish()
    limits.ignore("time_resolution")
    seconds = limits.number("time_limit", 0)
    if seconds is None and version is Format.V2023_07:
        seconds = _time_limit_of_others(package, faults)
    return Metadata(
        name=_name(keys),
        format=version,
        scoring="scoring" in types,
        multi_pass="multi-pass" in types,
        interactive="interactive" in types,
        limits=_common_limits(limits, seconds, multiplier, multi_pass="multi-pass" in types),
        languages=_languages(keys),
        constants=_constants(keys.mapping("constants")),
    )


def _common_limits(keys: Mapping, time_seconds: float | None, multiplier: float, *, multi_pass: bool) -> Limits:
    # A submission is compiled within the executor's limits, as every other one is.
    keys.ignore("compilation_time", "compilation_memory", "validation_output")
    memory, validation_memory = keys.number("memory", 0), keys.number("validation_memory", 0)
    passes = keys.number("validation_passes", 1, 2.0) or 2.0
    if passes > _MOST_PASSES or passes % 1:
        keys.fault("validation_passes", f"must be a whole number from 2 to {_MOST_PASSES}")
    limits = Limits(
        time_seconds=time_seconds,
        memory_mb=None if memory is None else max(1, round(memory)),
        output_mb=keys.number("output", 0),
        code_kb=keys.number("code", 0),
        validation_seconds=keys.number("validation_time", 0),
        validation_memory_mb=None if validation_memory is None else max(1, round(validation_memory)),
        passes=int(min(passes, _MOST_PASSES)) if multi_pass else 1,
        time_multiplier=multiplier,
    )
    keys.finish()
    return limits


def _name(keys: Mapping) -> str:
    """The name in English where there are several, else the first one."""
    if not keys.has("name"):
        keys.ignore("name")
        return ""
    if isinstance(keys.value("name"), dict):
        names = {language: str(text) for language, text in keys.mapping("name").items().items()}
        return names.get("en") or next(iter(names.values()), "")
    return keys.text("name")


def _languages(keys: Mapping) -> tuple[str, ...] | None:
    codes = keys.texts("languages") or ("all",)
    if codes == ("all",):
        return None
    return tuple(_LANGUAGES.get(code, code) for code in codes)


def _constants(keys: Mapping) -> dict[str, str]:
    found = {}
    for name, given in keys.items().items():
        variants = given if isinstance(given, dict) else {"value": given}
        if "value" not in variants:
            keys.fault(name, "has no value")
        for variant, value in variants.items():
            found[f"{name}.{variant}"] = str(value)
    return found
