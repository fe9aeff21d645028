"""`python -m benchmarks.preview`: how long the Pulumi program itself takes in a preview of each stack.

Each measurement is a process of its own, from its start to its end: the interpreter, the imports of Pulumi and of the
parts of azure-native that are used, and the program. The engine that it talks to is a double in another process, and the
clouds' answers come at once: what Azure, Docker and the Pulumi command add is not in the figure.
"""

import argparse
import statistics
import subprocess
import sys
import time

from devtools import stack_files
from devtools.azure_double import AzureDouble
from devtools.engine_double import EngineDouble

LIMIT_SECONDS = 3.0

PROGRAM = """
import runpy, sys
from devtools import stack_files
from devtools.engine_double import Target, run_program
address, stack = sys.argv[1:]
target = Target(address, stack_files.project()["name"], stack, preview=True)
program = lambda: runpy.run_path(str(stack_files.ROOT), run_name="__main__")
run_program(program, target, stack_files.stack_config(stack), [])
"""
"""What the measured process runs: what the language host of the Pulumi command does."""


def measure(stack: str) -> tuple[float, int]:
    """Gives the seconds that one preview took, and the number of resources that it declared."""
    engine = EngineDouble(AzureDouble(), preview=True)
    with engine.serving() as address:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", PROGRAM, address, stack], check=True)
        seconds = time.perf_counter() - start
    return seconds, len(engine.resources)


def main() -> int:
    """Prints a line for each stack, and answers 1 where a median is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="previews of each stack (5)")
    rounds = parser.parse_args().rounds
    slow = False
    print(
        f"{'stack':<10}{'resources':>10}{'median s':>10}{'slowest s':>11}   limit {LIMIT_SECONDS:g} s, {rounds} previews each"
    )
    for stack in stack_files.stacks():
        measured = [measure(stack) for _ in range(rounds)]
        seconds = [each[0] for each in measured]
        median = statistics.median(seconds)
        slow = slow or median > LIMIT_SECONDS
        print(f"{stack:<10}{measured[0][1]:>10}{median:>10.2f}{max(seconds):>11.2f}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
