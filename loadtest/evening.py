"""`python -m loadtest.evening`: the evening before a contest, once where the app holds and twice where it does not.

The app is `loadtest.azure_stand_in`, and `executor-client rehearse` is what is played on it. The last time shows how well the
model forecasts the next burst, as the time before has fitted it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor_client.capacity import Scaling

from loadtest.azure_stand_in import running
from loadtest.replicas import MOST_REPLICAS

_FACTOR = 5.0
_MOST_CORES, _MOST_DEVIATION = 0.15, 0.10


@dataclass(frozen=True)
class Evening:
    """One evening: replicas that are kept warm, and seconds within which 95 % of the answers shall come."""

    name: str
    warm: int
    within: float
    holds: bool


def play(evening: Evening, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The report's JSON; raises RuntimeError where there is none."""
    scaling = Scaling(evening.warm, options.replicas, start_seconds=5.0)
    command = (
        sys.executable, "-m", "executor_client.command", "rehearse", "--arrival", "burst", "--languages", "python",
        "--users", str(options.users), "--questions", "2", "--work", "0.1", "--pace", str(options.pace),
        "--scaler-interval", f"{15 / _FACTOR:g}", "--warm", str(evening.warm), "--max", str(options.replicas),
        "--within", str(evening.within), "--deadline", "240", "--report", evening.name,
    )  # fmt: skip
    with running(scaling, time_factor=_FACTOR, image=options.image) as app:
        subprocess.run((*command, "--url", app.url), cwd=folder, env={"PATH": os.environ["PATH"]}, check=False)
    try:
        report: dict[str, Any] = json.loads((folder / f"{evening.name}.json").read_bytes())
    except OSError as error:
        raise RuntimeError(f"{evening.name}: there is no report: {error}") from error
    return report


def main() -> int:
    """Returns 0 where every report was right and both bounds were kept, 1 where not, 2 where it could not be run."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.evening", description=__doc__)
    parser.add_argument("--image", default="", help="of the replicas; processes of this checkout unless told")
    parser.add_argument("--replicas", type=int, default=20, help="at most")
    parser.add_argument("--users", type=int, default=500, help="each sends two submissions at one moment")
    parser.add_argument("--pace", type=float, default=0.5, help="seconds for which each program sleeps")
    parser.add_argument("--folder", type=Path, help="where the reports are written; a new one unless told")
    options = parser.parse_args()
    if not 4 <= options.replicas <= MOST_REPLICAS or options.users < 1:
        parser.error(f"--replicas must be from 4 to {MOST_REPLICAS}, and --users at least 1")
    folder = options.folder or Path(tempfile.mkdtemp(prefix="evening-"))
    # What all replicas need for all programs, each of which sleeps about one and a half times.
    least = 2 * options.users * options.pace * 1.5 / options.replicas
    evenings = (
        Evening("holds", options.replicas * 4 // 5, 6 * least + 10, holds=True),
        Evening("does-not", 1, least / 2, holds=False),
        Evening("does-not-again", 1, least / 2, holds=False),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # containers are taken down all the same
    try:
        reports = [play(evening, options, folder) for evening in evenings]
    except KeyboardInterrupt:
        print("The evening was stopped.", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"The evening could not be played: {error}", file=sys.stderr)
        return 2
    right = [_right(evening, report) for evening, report in zip(evenings, reports, strict=True)]
    cores = max(report["findings"]["client_cores"] for report in reports)
    print(f"\n{'':16}{'verdict':>32}{'lost':>6}{'wrong':>6}{'95 % (s)':>10}{'all (s)':>9}{'replicas':>10}{'requests':>10}")
    for evening, report in zip(evenings, reports, strict=True):
        found, waits = report["findings"], report["findings"]["waits"] or {"p95": 0, "most": 0}
        print(
            f"{evening.name:16}{report['verdict']['kind']:>32}{found['lost']:>6}{found['wrong']:>6}{waits['p95']:>10.1f}"
            f"{waits['most']:>9.1f}{len(found['replicas']):>10}{found['requests']:>10,}"
        )
    deviation = _deviation(reports[1], reports[2])
    print(f"The rehearsal itself used up to {cores:.0%} of one core, at most {_MOST_CORES:.0%} are allowed")
    print(
        f"The model as fitted forecast the next burst's last answer {deviation:+.0%} off, {_MOST_DEVIATION:.0%} are allowed"
    )
    print(f"Reports: {folder}")
    return 0 if all(right) and cores <= _MOST_CORES and abs(deviation) <= _MOST_DEVIATION else 1


def _right(evening: Evening, report: dict[str, Any]) -> bool:
    found = report["findings"]
    return not found["lost"] and not found["wrong"] and (report["verdict"]["kind"] == "holds") == evening.holds


def _deviation(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Of the forecast made of the first from the waits of the second; infinite where one of them was not played."""
    if not before["refitted"] or not after["findings"]["waits"]:
        return float("inf")
    forecast: float = before["refitted"]["waits"]["most"]
    return forecast / float(after["findings"]["waits"]["most"]) - 1


if __name__ == "__main__":
    sys.exit(main())
