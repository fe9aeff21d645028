"""What is measured: each thing through the executor, and the same thing as bare, unprotected processes."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PATH = "/usr/local/bin:/usr/bin:/bin"
# What a program gets inside: the surroundings of this shell must not slow one side.
_ENVIRONMENT = {"PATH": _PATH, "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108
_CASES = 20
_JUDGED = "n = int(input())\nprint(n * n)"
_SPIN = "import time\nwhile time.process_time() < {seconds}: pass\nprint(42)"
_SPIN_SECONDS = 0.2
_C = '#include <stdio.h>\nint main(void) { puts("42"); }\n// %d\n'
_CPP = """#include <bits/stdc++.h>
int main() {
    std::map<std::string, std::vector<int>> seen{{"answer", {40, 2}}};
    std::cout << std::accumulate(seen["answer"].begin(), seen["answer"].end(), 0) << std::endl;
}
// %d
"""
_JAVA = "public class Main { public static void main(String[] words) { System.out.println(42); } }\n// %d\n"
ANSWER = "42\n"


def spawn(command: Sequence[str], folder: Path, given: str = "") -> str:
    """What a command prints that is run bare, in `folder`. Raises CalledProcessError where it fails."""
    done = subprocess.run(
        command, cwd=folder, env=_ENVIRONMENT, input=given, stdout=subprocess.PIPE, text=True, check=True
    )  # fmt: skip
    return done.stdout


def installed(program: str) -> str | None:
    """Where a program is that both sides would start."""
    return shutil.which(program, path=_PATH)


@dataclass(frozen=True)
class Workload:
    """One row. `body` and `bare` get the number of the turn, so that a source can be new in each.

    `prepare` makes the folder ready in which the bare side runs. `goal` is the ratio that is to be met, None where the
    row is there to compare. `bare` raises where its answer is not the right one; `answer` takes it from the executor's.
    """

    name: str
    goal: float | None
    needs: str
    body: Callable[[int], dict[str, Any]]
    bare: Callable[[int, Path], str]
    answer: Callable[[dict[str, Any]], str] = lambda answer: str(answer["run"]["stdout"])
    prepare: Callable[[Path], object] = lambda _: None
    #: Of how many rounds one is worth it: slow rows get fewer.
    share: int = 1


def _hello(language: str, code: str) -> Callable[[int], dict[str, Any]]:
    return lambda _: {"language": language, "code": code}


def _new(language: str, source: str) -> Callable[[int], dict[str, Any]]:
    return lambda turn: {"language": language, "code": source % turn}


def _compile_and_run(file: str, source: str, compiler: Sequence[str], run: Sequence[str]) -> Callable[[int, Path], str]:
    def bare(turn: int, folder: Path) -> str:
        (folder / file).write_text(source % turn)
        spawn(compiler, folder)
        return spawn(run, folder)

    return bare


def _judged_bare(_: int, folder: Path) -> str:
    for number in range(_CASES):
        if spawn(("python3", "-c", _JUDGED), folder, f"{number}\n") != f"{number * number}\n":
            raise RuntimeError("the bare side gave a wrong answer")
    return ANSWER


def _judged(_: int) -> dict[str, Any]:
    cases = [{"id": str(n), "input": f"{n}\n", "expected_output": f"{n * n}\n"} for n in range(_CASES)]
    return {"language": "python", "code": _JUDGED, "test_cases": cases}


_GCC = ("gcc", "-O2", "-std=gnu17", "-o", "main", "main.c", "-lm")
_GXX = ("g++", "-O2", "-std=gnu++20", "-o", "main", "main.cpp")
_JAVAC = ("javac", "-encoding", "UTF-8", "-d", ".", "Main.java")
_JVM = ("java", "-cp", ".", "Main")


def _built(file: str, source: str, compiler: Sequence[str]) -> Callable[[Path], object]:
    def prepare(folder: Path) -> str:
        (folder / file).write_text(source % -1)
        return spawn(compiler, folder)

    return prepare


_EVERY = (
    Workload("Python hello", 0.20, "python3", _hello("python", "print(42)"),
             lambda _, folder: spawn(("python3", "-c", "print(42)"), folder)),
    Workload("Node hello", 0.12, "node", _hello("javascript", "console.log(42)"),
             lambda _, folder: spawn(("node", "-e", "console.log(42)"), folder)),
    Workload("bash hello", None, "bash", _hello("bash", "echo 42"),
             lambda _, folder: spawn(("bash", "-c", "echo 42"), folder)),
    Workload("judge, 20 cases, Python", 0.30, "python3", _judged, _judged_bare,
             lambda answer: ANSWER if answer["passed"] == _CASES else str(answer), share=4),
    Workload("Python, 200 ms of CPU", 1.03, "python3", _hello("python", _SPIN.format(seconds=_SPIN_SECONDS)),
             lambda _, folder: spawn(("python3", "-c", _SPIN.format(seconds=_SPIN_SECONDS)), folder), share=2),
    Workload("C, new source", 1.15, "gcc", _new("c", _C), _compile_and_run("main.c", _C, _GCC, ("./main",))),
    Workload("C, seen before", 4.0, "gcc", _hello("c", _C % -1), lambda _, folder: spawn(("./main",), folder),
             prepare=_built("main.c", _C, _GCC)),
    Workload("C++ bits/stdc++.h, new source", 0.35, "g++", _new("cpp", _CPP),
             _compile_and_run("main.cpp", _CPP, _GXX, ("./main",)), share=4),
    Workload("C++, seen before", 4.0, "g++", _hello("cpp", _CPP % -1), lambda _, folder: spawn(("./main",), folder),
             prepare=_built("main.cpp", _CPP, _GXX)),
    Workload("Java, new source", 0.50, "javac", _new("java", _JAVA),
             _compile_and_run("Main.java", _JAVA, _JAVAC, _JVM), share=4),
    Workload("Java, seen before", 0.90, "java", _hello("java", _JAVA % -1), lambda _, folder: spawn(_JVM, folder),
             prepare=_built("Main.java", _JAVA, _JAVAC), share=2),
)  # fmt: skip


def workloads(languages: set[str]) -> list[Workload]:
    """Those whose toolchain this machine has, and whose language the executor speaks."""
    return [row for row in _EVERY if installed(row.needs) and row.body(0)["language"] in languages]
