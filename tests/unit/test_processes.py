"""How the tests are shared out to processes."""

import re
import subprocess
import sys

import pytest

from devtools.executor import ROOT
from tests.processes import how_many


def test_the_tests_of_a_module_stay_in_one_process() -> None:
    if how_many() == 1:
        pytest.skip("there is one process here: it takes root, the right to mount and a second core to have more")
    modules = ("tests/unit/test_elf.py", "tests/unit/test_metrics.py", "tests/unit/test_records.py")
    command = (sys.executable, "-m", "pytest", "-n", "2", "-v", "-p", "no:cacheprovider", *modules)
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=250).stdout
    places = re.findall(r"^\[(gw\d)\] .*? (tests/unit/\w+\.py)::", said, re.MULTILINE)
    assert {module for _, module in places} == set(modules), said
    assert len(set(places)) == len(modules), said
