"""The options of `executor-client rehearse`; what they do is loaded when it is asked for."""

import argparse
from pathlib import Path


def add_to(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Adds the command and gives its parser."""
    parser = actions.add_parser("rehearse", help="play a contest with real programs, and say whether the app holds")
    add = parser.add_argument
    add("--url", default=argparse.SUPPRESS, help="the executor's URL; EXECUTOR_URL unless told")
    add(
        "--deadline",
        type=float,
        default=argparse.SUPPRESS,
        help="seconds after which an answer counts as lost; 120 unless told",
    )
    add("--package", type=Path, nargs="+", default=[], metavar="DIR", help="problem packages; built-in programs unless told")
    add("--users", type=int, default=500)
    add("--questions", type=int, default=2, help="submissions of each user")
    add("--arrival", default="contest", help="contest (default), burst, or a file with seconds, one on each line")
    add("--minutes", type=float, default=10.0, help="over which a contest's submissions come")
    add("--within", type=float, default=60.0, help="seconds within which 95 %% of the answers shall come")
    add("--languages", default="", help="of the built-in programs, separated by commas; all that the app has unless told")
    add("--work", type=float, default=1.0, help="scales the built-in programs' CPU time; 1 is a twentieth of a second")
    add("--pace", type=float, default=0.0, help="seconds that built-in programs sleep, where replicas share cores")
    add("--warm", type=int, help="the app's minReplicas; those that were there before the start unless told")
    add("--max", type=int, default=200, help="replicas at most, by maxReplicas and the quota")
    add("--concurrent-requests", type=int, default=1, help="concurrentRequests of the app's scale rule")
    add("--scaler-interval", type=float, default=15.0, help="seconds between two decisions of the app's scaler")
    add("--replica-hour", type=float, default=0.054, help="what a replica costs in an hour")
    add("--contest-hours", type=float, default=2.0, help="length of the contest, for its cost")
    add("--ask-above", type=float, default=2.0, help="ask before a rehearsal that is expected to cost more")
    add("--yes", action="store_true", help="agree to any cost")
    add("--report", default="rehearsal", help="where the report goes: NAME.html and NAME.json")
    return parser
