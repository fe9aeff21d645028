"""Files that call a function of a submission: which ones, and how they and the submission are put together."""

import functools
from pathlib import Path, PurePosixPath

import msgspec

from runtime.execution.protocol import File
from runtime.languages.registry import FOLDER, Function, Language
from runtime.languages.sources import free_name

#: Where the call and what it returns lie in the working directory, which no submission has files in.
CASE_FOLDER = ".case"
CALL, RETURNED = f"{CASE_FOLDER}/call", f"{CASE_FOLDER}/returned"
# What the submission's main file is called where the caller needs its name.
_SUBMISSION = "solution"


def with_caller(language: Language, function: Function, files: tuple[File, ...], name: str) -> tuple[File, ...]:
    """The files of a submission, its main one first, with those that call its function `name`."""
    main, others = files[0], files[1:]
    taken = {file.name for file in others}
    content = bytes(main.content)
    if function.end:
        content += _filled(function.end, name=name, root=name.partition(".")[0], scoped=name.replace(".", "::")).encode()
    if not function.is_main:
        callers = () if function.apart else callers_of(function)
        return (msgspec.structs.replace(main, content=memoryview(content)), *others, *callers)
    path = PurePosixPath(main.name)
    place = free_name(function.place, taken)
    if main.name == place:
        path = path.with_name(free_name(_SUBMISSION + path.suffix, {*taken, place}))
    elif not path.suffix:
        path = path.with_name(path.name + PurePosixPath(language.file).suffix)
    program = File(str(path), memoryview(content))
    callers = callers_of(function, file=program.name, module=PurePosixPath(main.name).stem)
    return (msgspec.structs.replace(callers[0], name=place), *callers[1:], program, *others)


def callers_of(function: Function, **places: str) -> tuple[File, ...]:
    """The files that call, with what stands at their places."""
    folder = PurePosixPath(function.place).parent
    names = (function.place, *(str(folder / name) for name in function.callers[1:]))
    return tuple(
        File(name, memoryview(_filled(_text(caller), **places).encode()))
        for name, caller in zip(names, function.callers, strict=True)
    )


@functools.cache
def _text(name: str) -> str:
    return Path(FOLDER, "call", name).read_text("utf-8")


def _filled(text: str, **places: str) -> str:
    """The text, whose other braces stay."""
    for place, value in places.items():
        text = text.replace(f"{{{place}}}", value)
    return text
