"""`python -m infra.cost`: what a contest has cost, from the figures of the deployment, beside the estimate before."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from infra.contests import Contest
from infra.cost.figures import Figures, FiguresError, ask, read, subscription
from infra.pricing import Window, load_rates, replica_hour
from infra.settings import DECLARATIONS, AppSettings, SettingsError
from infra.settings.apps import ImageSettings, SizeSettings, read_apps
from infra.settings.foundation import FoundationSettings
from infra.settings.kinds import read_group
from infra.settings.reader import ConfigReader
from infra.settings.scaling import ScalingSettings, find_contest

PROJECT = "code-executor"


class CostError(Exception):
    """The cost cannot be counted; the message says why and what to do."""


@dataclass(frozen=True)
class Stack:
    """What of a stack's settings decides its cost."""

    group: str
    apps: tuple[AppSettings, ...]
    scaling: ScalingSettings
    reader: ConfigReader


@dataclass(frozen=True)
class Counted:
    """An app and its figures."""

    app: AppSettings
    figures: Figures

    @property
    def bounds(self) -> tuple[float, float]:
        """The cost at least, where the least number of replicas is idle, and at most, where all work."""
        idle, active = (
            replica_hour(self.app.cpu, self.app.memory_gib, load_rates(), active=works) for works in (False, True)
        )
        resting = self.figures.hours_below(self.app.min_replicas)
        return resting * idle + (self.figures.hours - resting) * active, self.figures.hours * active


def main(arguments: Sequence[str]) -> int:
    """Returns 0, 1 where there is nothing to count from, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m infra.cost", description=__doc__)
    add = parser.add_argument
    add("--contest", help="name of the contest in the stack's settings")
    add("--stack", default="contest", help="the stack that owns the app (contest)")
    add("--from", dest="begin", type=_moment, help="such as 2026-03-14T08:40-04:00, in the place of the contest's own times")
    add("--to", dest="end", type=_moment, help="likewise")
    add("--file", type=Path, help="figures that `az monitor metrics list` printed, instead of asking Azure")
    options = parser.parse_args(arguments)
    # What the library for logins logs is in our own message as well.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    if options.contest is None and (options.begin is None or options.end is None):
        parser.error("name --contest, or both --from and --to")
    try:
        stack = _stack(options.stack)
        contest = None if options.contest is None else _contest(stack, options.contest, options.stack)
        begin, end = _times(options.begin, options.end, contest, stack.scaling)
        if options.file is not None and len(stack.apps) > 1:
            raise CostError(f"--file has one app's figures, and {options.stack} has {len(stack.apps)} apps")
        counted = [Counted(app, _figures(stack, app, begin, end, options.file)) for app in stack.apps]
    except (CostError, FiguresError) as error:
        print(f"cost: {error}", file=sys.stderr)
        return 1
    _show(counted, begin, end, contest, stack.scaling)
    return 0


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} must be a time such as 2026-03-14T08:40-04:00") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text} has no time zone: write its offset as well, such as {text}-04:00 or {text}Z"
        )
    return moment


def _stack(name: str) -> Stack:
    file = Path(f"Pulumi.{name}.yaml")
    try:
        config = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("config") or {}
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise CostError(f"the stack {name} has no settings that can be read: {file}: {_reason(error)}") from None
    defaults = {declared.key: _text(declared.default) for declared in DECLARATIONS if declared.default is not None}
    own = {key.removeprefix(f"{PROJECT}:"): _text(value) for key, value in config.items()}
    reader = ConfigReader({**defaults, **own})
    size, image = read_group(SizeSettings, reader), read_group(ImageSettings, reader)
    group = read_group(FoundationSettings, reader).resource_group_name
    apps = read_apps(reader, reader.raw("appName"), image, size)
    stack = Stack(group, apps, read_group(ScalingSettings, reader), reader)
    if reader.problems:
        raise CostError(str(SettingsError(reader.problems)))
    return stack


def _text(value: Any) -> str:  # noqa: ANN401 - whatever YAML has
    return value if isinstance(value, str) else json.dumps(value)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0]


def _contest(stack: Stack, name: str, stack_name: str) -> Contest:
    found, names = find_contest(stack.reader, name)
    if stack.reader.problems:
        raise CostError(str(SettingsError(stack.reader.problems)))
    if found is None:
        known = f"it knows {', '.join(names)}" if names else "it has none"
        raise CostError(
            f"the stack {stack_name} has no contest {name}: {known}. Where it was taken out, say when it was: --from and --to"
        )
    return found


def _times(
    begin: datetime | None, end: datetime | None, contest: Contest | None, scaling: ScalingSettings
) -> tuple[datetime, datetime]:
    """Gives what is counted: the contest with its prewarming, and the time that replicas take to go, unless told."""
    if contest is not None:
        begin = begin or contest.start.astimezone(UTC) - scaling.prewarm
        end = end or contest.end.astimezone(UTC) + timedelta(seconds=scaling.cooldown_seconds)
    assert begin is not None  # noqa: S101 - the command has asked for them
    assert end is not None  # noqa: S101 - likewise
    now = datetime.now(UTC)
    if end <= begin:
        raise CostError(f"it ends at {end:%Y-%m-%d %H:%M %Z}, before it begins at {begin:%Y-%m-%d %H:%M %Z}")
    if begin >= now:
        raise CostError(
            f"it begins at {begin:%Y-%m-%d %H:%M %Z}, and it is {now:%Y-%m-%d %H:%M} UTC here: nothing has cost yet"
        )
    return begin.astimezone(UTC), min(end.astimezone(UTC), now)


def _figures(stack: Stack, app: AppSettings, begin: datetime, end: datetime, file: Path | None) -> Figures:
    if file is not None:
        return read(file, begin, end)
    group = f"/subscriptions/{subscription()}/resourceGroups/{stack.group}"
    return ask(f"{group}/providers/Microsoft.App/containerApps/{app.name}", begin, end)


def _show(
    counted: Sequence[Counted], begin: datetime, end: datetime, contest: Contest | None, scaling: ScalingSettings
) -> None:
    rates = load_rates()
    print(f"From {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, in {rates.currency} (rates of {rates.date}):\n")
    print(f"  {'app':<34}{'replica hours':>14}{'at most':>9}{'minutes':>9}{'cost':>16}")
    for each in counted:
        low, high = each.bounds
        figures = each.figures
        minutes = f"{len(figures.replicas)}/{figures.minutes}"
        print(f"  {each.app.name:<34}{figures.hours:>14.1f}{figures.most:>9}{minutes:>9}{f'{low:.2f} - {high:.2f}':>16}")
    low, high = (sum(each.bounds[place] for each in counted) for place in (0, 1))
    print(
        f"\nCost: {low:.2f} to {high:.2f} {rates.currency}; the less of it, the more the replicas of minReplicas were idle."
    )
    if contest is not None:
        window = Window(contest.replicas, (contest.end - contest.start + scaling.prewarm) / timedelta(hours=1))
        before = sum(
            window.hours
            * max(window.replicas, each.app.min_replicas)
            * replica_hour(each.app.cpu, each.app.memory_gib, rates, active=True)
            for each in counted
        )
        print(
            f"Estimated before: {before:.2f} {rates.currency}, for {contest.replicas} replicas of each app over "
            f"{window.hours:.1f} hours, prewarming included. Counted: {high / before:.0%} of it at most."
        )
    missing = [each for each in counted if len(each.figures.replicas) < each.figures.minutes]
    if missing:
        print("Minutes without a figure count as none: an app without replicas has none, and the newest come late.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
