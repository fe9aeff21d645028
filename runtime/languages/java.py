"""What javac asks of a source file's name, and which of the classes that a compiler made is the one to start."""

import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import msgspec

# The server itself looks through a stranger's text and classes; what comes later is not looked at.
_TEXT_CHARACTERS = 1 << 19
_CLASS_BYTES = 1 << 20
_MOST_ANCESTORS = 64

# Comments and texts. Each takes what is unfinished up to the end of the line or text, and no text takes more than one pass.
_NO_CODE = re.compile(
    r"(?s)/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/)?+|//[^\n]*+"
    r'|"""[^"\\]*+(?:(?:\\.|"(?!""))[^"\\]*+)*+(?:""")?+|"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"?+'
    r"|'[^'\\\n]*+(?:\\[^\n][^'\\\n]*+)*+'?+"
)
_TYPE = re.compile(r"(?<![\w.$])(?:class|interface|enum|record)\s++([\w$]++)")
_OUTSIDE = re.compile(r"[{}();]|(?<![\w.$])(?:public(?![\w$])|main\s*+\(|(?:class|interface|enum|record)\s++([\w$]++))")

# From the Java Virtual Machine Specification, 4.1, 4.4 and 4.6.
_MAGIC = 0xCAFEBABE
_UTF8, _CLASS = 1, 7
_TWICE = (5, 6)
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
_PUBLIC, _PRIVATE, _STATIC, _INTERFACE, _ABSTRACT = 0x1, 0x2, 0x8, 0x200, 0x400
# Of Java 25, the first whose launcher starts a main method that is not public, not static or without arguments (JEP 512).
_FREE_MAIN = 69
_WITH_ARGUMENTS, _WITHOUT = "([Ljava/lang/String;)V", "()V"


def source_name(name: str, text: str) -> str:
    """How a source file that was sent as `name` has to be called for javac: after its public class, where it has one."""
    path = PurePosixPath(name)
    public, is_class = _outermost(_code(text))
    if is_class:
        public = "" if path.stem.isidentifier() else "Main"
    return str(path.with_name(f"{public}.java")) if public else name


def _code(text: str) -> str:
    # A comment separates words, and what follows it may begin a line.
    return _NO_CODE.sub("\n", text[:_TEXT_CHARACTERS])


def _outermost(code: str) -> tuple[str, bool]:
    """The public type outside of every other one, and whether the file is itself a class, with main outside of all."""
    depth = 0
    is_public = False
    found = ""
    for match in _OUTSIDE.finditer(code):
        word = match[0]
        if word.startswith("main") and depth == 0:
            return "", True
        if word[-1] in "{(":
            depth += 1
            is_public = is_public and word == "("
        elif word in ("}", ")"):
            depth = max(0, depth - 1)
        elif depth == 0:
            if match[1] and is_public and not found:
                found = match[1]
            is_public = word == "public"
    return found, False


class _Class(msgspec.Struct):
    """What a class file says of a class; names as the launcher takes them, with dots."""

    name: str
    access: int
    above: tuple[str, ...]
    #: Of main methods and of the constructor without arguments: name with descriptor, and access.
    methods: dict[str, int]
    version: int

    @property
    def is_nested(self) -> bool:
        return "$" in self.name

    @property
    def simple(self) -> str:
        return self.name.rpartition(".")[2]


def main_class(classes: Iterable[tuple[str, memoryview]], name: str, text: str) -> str:
    """The class to start of those in `classes`, which are pairs of a file's name and its content.

    Of those that have a main method: the one with the name of the main source file `name`, else the public one, else the
    first in its text. Where none has one, the class that a reader would take for the program, for the launcher to say so.
    """
    order = {match[1]: match.start() for match in reversed(list(_TYPE.finditer(_code(text))))}
    stem = PurePosixPath(name).stem
    stems = (stem, _file_class(stem))

    def rank(found: _Class) -> tuple[object, ...]:
        inner = re.split(r"[.$]", found.name)[-1]
        return (
            found.is_nested,
            found.simple not in stems,
            not found.access & _PUBLIC,
            order.get(inner, len(text)),
            found.name,
        )

    known = {found.name: found for found in _read_all(classes, stems)}
    ranked = sorted(known.values(), key=rank)
    starts = next((found for found in ranked if _can_start(found, known)), ranked[0] if ranked else None)
    return starts.name if starts else stem


def _file_class(stem: str) -> str:
    """What Kotlin calls the class of a file's own functions."""
    name = re.sub(r"\W", "_", stem)
    return f"{'_' if name[:1].isdigit() else ''}{name[:1].upper()}{name[1:]}Kt"


def _read_all(classes: Iterable[tuple[str, memoryview]], stems: tuple[str, ...]) -> Iterator[_Class]:
    """Those that can be read, the most promising first, as many as the server looks at."""

    def unlikely(file: tuple[str, memoryview]) -> tuple[bool, bool, int, str]:
        stem = PurePosixPath(file[0]).stem
        return "$" in stem, stem not in stems, len(file[1]), file[0]

    left = _CLASS_BYTES
    for _, content in sorted(classes, key=unlikely):
        left -= len(content)
        if left < 0:
            return
        if found := _read(content):
            yield found


def _can_start(found: _Class, known: dict[str, _Class]) -> bool:
    """Whether the launcher finds a main method in it, or in what it inherits from."""
    constructor = found.methods.get("<init>()V")
    may_be_made = not found.access & (_INTERFACE | _ABSTRACT) and constructor is not None and not constructor & _PRIVATE
    free = found.version >= _FREE_MAIN
    waiting = [found.name]
    seen: set[str] = set()
    while waiting and len(seen) < _MOST_ANCESTORS:
        each = known.get(waiting.pop())
        if each is None or each.name in seen:
            continue
        seen.add(each.name)
        waiting += each.above
        for descriptor in (_WITH_ARGUMENTS, _WITHOUT):
            access = each.methods.get("main" + descriptor)
            if access is None or (each is not found and each.access & _INTERFACE and access & _STATIC):
                continue
            if access & _PUBLIC and access & _STATIC and descriptor == _WITH_ARGUMENTS:
                return True
            if free and not access & _PRIVATE and (access & _STATIC or may_be_made):
                return True
    return False


def _read(content: memoryview) -> _Class | None:
    """What a class file says; None where it is none, or no class of a program."""
    try:
        return _parse(content)
    except (struct.error, LookupError, ValueError):
        return None


def _parse(content: memoryview) -> _Class | None:
    magic, _, version, count = struct.unpack_from(">IHHH", content)
    if magic != _MAGIC:
        return None
    texts: dict[int, bytes] = {}
    names: dict[int, int] = {}
    at, index = 10, 1
    while index < count:
        tag = content[at]
        if tag == _UTF8:
            (length,) = struct.unpack_from(">H", content, at + 1)
            texts[index] = bytes(content[at + 3 : at + 3 + length])
            at += 3 + length
        else:
            if tag == _CLASS:
                (names[index],) = struct.unpack_from(">H", content, at + 1)
            at += 1 + _SIZES[tag]
        index += 2 if tag in _TWICE else 1

    def name_of(place: int) -> str:
        return texts[names[place]].decode().replace("/", ".")

    access, this, parent, interfaces = struct.unpack_from(">4H", content, at)
    above = struct.unpack_from(f">{interfaces}H", content, at + 8)
    at = _skip_fields(content, at + 8 + 2 * interfaces)
    if not parent:  # a module's description
        return None
    methods = {}
    (count,) = struct.unpack_from(">H", content, at)
    at += 2
    for _ in range(count):
        flags, name, descriptor = struct.unpack_from(">3H", content, at)
        if texts[name] in (b"main", b"<init>"):
            methods[(texts[name] + texts[descriptor]).decode()] = flags
        at = _skip_attributes(content, at + 6)
    return _Class(name_of(this), access, (name_of(parent), *map(name_of, above)), methods, version)


def _skip_fields(content: memoryview, at: int) -> int:
    (count,) = struct.unpack_from(">H", content, at)
    at += 2
    for _ in range(count):
        at = _skip_attributes(content, at + 6)
    return at


def _skip_attributes(content: memoryview, at: int) -> int:
    (count,) = struct.unpack_from(">H", content, at)
    at += 2
    for _ in range(count):
        (length,) = struct.unpack_from(">I", content, at + 2)
        at += 6 + length
    return at
