"""What is measured: each thing through the executor, and the same thing as bare, unprotected processes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.bare import Step

_CASES = 20
_JUDGED = "n = int(input())\nprint(n * n)"
_SPIN = "import time\nwhile time.process_time() < 0.2: pass\nprint(42)"
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


@dataclass(frozen=True)
class Workload:
    """One row. `body` and `files` get the number of the turn, so that a source can be new in each.

    `goal` is the ratio that is to be met, None where the row is there to compare. `steps` are the bare side's commands;
    `before` is what it needs once, outside of the measurement. `answer` takes what is compared from the executor's answer.
    """

    name: str
    goal: float | None
    needs: str
    body: Callable[[int], dict[str, Any]]
    steps: tuple[Step, ...]
    output: str = ANSWER
    answer: Callable[[dict[str, Any]], str] = lambda answer: str(answer["run"]["stdout"])
    files: Callable[[int], Mapping[str, str]] = field(default=lambda _: {})
    before: tuple[Step, ...] = ()
    #: One round of so many is worth it: slow rows get fewer.
    share: int = 1


def _hello(language: str, code: str) -> Callable[[int], dict[str, Any]]:
    return lambda _: {"language": language, "code": code}


def _judged(_: int) -> dict[str, Any]:
    cases = [{"id": str(n), "input": f"{n}\n", "expected_output": f"{n * n}\n"} for n in range(_CASES)]
    return {"language": "python", "code": _JUDGED, "test_cases": cases}


def _compiled(
    language: str,
    source: str,
    *,
    name: str,
    files: str,
    compiler: Sequence[str],
    run: Sequence[str],
    goals: Sequence[float | None],
    share: int = 1,
) -> tuple[Workload, Workload]:
    """The two rows of a language that is compiled: a source that is new each time, and one that was seen before."""

    def body(turn: int) -> dict[str, Any]:
        return {"language": language, "code": source % turn}

    def written(turn: int) -> dict[str, str]:
        return {files: source % turn}

    return (
        Workload(f"{name}, new source", goals[0], compiler[0], body, ((compiler, ""), (run, "")), files=written, share=share),
        Workload(f"{name}, seen before", goals[1], compiler[0], lambda _: body(-1), ((run, ""),),
                 files=lambda _: written(-1), before=((compiler, ""),), share=min(share, 2)),
    )  # fmt: skip


WORKLOADS = (
    Workload("Python hello", 0.20, "python3", _hello("python", "print(42)"), ((("python3", "-c", "print(42)"), ""),)),
    Workload("Node hello", 0.25, "node", _hello("javascript", "console.log(42)"),
             ((("node", "-e", "console.log(42)"), ""),)),
    Workload("bash hello", None, "bash", _hello("bash", "echo 42"), ((("bash", "-c", "echo 42"), ""),)),
    Workload("judge, 20 cases, Python", 0.30, "python3", _judged,
             tuple((("python3", "-c", _JUDGED), f"{n}\n") for n in range(_CASES)), share=4,
             output="".join(f"{n * n}\n" for n in range(_CASES)),
             answer=lambda answer: "".join(case["stdout"] for case in answer["test_results"] if case["passed"])),
    Workload("Python, 200 ms of CPU", 1.03, "python3", _hello("python", _SPIN), ((("python3", "-c", _SPIN), ""),), share=2),
    *_compiled("c", _C, name="C", files="main.c", compiler=("gcc", "-O2", "-std=gnu17", "-o", "main", "main.c", "-lm"),
               run=("./main",), goals=(1.15, 4.0)),
    *_compiled("cpp", _CPP, name="C++ bits/stdc++.h", files="main.cpp",
               # As it comes, which is C++17 and takes less time than what programs are compiled as.
               compiler=("g++", "-O2", "-o", "main", "main.cpp"), run=("./main",), goals=(0.35, 4.0), share=4),
    *_compiled("cpp", _CPP + "// And the same standard.\n", name="C++20 on both sides", files="main.cpp",
               compiler=("g++", "-O2", "-std=gnu++20", "-o", "main", "main.cpp"), run=("./main",), goals=(None, None),
               share=6)[:1],
    *_compiled("java", _JAVA, name="Java", files="Main.java",
               compiler=("javac", "-encoding", "UTF-8", "-d", ".", "Main.java"), run=("java", "-cp", ".", "Main"),
               goals=(0.50, 0.90), share=4),
)  # fmt: skip
