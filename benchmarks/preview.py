"""`python -m benchmarks.preview`: how long the Pulumi program itself takes in a preview of each stack.

Each measurement is a process of its own, from its start to its end: the interpreter, the imports of Pulumi and of the
parts of azure-native that are used, and the program. The engine that it talks to is a double in another process, and the
clouds' answers come at once: what Azure, Docker and the Pulumi command add is not in the figure.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from devtools import stack_files
from devtools.azure_double import AzureDouble, live_app
from devtools.cloud_file import CloudFile
from devtools.engine_double import EngineDouble
from devtools.resource_manager_double import resource_manager
from infra.live_apps import named_apps

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


def measure(stack: str, variables: Mapping[str, str]) -> tuple[float, int]:
    """Gives the seconds that one preview took with these variables, and the number of resources that it declared."""
    named = named_apps(stack_files.ROOT, stack_files.project()["name"])
    cloud = AzureDouble(apps={app.name: live_app(app.name) for app in named})
    cloud.state = ("urn:pulumi:x::code-executor::azure-native:app:ContainerApp::executor-app",)
    engine = EngineDouble(cloud, preview=True)
    with engine.serving() as address:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", PROGRAM, address, stack], check=True, env={**os.environ, **variables})
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
    with tempfile.TemporaryDirectory() as folder, resource_manager(CloudFile(Path(folder) / "cloud.json")) as variables:
        for stack in stack_files.stacks():
            measured = [measure(stack, variables) for _ in range(rounds)]
            seconds = [each[0] for each in measured]
            median = statistics.median(seconds)
            slow = slow or median > LIMIT_SECONDS
            print(f"{stack:<10}{measured[0][1]:>10}{median:>10.2f}{max(seconds):>11.2f}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
