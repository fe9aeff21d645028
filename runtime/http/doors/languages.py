"""A language whose commands come from another service's interface, and not from its file."""

import msgspec

from runtime.languages.registry import Language


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
