"""The command `executor-client replay`: judges a submission once more, as it was judged, and says whether the verdict holds.

What it reads is what a backend keeps for appeals: a JSON object with `request`, the body that it sent, and `answer`, the
judged answer, whose `record` says under which circumstances it came about.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from executor_client.errors import ConfigurationError, InvalidRequestError
from executor_client.sync import ExecutorClient

_CIRCUMSTANCES = ("source", "problem", "image", "language", "limits", "walls", "seed")


class Kept(msgspec.Struct, frozen=True):
    """What a backend keeps of a judged submission: what it sent and what came back, each as it was."""

    request: dict[str, Any]
    answer: dict[str, Any]

    @property
    def record(self) -> dict[str, Any]:
        """The circumstances; empty where there are none."""
        found = self.answer.get("record")
        return found if isinstance(found, dict) else {}


def add_to(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Adds the command and gives its parser."""
    parser = actions.add_parser("replay", help="judge a submission again, and say whether its verdict holds")
    parser.add_argument("--url", default=argparse.SUPPRESS, help="the executor's URL; EXECUTOR_URL unless told")
    parser.add_argument("record", type=Path, help="JSON: {request, answer}, what was sent and what came back")
    return parser


def read(path: Path) -> Kept:
    """Raises ConfigurationError for what is no such record."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Kept)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path} is not {{request, answer}}: {error}") from error
    if "test_results" not in kept.answer:
        raise ConfigurationError(f"{path}: answer is not a judged one: it has no test_results")
    if not isinstance(kept.record.get("seed"), int):
        raise ConfigurationError(f"{path}: answer.record has no seed: the executor that gave it is too old to be replayed")
    return kept


def main(options: argparse.Namespace, client: ExecutorClient) -> int:
    """Returns 0 where the verdict holds, 1 where it is another one; raises errors of the client."""
    kept = read(options.record)
    try:
        again = client.send({**kept.request, "seed": kept.record["seed"]})
    except InvalidRequestError as error:
        if any(each.field == "seed" for each in error.errors):
            raise ConfigurationError("the executor takes no seed: it is older than the record") from error
        raise
    console = Console()
    table = Table("", "then", "now")
    for name, then, now in differences(kept.answer, again):
        table.add_row(name, then, now, style="red")
    changed = [*circumstances(kept.record, again.get("record") or {})]
    for name, then, now in changed:
        table.add_row(name, then, now, style="yellow")
    if table.row_count:
        console.print(table, markup=False)
    holds = not any(True for _ in differences(kept.answer, again))
    where = "under other circumstances, which the table names" if changed else "under the same circumstances"
    was, now = kept.answer["status"], again["status"]
    verdict = f"The verdict {now} holds" if holds else f"The verdict {was} does not hold"
    console.print(f"{verdict}, {where}.", style="green" if holds else "red", highlight=False, soft_wrap=True)
    return 0 if holds else 1


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What decides about points and is another: verdict, score, and each case's verdict."""
    for name in ("status", "score"):
        if then.get(name) != now.get(name):
            yield name, str(then.get(name)), str(now.get(name))
    before, after = ({case["id"]: case["status"] for case in each["test_results"]} for each in (then, now))
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield f"test case {name}", str(before.get(name)), str(after.get(name))


def circumstances(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Of the record, what is another one now."""
    for name in _CIRCUMSTANCES:
        if then.get(name) != now.get(name):
            yield name, str(then.get(name)), str(now.get(name))
