"""names.py FILE...: every name in headers outside of comments and texts, and once more with `(` where one follows it."""

import re
import sys
from pathlib import Path

_NO_NAMES = re.compile(r"""(?s)/\*.*?\*/|#[ \t]*include[^\n]*|//[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)'""")
_NAME = re.compile(r"(?<!\w)[A-Za-z_]\w*(?:\s*\()?")


def main() -> None:
    """Prints them in one line."""
    found = set()
    for file in sys.argv[1:]:
        for name in _NAME.findall(_NO_NAMES.sub(" ", Path(file).read_text("utf-8", "replace"))):
            found |= {"".join(name.split()), name.rstrip("( \t\n")}
    # <cassert> reads it anew each time that it is included, so a program's own include has what it asks for.
    print(*sorted(found - {"NDEBUG"}))


if __name__ == "__main__":
    main()
