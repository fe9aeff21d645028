"""The compile cache: bounded, least recently used out first, and a key that knows every difference."""

from runtime.execution.protocol import File
from runtime.judging.compile_cache import CompileCache, Compiled, key
from runtime.judging.submission import Status
from runtime.judging.verdicts import without_run

_STEP = without_run(Status.OK)


def _compiled(size: int) -> Compiled:
    return Compiled(_STEP, (File("main", memoryview(b"x" * size), executable=True),))


def test_the_key_knows_language_version_command_and_every_file() -> None:
    files = (File("a.c", memoryview(b"1")), File("b.h", memoryview(b"2")))
    keys = {
        key("c", "12", ("gcc", "-O2"), files),
        key("cpp", "12", ("gcc", "-O2"), files),
        key("c", "13", ("gcc", "-O2"), files),
        key("c", "12", ("gcc", "-O3"), files),
        key("c", "12", ("gcc", "-O2"), files[:1]),
        key("c", "12", ("gcc", "-O2"), (files[0], File("b.h", memoryview(b"3")))),
        key("c", "12", ("gcc", "-O2"), (File("a", memoryview(b".c1")), files[1])),
    }
    assert len(keys) == 7


def test_the_least_recently_used_goes_first_and_the_bytes_are_bounded() -> None:
    cache = CompileCache(100_000)
    for name in (b"a", b"b", b"c"):
        cache.put(name, _compiled(20_000))
    assert cache.get(b"a") is not None
    for name in (b"d", b"e"):
        cache.put(name, _compiled(20_000))
    assert [name for name in (b"a", b"b", b"c", b"d", b"e") if cache.get(name)] == [b"a", b"c", b"d", b"e"]
    cache.put(b"f", _compiled(20_000))
    assert cache.get(b"a") is None


def test_what_is_too_large_is_not_kept_and_nothing_is_kept_without_room() -> None:
    cache = CompileCache(100_000)
    cache.put(b"a", _compiled(50_000))
    assert cache.get(b"a") is None
    empty = CompileCache(0)
    empty.put(b"a", _compiled(1))
    assert empty.get(b"a") is None
