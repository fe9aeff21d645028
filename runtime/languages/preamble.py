"""Which header that was compiled ahead a C++ program can start with, without another meaning.

GCC takes one precompiled header, before the first token of a program and before anything that it would have read otherwise.
Programs begin with other headers, pragmas and macros. What only stands in the way is passed over here: the header that the
program includes anyway is put before all of it, by `-include`.
"""

import functools
import itertools
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

# Of each source so much is looked at: what comes later is no preamble.
_TEXT_CHARACTERS = 1 << 14
_COMMENT = re.compile(r"(?s)/\*.*?\*/|//[^\n]*")
_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*(\w+)[ \t]*(.*)")
_HEADER = re.compile(r"<([\w/.+]+)>")
_MACRO = re.compile(r"([A-Za-z_]\w*)(\()?")
# Pragmas for what comes after them: the functions of a header are compiled for the whole program's processor and level then,
# into which GCC takes them all the same.
_PRAGMA = re.compile(r"GCC[ \t]+(?:optimize|target|ivdep|unroll|diagnostic)\b|once\b|warning\b|comment\b")

# What begins with another header.
_WITHIN = {"bits/stdc++.h": ("bits/extc++.h",)}
# A header that many checkers bring, by what is in it: all of its functions are defined there, and few of them used. What it
# stands for here is the longest to read of what it includes.
_TESTLIB, _TESTLIB_GUARD, _TESTLIB_INCLUDES = "testlib.h", "#ifndef _TESTLIB_H_", "iostream"
_OWN_HEADER = re.compile(r'"([\w/.+-]+)"')
# Headers of C and C++, and GCC's own, which read the same in whatever order they come.
_STANDARD = (
    "algorithm any array atomic barrier bit bitset cassert ccomplex cctype cerrno cfenv cfloat charconv chrono cinttypes "
    "ciso646 climits clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal "
    "cstdalign cstdarg cstdbool cstddef cstdint cstdio cstdlib cstring ctgmath ctime cuchar cwchar cwctype deque "
    "exception execution expected filesystem format forward_list fstream functional future generator initializer_list "
    "iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource mutex new numbers "
    "numeric optional ostream print queue random ranges ratio regex scoped_allocator semaphore set shared_mutex "
    "source_location span spanstream sstream stack stacktrace stdexcept stdfloat stop_token streambuf string string_view "
    "strstream syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility "
    "valarray variant vector version assert.h ctype.h errno.h fenv.h float.h inttypes.h limits.h locale.h math.h "
    "setjmp.h signal.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h time.h wchar.h wctype.h "
    "bits/stdc++.h bits/extc++.h ext/pb_ds/assoc_container.hpp ext/pb_ds/tree_policy.hpp ext/pb_ds/hash_policy.hpp "
    "ext/pb_ds/priority_queue.hpp ext/pb_ds/trie_policy.hpp ext/rope ext/numeric immintrin.h x86intrin.h unistd.h "
    "sys/time.h sys/resource.h"
)

STANDARD = frozenset(_STANDARD.split())


class Header(msgspec.Struct, frozen=True):
    """One that was compiled ahead: what to include for it, what it stands for, and what it knows of macros.

    `again` is a folder in which the compiler looks for the header first when the program includes it, empty for none.
    `defined` are macros without a value that it was compiled with, `used` the names in it, each between spaces: another macro
    with such a name would change it, with a parenthesis after the name only where there is one.
    """

    path: str
    again: str
    name: str
    defined: frozenset[str]
    used: str


@functools.cache
def compiled_ahead(folder: str) -> tuple[Header, ...]:
    """What `gcc/precompile.sh` put into `folder`, the longest to read first, as its list says; nothing without a list."""
    try:
        lines = Path(folder, "headers").read_text("ascii").splitlines()
    except FileNotFoundError:
        return ()
    headers = []
    for path, name, defined, used in (line.split(" ", 3) for line in lines):
        place = f"{folder}/{path}"
        macros = frozenset(defined.strip(",").split(",")) - {""}
        headers.append(Header(place, _folder(f"{place}.again"), name, macros, f" {used} "))
    return tuple(headers)


def is_testlib(name: str, text: str) -> bool:
    """Whether a file is the testlib that checkers, interactors and validators are written with."""
    return name.rpartition("/")[2] == _TESTLIB and _TESTLIB_GUARD in text[:_TEXT_CHARACTERS]


def _folder(path: str) -> str:
    return path if Path(path).is_dir() else ""


def start_with(folders: Iterable[str], texts: Iterable[str], *, testlib: bool = False) -> tuple[str, ...]:
    """The compiler's words for the first header in `folders` that every one of these sources can start with, if there is one.

    A source that includes a header in its preamble can start with it, if all that stands before is of no matter to it.
    With `testlib` that header lies beside them.
    """
    preambles = [_preamble(text[:_TEXT_CHARACTERS], testlib=testlib) for text in texts]
    for header in itertools.chain.from_iterable(map(compiled_ahead, folders)):
        if preambles and all(_may_start_with(header, preamble) for preamble in preambles):
            return ("-include", header.path, *(("-isystem", header.again) if header.again else ()))
    return ()


def _may_start_with(header: Header, preamble: list[tuple[str, str]]) -> bool:
    missing = set(header.defined)
    for word, rest in preamble:
        if word == "include" and rest in (header.name, *_WITHIN.get(header.name, ())):
            return not missing
        if word == "define" and (macro := _MACRO.match(rest)):
            if rest in header.defined:
                missing.discard(rest)
            elif f" {macro[0]} " in header.used:
                return False
    return False


def _preamble(text: str, *, testlib: bool) -> list[tuple[str, str]]:
    """The directives at the start of a source, as far as they are of no matter to headers or can be judged."""
    found = []
    depth = 0
    for line in _COMMENT.sub(" ", text.replace("\\\r\n", " ").replace("\\\n", " ")).splitlines():
        if not line.strip(" \t\ufeff"):
            continue
        directive = _DIRECTIVE.fullmatch(line.lstrip("\ufeff"))
        word, rest = (directive[1], directive[2].strip()) if directive else ("", "")
        if word in ("if", "ifdef", "ifndef", "elif", "else", "endif", "undef"):
            depth += word.startswith("if") - (word == "endif")
        elif word == "include" and (header := _HEADER.fullmatch(rest)) and header[1] in STANDARD:
            # Under a condition, which is not looked at, it may not be included.
            found += [] if depth else [(word, header[1])]
        elif testlib and word == "include" and (own := _OWN_HEADER.match(rest)) and own[1].rpartition("/")[2] == _TESTLIB:
            found += [] if depth else [(word, _TESTLIB_INCLUDES)]
        elif (word == "define" and _MACRO.match(rest)) or (word == "pragma" and _PRAGMA.match(rest)):
            found.append((word, rest))
        else:
            break
    return found
