"""When a program's interpreter ends at once, and when it takes itself apart: by what Python says of it to an earlier hook."""

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor
from runtime.execution.paths import BOOTSTRAP, RUNTIME_ROOT
from tests.warm.programs import run_cold, run_warm

# Runs before the program, as the origin of workers does it; the hook that is there first hears what Python does at its end.
_START = f"""
import os, sys
known = set(sys.modules)
def hear(event, arguments, write=os.write, output=os.dup(1)):
    if event == "cpython.PyInterpreterState_Clear":
        write(output, b"taken apart\\n")
sys.addaudithook(hear)
import gc
gc.collect()
own = gc.get_objects()
kinds = set(map(type, own))
gc.freeze()
sys.path[:0] = ({BOOTSTRAP!r}, {RUNTIME_ROOT!r})
import fast_exit
from runtime.execution import copy_on_write
names = fast_exit.arrange(gc, known, kinds)
gc.collect()
names["immortal"] = copy_on_write.make_immortal((*own, gc, *gc.get_objects()), gc)
del names, own
copy_on_write.hide((gc, *gc.get_objects()))
copy_on_write.hide(gc.get_objects())
del sys.path[:2]
for name in set(sys.modules) - known:
    del sys.modules[name]
"""

_PATH = {"PATH": os.environ["PATH"]}
AT_ONCE = {
    "nothing but output": "print(42)",
    "classes, instances and cycles": "class A:\n    def f(self): return 1\na = A(); a.me = a; b = [A()]",
    "a class with slots and one with a metaclass": (
        "import abc\nclass A(abc.ABC):\n    __slots__ = ('x',)\nclass M(type): pass\nclass B(metaclass=M): pass\nx = A(), B()"
    ),
    "modules of the standard library": (
        "import collections, bisect, heapq, itertools, math, random, re, json, functools\n"
        "import dataclasses, enum, datetime, decimal\n"
        "c = collections.Counter('aab'); d = collections.deque([1]); e = collections.defaultdict(list)\n"
        "r = re.compile('a+')\n"
        "@functools.lru_cache\ndef f(n): return n\nf(1); k = itertools.count(); w = datetime.datetime(2020, 1, 1)\n"
        "@dataclasses.dataclass\nclass P:\n    x: int\nclass C(enum.Enum):\n    A = 1\n"
        "p = P(1), C.A, decimal.Decimal(1), random.random()"
    ),
    "an exhausted generator": "def g():\n    yield 1\nlist(g())",
    "a caught error": "try: 1/0\nexcept ZeroDivisionError as error: kept = error",
    "output that waits": "import sys; sys.stdout.reconfigure(write_through=False); sys.stdout.write('waits')",
    "callbacks at exit": "import atexit; atexit.register(print, 'bye')",
    "a joined thread": "import threading; t = threading.Thread(target=print); t.start(); t.join()",
    "a closed file": "with open(__file__) as file: file.read()",
}
TAKEN_APART = {
    "an exit code": "raise SystemExit(3)",
    "an exit without its file name": "import sys\ndel __file__, __cached__\nsys.exit(3)",
    "an exit without any name": "import sys\nend = sys.exit\nglobals().clear()\n(lambda: 0).__globals__\nraise SystemExit(3)",
    "an uncaught error": "1/0",
    "an object that speaks": "class A:\n    def __del__(self): print('gone')\na = A()",
    "a number that speaks": "class A(int):\n    __slots__ = ()\n    def __del__(self): print('gone')\na = A()",
    "a class that learned to speak": "class A: pass\na = A()\nA.__del__ = lambda self: print('gone')",
    "a class that speaks": "class M(type):\n    def __del__(self): print('gone')\nclass A(metaclass=M): pass\na = A()",
    "an object of the interpreter's own that learned to speak": "type(exit).__del__ = lambda self: None",
    "a generator that waits": "def g():\n    try: yield 1\n    finally: print('closed')\nx = g(); next(x)",
    "a coroutine that nobody awaits": "async def c(): pass\nx = c()",
    "a file that was not closed": "import os; file = open(os.devnull, 'w'); file.write('kept')",
    "a weak reference": "import weakref\nclass A: pass\na = A(); r = weakref.ref(a, lambda _: print('called'))",
    "a flush of its own": "import sys; sys.stdout.flush = lambda: None; sys.stdout.write('waits')",
    "another output": "import io, os, sys; sys.stdout = io.TextIOWrapper(os.fdopen(1, 'wb')); print('waits')",
    "output of a C library": "import ctypes; ctypes.CDLL(None).printf(b'waits')",
    "a thread that is alive": "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
    "a hook of its own": "import sys; sys.addaudithook(lambda event, arguments: None)",
    "a profile": "import sys; sys.setprofile(lambda *_: None)",
    "a trace that prints": "import sys\ndef t(f, *_): print('call', f.f_code.co_name)\nsys.settrace(t)\n(lambda: 0)()",
    "a profile that prints": "import sys\nsys.setprofile(lambda f, e, _: print(e, f.f_code.co_name))\n(lambda: 0)()",
    "a weak reference that prints": "import weakref\nclass A: pass\na = A(); r = weakref.ref(a, lambda _: print('dead'))",
    "a weak reference to a function in C": "import weakref, os\nclass A: pass\na = A(); r = weakref.ref(a, os._exit)",
    "an exit whose names were taken away one by one": (
        "import sys\nend = sys.exit\nfor n in [n for n in globals() if n not in ('end', 'n')]: del globals()[n]\nend(3)"
    ),
    "warnings that are asked for": "import os, warnings; warnings.simplefilter('always'); s = os.scandir('.'); next(s)",
    "the collector": "import gc",
    "a module that is not one": "import sys; sys.modules['x'] = 3",
}


def _ended(code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    (folder / "sitecustomize.py").write_text(_START)
    (folder / "main.py").write_text(code)
    return subprocess.run(
        (sys.executable, "main.py"), cwd=folder, env={"PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1", **_PATH},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", AT_ONCE)
def test_an_interpreter_ends_at_once_where_nothing_could_be_noticed(tmp_path: Path, name: str) -> None:
    ended = _ended(AT_ONCE[name], tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "taken apart" not in ended.stdout


@pytest.mark.parametrize("name", TAKEN_APART)
def test_an_interpreter_takes_itself_apart_where_something_could_be_noticed(tmp_path: Path, name: str) -> None:
    assert "taken apart\n" in _ended(TAKEN_APART[name], tmp_path).stdout


@pytest.mark.parametrize("code", [*AT_ONCE.values(), *TAKEN_APART.values()], ids=[*AT_ONCE, *TAKEN_APART])
def test_a_program_ends_warm_as_it_ends_cold(executor: Executor, code: str) -> None:
    def run(send: Callable[[Executor, Mapping[str, Any]], dict[str, Any]], name: str) -> tuple[str, str, int]:
        answer = send(executor, {"language": "python", "files": [{"name": name, "content": code}]})
        error = answer["stderr"].replace(name, "MAIN").rpartition(" at 0x")[0] or answer["stderr"].replace(name, "MAIN")
        return answer["stdout"], error, answer["code"]

    assert run(run_warm, "main.py") == run(run_cold, "niam.py")


def test_what_a_program_leaves_open_is_written(executor: Executor) -> None:
    body = {"language": "python", "code": "file = open('left.txt', 'w')\nfile.write('kept')", "return_files": ["left.txt"]}
    answer = executor.post(body).json()
    assert base64.b64decode(answer["files"][0]["content"]) == b"kept"
