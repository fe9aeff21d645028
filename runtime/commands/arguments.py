"""What is typed after `python -m runtime`, and the command that it is for."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from runtime.commands import check, run

_EPILOG = "Without a command it serves. Settings are EXECUTOR_* variables: docs/reference/settings.md."


def main(arguments: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m runtime", description="The code executor.", epilog=_EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "check",
        help="what this host enforces, and a program in each language",
        description="Says what this host enforces, runs a program in each language, and names a remedy for each gap. "
        "The exit code is 0 where the executor can serve, 1 where a language or the host fails, 2 for wrong settings, "
        "3 for a host that cannot isolate.",
    )
    running = commands.add_parser(
        "run",
        help="run a file in the sandbox",
        description="Runs a file as a submission is run, prints what it writes, and says why it ended. " + run.EXIT_CODES,
    )
    running.add_argument("file", metavar="FILE", help="the program; with several files the first is the main one")
    running.add_argument("others", metavar="FILE", nargs="*", help="files beside it")
    running.add_argument("--language", help="a name or alias; by the file's ending if not given")
    running.add_argument("--stdin", metavar="FILE", help="standard input; - for that of this command; none if not given")
    running.add_argument("--time-limit", type=float, metavar="SECONDS", help="CPU time")
    running.add_argument("--timeout", type=float, metavar="SECONDS", help="wall time")
    running.add_argument("--memory-limit-mb", type=float, metavar="MIB", help="memory limit")
    running.add_argument("--arg", action="append", default=[], metavar="WORD", help="an argument of the program; repeatable")
    options = parser.parse_args(arguments)
    try:
        return check.main() if options.command == "check" else run.main(options)
    except BrokenPipeError:
        # Whoever reads has seen enough; Python would complain at its end that the rest cannot be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
