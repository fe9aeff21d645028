"""How the tests are shared out to processes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.executor import ROOT
from tests import processes
from tests.attacks.places import PLACES


def test_the_tests_of_a_module_stay_in_one_process() -> None:
    if processes.how_many() == 1:
        pytest.skip("there is one process here: it takes root, the right to mount and the memory to have more")
    modules = ("tests/unit/test_elf.py", "tests/unit/test_metrics.py", "tests/unit/test_records.py")
    command = (sys.executable, "-m", "pytest", "-n", "2", "-v", "-p", "no:cacheprovider", *modules)
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250).stdout
    places = re.findall(r"^\[(gw\d)\] .*? (tests/unit/\w+\.py)::", said, re.MULTILINE)
    assert {module for _, module in places} == set(modules), said
    assert len(set(places)) == len(modules), said


def test_what_takes_longest_begins_first() -> None:
    waiting = {"tests/a.py": range(500), **{group: range(1) for group in processes.LONGEST}, "tests/b.py": range(600)}
    order = []
    while waiting:
        order.append(processes.next_group(waiting))
        del waiting[order[-1]]
    assert order[-2:] == ["tests/b.py", "tests/a.py"]
    seconds = [processes.LONGEST[group] for group in order[:-2]]
    assert seconds == sorted(processes.LONGEST.values(), reverse=True)


@pytest.mark.parametrize("group", processes.LONGEST)
def test_what_is_said_to_take_long_is_there(group: str) -> None:
    assert group.removeprefix("place_") in PLACES or Path(ROOT / group).is_file()
