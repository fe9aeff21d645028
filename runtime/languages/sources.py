"""Under which names, in which order and with which first bytes a language's tools get the files of a submission."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import msgspec

from runtime.execution.protocol import File
from runtime.languages import java
from runtime.languages.preamble import start_with
from runtime.languages.registry import Language

_MARK = b"\xef\xbb\xbf"
_HEADERS = (".h", ".hh", ".hpp", ".hxx")
# Of each file so much is looked through for what it defines and uses.
_TEXT_BYTES = 1 << 18


class Arranged(msgspec.Struct, frozen=True):
    """The files as the compiler gets them: which is the main one, and those that it compiles, in an order that it takes."""

    files: tuple[File, ...]
    main: File
    sources: tuple[str, ...]
    #: What the main file calls itself, where that has a meaning for the compiler.
    unit: str
    #: Words for the compiler, of a header that was compiled ahead and that all of the sources can start with among them.
    ahead: tuple[str, ...]

    @property
    def folder(self) -> str:
        """That of the main file."""
        return str(PurePosixPath(self.main.name).parent)


def unmarked(language: Language, files: tuple[File, ...]) -> tuple[File, ...]:
    """The files without a byte-order mark at their start, where the language's tools take it for a part of the text."""
    if not language.unmarked:
        return files
    suffixes = (*language.extensions, PurePosixPath(language.file).suffix)
    return tuple(
        msgspec.structs.replace(file, content=file.content[len(_MARK) :])
        if (position == 0 or file.name.endswith(suffixes)) and file.content[: len(_MARK)] == _MARK
        else file
        for position, file in enumerate(files)
    )


def arranged(
    language: Language, files: tuple[File, ...], ahead: tuple[str, ...] = (), options: tuple[str, ...] = ()
) -> Arranged:
    """The files for the compiler of `language`; the first is the main one, and is compiled whatever it is called.

    `ahead` are folders of headers that were compiled ahead; the compiler gets `options` besides.
    """
    taken = {file.name for file in files}
    named: list[File] = []
    for position, file in enumerate(unmarked(language, files)):
        name = _main_name(language, file) if position == 0 else _unit_name(language, file)
        if name != file.name and (name not in taken or position == 0):
            taken.discard(file.name)
            name = free_name(name, taken)
            taken.add(name)
        else:
            name = file.name
        named.append(msgspec.structs.replace(file, name=name))
    compiled = [file for file in named if file.name.endswith(language.extensions)]
    sources = tuple(file.name for file in _in_order(language, compiled))
    defined = _found(language.defines, _text(named[0]))
    words = start_with(ahead, map(_text, compiled))
    if language.with_testlib and len(compiled) == 1 and any(map(_is_testlib, named)):
        # Other options than those of headers that were compiled ahead, which would not be taken.
        words = language.with_testlib
    unit = defined[0] if defined else language.unit
    return Arranged(tuple(named), named[0], sources, unit, (*words, *options))


def with_made(
    language: Language, sent: tuple[File, ...], source: Arranged, made: tuple[File, ...]
) -> tuple[tuple[File, ...], str]:
    """The files of a run, those that were sent and those that the compiler made, and what its program is called."""
    unit = source.unit
    if language.starts_classes:
        classes = [(file.name, file.content) for file in made if file.name.endswith(".class")]
        unit = java.main_class(classes, sent[0].name, _text(source.main))
    places = {place for file in made for place in (file.name, *map(str, PurePosixPath(file.name).parents))}
    return (*(file for file in sent if file.name not in places), *made), unit


def without_sources(language: Language, files: tuple[File, ...]) -> tuple[File, ...]:
    """The files of a run without those that only a compiler reads, where what that made runs by itself."""
    if not language.compiled or not language.run[0].startswith("{box}/"):
        return files
    return tuple(file for file in files if not file.name.endswith((*language.extensions, *_HEADERS)))


def _is_testlib(file: File) -> bool:
    """Whether a file is the testlib that checkers, interactors and validators are written with."""
    return PurePosixPath(file.name).name == "testlib.h" and "#ifndef _TESTLIB_H_" in _text(file)


def _main_name(language: Language, main: File) -> str:
    """What the main file has to be called for the compiler to take it for one of its sources."""
    path = PurePosixPath(main.name)
    if not main.name.endswith(language.extensions):
        path = path.with_name(path.name + PurePosixPath(language.file).suffix)
    if language.passed_over and re.search(language.passed_over, path.name):
        path = path.with_name(language.file)
    return java.source_name(str(path), _text(main)) if language.named_after_class else str(path)


def _unit_name(language: Language, file: File) -> str:
    """What another file has to be called for the compiler to find it by the name of what it defines."""
    if not language.found_as or not file.name.endswith(language.extensions):
        return file.name
    defined = _found(language.defines, _text(file))
    return language.found_as.format(unit=defined[0].lower()) if defined else file.name


def free_name(name: str, taken: set[str]) -> str:
    """The name, or one like it that no file and no folder has."""
    path = PurePosixPath(name)
    number = 0
    while name in taken or any(other.startswith(f"{name}/") for other in taken):
        number += 1
        name = str(path.with_name(f"{path.stem}{number}{path.suffix}"))
    return name


def _in_order(language: Language, files: list[File]) -> list[File]:
    """Each file after those that define what it uses; otherwise as they came, also where they use one another."""
    if not language.uses:
        return files
    texts = [_text(file) for file in files]
    defined_in = {name.casefold(): number for number, text in enumerate(texts) for name in _found(language.defines, text)}
    needs = [{defined_in.get(name.casefold(), own) for name in _found(language.uses, text)} for own, text in enumerate(texts)]
    waiting = list(range(len(files)))
    order: list[int] = []
    while waiting:
        ready = next((number for number in waiting if needs[number] <= {number, *order}), waiting[0])
        waiting.remove(ready)
        order.append(ready)
    return [files[number] for number in order]


def _found(pattern: str, text: str) -> list[str]:
    """What the groups of each match hold."""
    matches: Iterable[re.Match[str]] = re.finditer(pattern, text) if pattern else ()
    return [group for match in matches for group in match.groups() if group]


def _text(file: File) -> str:
    return bytes(file.content[:_TEXT_BYTES]).decode(errors="replace")
