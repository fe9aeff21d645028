"""Programs of a package: which files belong to one, in which language it is, and which of its files is the main one."""

from pathlib import PurePosixPath

from runtime.languages.registry import Language, Registry

#: Of a program's working directory: where it finds the case. Names that begin so are not for its own files.
RESERVED_FOLDER = ".case"
# Main files of a package's programs, by language, where the package format has another name for them than the API.
_ENTRIES = {"python": "__main__.py", "pypy": "__main__.py"}
# Endings that the format has besides.
_MORE_ENDINGS = {"python": (".py3",), "cpp": (".C", ".c++")}
# In this order where a program has files of both: the second one can compile those of the first.
_TOGETHER = ("c", "cpp")


class LanguageError(ValueError):
    """A program's files do not say in which language it is."""


def endings(language: Language) -> tuple[str, ...]:
    """The endings of the language's files."""
    usual = language.extensions or (PurePosixPath(language.file).suffix,)
    return (*usual, *_MORE_ENDINGS.get(language.name, ()))


def entry_of(language: Language) -> str:
    """The name of a program's main file, as the package format has it."""
    return _ENTRIES.get(language.name, language.file)


def language_of(names: list[str], registry: Registry) -> tuple[Language, str]:
    """The language that has files among these, and the main one of them; raises LanguageError where there is not one.

    A file of the usual name is the main one, else the first. Other files, headers for example, lie beside it. Where several
    languages have files, it is the one whose main file has the usual name.
    """
    found: dict[str, tuple[Language, str]] = {}
    for language in registry.languages.values():
        sources = sorted(name for name in names if name.endswith(endings(language)))
        if sources and not any(sources[0].endswith(endings(other)) for other, _ in found.values()):
            found[language.name] = language, next((name for name in _usual(language) if name in sources), sources[0])
    if not found:
        raise LanguageError(f"is in no language that is here: there are {', '.join(sorted(registry.languages))}")
    if len(found) > 1:
        found = {name: item for name, item in found.items() if item[1] in _usual(item[0])} or found
    if found.keys() == set(_TOGETHER):
        return found[_TOGETHER[-1]]
    if len(found) > 1:
        raise LanguageError(f"has files in several languages, {' and '.join(sorted(found))}, and must be in one")
    return next(iter(found.values()))


def _usual(language: Language) -> tuple[str, str]:
    return entry_of(language), language.file


def is_source(name: str, registry: Registry) -> bool:
    """Whether some language here has files with this ending."""
    return any(name.endswith(endings(language)) for language in registry.languages.values())
