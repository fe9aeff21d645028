"""A package in its canonical form as a problem: everything is checked before anything is judged."""

import re

from runtime.languages.registry import Registry, UnknownLanguageError
from runtime.problems import metadata as metadata_file
from runtime.problems import test_data
from runtime.problems.canonical import Package
from runtime.problems.faults import Faults, PackageError
from runtime.problems.metadata import Metadata
from runtime.problems.model import Format, Problem, Program
from runtime.problems.programs import LanguageError, is_source, language_of

_LEGACY_FOLDER, _FOLDER = "output_validators", "output_validator"
_SCRIPTS = ("build", "run")
# Files of other names are to be taken as if they were not there.
_NAME = re.compile("[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


def read(package: Package, digest: str, registry: Registry) -> Problem:
    """The problem; raises PackageError with every fault."""
    faults = Faults()
    metadata = metadata_file.read(package, faults)
    if metadata is None:
        raise PackageError(faults.found)
    if metadata.format is Format.V2025_09:
        package.leave_out(lambda name: not all(map(_NAME.fullmatch, name.split("/"))))
    validators = _validators(package, metadata, registry, faults)
    kinds = (("an interactive", metadata.interactive), ("a multi-pass", metadata.multi_pass))
    for kind in (kind for kind, is_so in kinds if is_so and not validators):
        faults.add(metadata_file.PATH, f"is {kind} problem, and the package has no output validator")
    if metadata.interactive and len(validators) > 1:
        faults.add(_LEGACY_FOLDER, "has more than one program, and the problem is interactive: one must speak with it")
    if metadata.minimize:
        faults.add(metadata_file.PATH, "grading.objective is min: problems with scores to be minimized are not supported")
    data = test_data.read(package, metadata, bool(validators), faults)
    include = _include(package, registry, faults)
    faults.raise_if_any()
    return Problem(
        digest=digest,
        name=metadata.name,
        format=metadata.format,
        scoring=metadata.scoring,
        multi_pass=metadata.multi_pass,
        interactive=metadata.interactive,
        limits=metadata.limits,
        validators=validators,
        languages=metadata.languages,
        include=include,
        constants=metadata.constants,
        data=data,
    )


def _validators(package: Package, metadata: Metadata, registry: Registry, faults: Faults) -> tuple[Program, ...]:
    if metadata.format in (Format.V2023_07, Format.V2025_09):
        return _single(package, registry, faults)
    if not metadata.custom:
        return ()
    programs = _several(package, registry)
    if not programs:
        faults.add(_LEGACY_FOLDER, "has no program, though problem.yaml says that validation is custom")
    for program in programs:
        _check(program, registry, faults)
    return programs


def _single(package: Package, registry: Registry, faults: Faults) -> tuple[Program, ...]:
    """The one validator of a 2025-09 package: the folder itself, or the one folder in it."""
    files = _below(package, _FOLDER)
    if not files:
        return ()
    inner = {name.partition("/")[0] for name, _ in files if "/" in name}
    if len(inner) == 1 and not any("/" not in name and is_source(name, registry) for name, _ in files):
        folder = f"{_FOLDER}/{next(iter(inner))}"
        files = _below(package, folder)
    program = Program(_FOLDER, files)
    _check(program, registry, faults)
    return (program,)


def _several(package: Package, registry: Registry) -> tuple[Program, ...]:
    """The validators of a legacy package: each folder is one, and each source file beside the folders.

    Other files beside them, a header for example, belong to each of those source files.
    """
    files = _below(package, _LEGACY_FOLDER)
    alone = tuple(item for item in files if "/" not in item[0])
    shared = tuple(item for item in alone if not is_source(item[0], registry))
    programs = [Program(path, ((name, path), *shared)) for name, path in alone if is_source(name, registry)]
    for folder in sorted({name.partition("/")[0] for name, _ in files if "/" in name}):
        path = f"{_LEGACY_FOLDER}/{folder}"
        programs.append(Program(path, _below(package, path)))
    return tuple(programs)


def _below(package: Package, folder: str) -> tuple[tuple[str, str], ...]:
    """Every file in the folder, as its name in it and its path."""
    return tuple((path.removeprefix(f"{folder}/"), path) for path in package.names() if path.startswith(f"{folder}/"))


def _check(program: Program, registry: Registry, faults: Faults) -> None:
    names = [name for name, _ in program.files]
    for name, path in program.files:
        _check_name(name, path, faults)
    for script in _SCRIPTS:
        if script in names:
            faults.add(f"{program.name}/{script}", "is a script of the package's own, which is not supported")
    try:
        language_of(names, registry)
    except LanguageError as error:
        faults.add(program.name, str(error))


def _check_name(name: str, path: str, faults: Faults) -> None:
    if any(part.startswith(("-", "@")) for part in name.split("/")):
        faults.add(path, "begins with a dash or an at sign, which compilers take for an option or a response file")


def _include(package: Package, registry: Registry, faults: Faults) -> dict[str, tuple[tuple[str, str], ...]]:
    """The files for submissions, by language; a folder of another name is for a language that is not here."""
    folders = {name.split("/")[1] for name in package.names() if name.startswith("include/") and name.count("/") > 1}
    found = {}
    for folder in folders:
        try:
            name = "default" if folder == "default" else registry.get(folder).name
        except UnknownLanguageError:
            continue
        found[name] = _below(package, f"include/{folder}")
        for file, path in found[name]:
            _check_name(file, path, faults)
    return found
