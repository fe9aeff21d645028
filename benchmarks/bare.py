"""The bare side: unprotected processes, started and timed by a small process on this machine or in a container."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

PATH = "/usr/local/bin:/usr/bin:/bin"
# Runs in the place that is measured, so it has to be all in one. Its clock starts when it starts a process, and not when
# it is asked to.
_PROGRAM = """
import json, os, subprocess, sys, tempfile, time
# What a program gets inside: the surroundings of a shell must not slow one side.
environment = {"PATH": sys.argv[1], "HOME": "/tmp", "LANG": "C.UTF-8"}
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for line in sys.stdin:
        request = json.loads(line)
        for name, content in request["files"].items():
            with open(name, "w") as file:
                file.write(content)
        started = time.perf_counter()
        outputs, count, spent = set(), 0, 0.0
        while not count or spent < request["seconds"]:
            output = ""
            for command, given in request["steps"]:
                done = subprocess.run(command, env=environment, input=given, capture_output=True, text=True)
                output += done.stdout
                if done.returncode:
                    output += f"{command} ended with {done.returncode}: {done.stderr}"
            outputs.add(output)
            count += 1
            spent = time.perf_counter() - started
        print(json.dumps({"ms": spent * 1000 / count, "count": count, "output": "".join(outputs)}), flush=True)
"""
#: A command and what it reads.
Step = tuple[Sequence[str], str]


class Bare:
    """One such process; `within` is the command that enters the place, empty for this machine."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Takes over a running one."""
        self._process = process

    def run(self, steps: Sequence[Step], files: Mapping[str, str] | None = None) -> tuple[str, float]:
        """Writes `files`, runs the steps one after the other; what all printed, and how many milliseconds they took."""
        answer = self._ask({"steps": steps, "files": files or {}, "seconds": 0})
        return answer["output"], answer["ms"]

    def count(self, step: Step, output: str, seconds: float) -> int:
        """How often a step is done in so many seconds; raises RuntimeError where it once prints anything but `output`.

        The place is not entered in between, which costs as much as a process.
        """
        answer = self._ask({"steps": (step,), "files": {}, "seconds": seconds})
        if answer["output"] != output:
            raise RuntimeError(f"{step[0]}: expected {output!r}, got {answer['output']!r}")
        return int(answer["count"])

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if not self._process.stdin or not self._process.stdout:
            raise RuntimeError("the bare side has no pipes")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def has(self, program: str) -> bool:
        """Whether the place has it."""
        return self.run(((("sh", "-c", f"command -v {program} || true"), ""),))[0] != ""


@contextmanager
def bare(within: Sequence[str] = ()) -> Iterator[Bare]:
    """Starts it, and ends it."""
    python = "python3" if within else sys.executable
    process = subprocess.Popen(
        (*within, python, "-c", _PROGRAM, PATH), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        yield Bare(process)
    finally:
        process.communicate()
