"""What a process that forks interpreters does so that they share its memory, and that its objects behave all the same."""

import json
import subprocess
import sys

import pytest

from runtime.execution.paths import RUNTIME_ROOT

_START = f"""
import gc, json, os, sys
sys.path[:0] = ({RUNTIME_ROOT!r},)
from runtime.execution import copy_on_write
"""


def told_by(code: str) -> dict[str, int]:
    """What an interpreter of its own prints, as JSON."""
    done = subprocess.run([sys.executable, "-c", _START + code], capture_output=True, text=True, check=True)
    answer: dict[str, int] = json.loads(done.stdout)
    return answer


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python counts all references before 3.12")
def test_what_was_there_is_not_counted_any_more_and_what_comes_is() -> None:
    found = told_by("""
class Old: pass
old, inner = Old(), ["an element"]
old.list = inner
copy_on_write.make_immortal([old], gc)
def counted(thing):
    before = sys.getrefcount(thing)
    again = [thing] * 10
    return sys.getrefcount(thing) - before
print(json.dumps({"old": counted(old), "reached": counted(inner), "its class": counted(Old), "new": counted(Old())}))
""")
    assert found == {"old": 0, "reached": 0, "its class": 0, "new": 10}


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python has objects that it does not count")
def test_where_every_reference_is_counted_nothing_is_changed() -> None:
    found = told_by("""
old = ["an element"]
before = sys.getrefcount(old)
copy_on_write.make_immortal([old], gc)
print(json.dumps({"more": sys.getrefcount(old) - before}))
""")
    assert found == {"more": 0}


def test_what_is_made_after_the_gaps_are_filled_lies_together() -> None:
    found = told_by("""
import random
def pages(blocks):
    return len({id(block) >> 12 for block in blocks})
# Every second of many small and large blocks is freed, in any order.
blocks = [bytes(size) for size in (100, 300, 700) for _ in range(600)]
random.Random(5).shuffle(blocks)
del blocks[::2]
scattered = [bytes(size) for size in (100, 300, 700) for _ in range(40)]
before = pages(scattered)
del scattered
taken = copy_on_write.fill_gaps()
together = [bytes(size) for size in (100, 300, 700) for _ in range(40)]
print(json.dumps({"before": before, "after": pages(together)}))
""")
    assert found["after"] < 0.7 * found["before"]


def test_a_forked_process_has_its_own_copies_of_pages_and_not_a_byte_differs() -> None:
    found = told_by("""
import ctypes
size = 64 * copy_on_write._PAGE
memory = ctypes.create_string_buffer(os.urandom(size + copy_on_write._PAGE), size + copy_on_write._PAGE)
first = -(-ctypes.addressof(memory) // copy_on_write._PAGE) * copy_on_write._PAGE
places = range(first, first + size, 2 * copy_on_write._PAGE)
gone = [8 << 40]  # mapped nowhere
pages = copy_on_write.Pages([*places, *gone])
reader, writer = os.pipe()
if os.fork() == 0:
    before = set(places) & set(copy_on_write.pages_of_its_own())
    content = memory.raw
    pages.copy()
    after = set(range(first, first + size, copy_on_write._PAGE)) & set(copy_on_write.pages_of_its_own())
    answer = {"count": len(pages._places), "before": len(before), "after": len(after), "same": memory.raw == content}
    os.write(writer, json.dumps(answer).encode())
    os._exit(0)
print(os.read(reader, 4096).decode())
""")
    assert found == {"count": 32, "before": 0, "after": 32, "same": True}
