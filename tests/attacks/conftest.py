"""Counts, for each place, the attacks that were held and the ordinary programs that worked."""

import re
from collections import Counter

import pytest

from tests.attacks.places import PLACES
from tests.image.built import built

_ID = re.compile(r"test_(attack|benign)\[.*?place_(\w)")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: Counter[tuple[str, str, str]] = Counter()
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            found = _ID.search(report.nodeid)
            if found and (report.when == "call" or outcome in ("error", "skipped")):
                counts[found[2], found[1], "passed" if outcome == "passed" else outcome] += 1
    for letter, words in PLACES.items():
        for kind, said in (("attack", "attacks held"), ("benign", "ordinary programs worked")):
            held = counts[letter, kind, "passed"]
            total = held + counts[letter, kind, "failed"] + counts[letter, kind, "error"]
            if total:
                skipped = counts[letter, kind, "skipped"]
                more = f" ({skipped} do not apply)" if skipped else ""
                terminalreporter.write_line(f"place {letter}, {words}: {said} {held}/{total}{more}")


@pytest.fixture(scope="session")
def image() -> str:
    return built()
