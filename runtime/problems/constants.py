"""Constants of a 2025-09 problem: their values take the place of `{{name}}` and `{{name.variant}}` in some of its files."""

import re
from collections.abc import Mapping

_SEQUENCE = re.compile(rb"\{\{([A-Za-z_][A-Za-z0-9_]*)(?:\.([^{}\s]+))?\}\}")
_VALUE = b"value"


def filled(content: bytes, constants: Mapping[str, str]) -> bytes:
    """The content with the constants' values in it; the keys are `name.variant`, and what is no constant stays."""
    if not constants:
        return content

    def value(found: re.Match[bytes]) -> bytes:
        name, variant = found[1], found[2] or _VALUE
        known = constants.get((name + b"." + variant).decode(errors="replace"))
        return found[0] if known is None else known.encode()

    return _SEQUENCE.sub(value, content)
