"""Programs of a package: which files belong to one, in which language it is, and which of its files is the main one."""

from pathlib import PurePosixPath

from runtime.languages.registry import Language, Registry

#: Of a program's working directory: where it finds the case. Names that begin so are not for its own files.
RESERVED_FOLDER = ".case"


def endings(language: Language) -> tuple[str, ...]:
    """The endings of the language's files."""
    return language.extensions or (PurePosixPath(language.file).suffix,)


def language_of(names: list[str], registry: Registry) -> tuple[Language, str] | None:
    """The language that has files among these, and the main one of them; None where no language here has any.

    A file of the usual name is the main one, else the first. Other files, headers for example, lie beside it.
    """
    for language in registry.languages.values():
        sources = sorted(name for name in names if name.endswith(endings(language)))
        if sources:
            return language, language.file if language.file in sources else sources[0]
    return None


def is_source(name: str, registry: Registry) -> bool:
    """Whether some language here has files with this ending."""
    return any(name.endswith(endings(language)) for language in registry.languages.values())
