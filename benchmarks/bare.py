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
        output = ""
        for command, given in request["steps"]:
            done = subprocess.run(command, env=environment, input=given, capture_output=True, text=True)
            output += done.stdout
            if done.returncode:
                output += f"{command} ended with {done.returncode}: {done.stderr}"
        answer = {"ms": (time.perf_counter() - started) * 1000, "output": output}
        print(json.dumps(answer), flush=True)
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
        if not self._process.stdin or not self._process.stdout:
            raise RuntimeError("the bare side has no pipes")
        self._process.stdin.write(json.dumps({"steps": steps, "files": files or {}}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer["output"], answer["ms"]

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
