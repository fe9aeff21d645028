"""Judge0's languages by their ids (github.com/judge0/judge0, db/languages), as far as a toolchain of ours is one of them.

The versions are this executor's own. Several ids that differ by version alone are the same language here.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from runtime.http.doors.languages import taken_as_sent
from runtime.languages.registry import Language


class Judge0Language(NamedTuple):
    """One id: ours of the same toolchain, the name before its version, and the toolchain's name in it."""

    base: str
    name: str
    toolchain: str = ""


PLAIN_TEXT, EXECUTABLE, PROJECT = 43, 44, 89
LANGUAGES = {
    PLAIN_TEXT: Judge0Language("bash", "Plain Text"),
    EXECUTABLE: Judge0Language("bash", "Executable"),
    46: Judge0Language("bash", "Bash"),
    48: Judge0Language("c", "C", "GCC"),
    49: Judge0Language("c", "C", "GCC"),
    50: Judge0Language("c", "C", "GCC"),
    51: Judge0Language("csharp", "C#", "Mono"),
    52: Judge0Language("cpp", "C++", "GCC"),
    53: Judge0Language("cpp", "C++", "GCC"),
    54: Judge0Language("cpp", "C++", "GCC"),
    59: Judge0Language("fortran", "Fortran", "GFortran"),
    60: Judge0Language("go", "Go"),
    61: Judge0Language("haskell", "Haskell", "GHC"),
    62: Judge0Language("java", "Java", "OpenJDK"),
    63: Judge0Language("javascript", "JavaScript", "Node.js"),
    64: Judge0Language("lua", "Lua"),
    66: Judge0Language("octave", "Octave"),
    67: Judge0Language("pascal", "Pascal", "FPC"),
    68: Judge0Language("php", "PHP"),
    71: Judge0Language("python", "Python"),
    72: Judge0Language("ruby", "Ruby"),
    73: Judge0Language("rust", "Rust"),
    74: Judge0Language("typescript", "TypeScript"),
    78: Judge0Language("kotlin", "Kotlin"),
    80: Judge0Language("r", "R"),
    82: Judge0Language("sql", "SQL", "SQLite"),
    85: Judge0Language("perl", "Perl"),
    PROJECT: Judge0Language("bash", "Multi-file program"),
}
_NO_VERSION = (PLAIN_TEXT, EXECUTABLE, PROJECT)
_COMPILE_SCRIPTS, _RUN_SCRIPTS = ("compile", "compile.sh"), ("run", "run.sh")


def title(identifier: int, version: str) -> str:
    """The name as Judge0 writes it, as in `C (GCC 14.2.0)`."""
    language = LANGUAGES[identifier]
    inside = " ".join(filter(None, (language.toolchain, version)))
    return language.name if identifier in _NO_VERSION or not inside else f"{language.name} ({inside})"


def is_compiled(identifier: int, languages: Mapping[str, Language]) -> bool:
    """Whether compiler options make sense."""
    return identifier not in _NO_VERSION and languages[LANGUAGES[identifier].base].compiled


def source_file(identifier: int, base: Language) -> str:
    """The name of the main file."""
    return {PLAIN_TEXT: "text.txt", EXECUTABLE: "a.out"}.get(identifier) or base.file


def with_options(identifier: int, base: Language, options: tuple[str, ...]) -> Language:
    """The language of a single source, compiled with further `options`."""
    if identifier == PLAIN_TEXT:
        return _plain(base, ("cat", "{file}"))
    if identifier == EXECUTABLE:
        return _plain(base, ("{box}/a.out",))
    if not options:
        return base
    words = list(base.compile)
    # Before what names the files, so that they win over the usual ones, and over nothing else.
    places = [words.index(word) for word in ("-o", "{sources}", "{file}") if word in words]
    place = min(places, default=len(words))
    words[place:place] = [word.replace("{", "{{").replace("}", "}}") for word in options]
    return msgspec.structs.replace(base, compile=tuple(words))


def of_project(base: Language, names: set[str]) -> Language | None:
    """The language of several files that bring their own scripts; None where there is none to run."""
    run = next((name for name in _RUN_SCRIPTS if name in names), None)
    compiling = next((name for name in _COMPILE_SCRIPTS if name in names), None)
    if run is None:
        return None
    compile_words = ("bash", compiling) if compiling else ()
    return _plain(base, ("bash", run), compile=compile_words, artifacts=("*",) if compiling else ())


def _plain(base: Language, run: tuple[str, ...], **changes: tuple[str, ...]) -> Language:
    return msgspec.structs.replace(taken_as_sent(base), run=run, **changes)
