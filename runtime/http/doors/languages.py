"""A language whose commands come from another service's interface, and not from its file."""

from collections.abc import Iterator

import msgspec

from runtime.languages.registry import Language, Registry
from runtime.settings import Settings


def further_languages(settings: Settings, registry: Registry) -> Iterator[Language]:
    """Those that have warm workers of their own, of the interfaces that are open."""
    python = registry.languages.get("python")
    if "jobe" in settings.apis and python is not None:
        from runtime.http.doors.jobe_languages import coderunners_python  # noqa: PLC0415

        yield coderunners_python(python)


def taken_as_sent(base: Language) -> Language:
    """`base` without all that arranges files for its own commands: files keep their names, and no warm worker serves it."""
    return msgspec.structs.replace(
        base,
        # Every name ends so: none has to be changed for the compiler.
        extensions=("",),
        unmarked=False,
        defines="",
        uses="",
        unit="",
        found_as="",
        passed_over="",
        ahead="",
        named_after_class=False,
        starts_classes=False,
        warm=None,
        workers="",
    )
