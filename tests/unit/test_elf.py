"""The size of a program's global variables, from its file."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.judging.elf import static_data_bytes


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc here")
def test_global_variables_count_whether_they_lie_in_the_file_or_not(tmp_path: Path) -> None:
    source = tmp_path / "a.c"
    source.write_text("char a[50 << 20], b[3 << 20] = {1}; const char c[7 << 20] = {1}; int main(void) { return 0; }")
    subprocess.run(("gcc", source, "-o", tmp_path / "a"), check=True)
    program = memoryview((tmp_path / "a").read_bytes())
    assert 53 << 20 <= static_data_bytes(program) < 54 << 20
    # However it is cut off, or made up.
    assert static_data_bytes(program[:100]) == 0
    assert static_data_bytes(memoryview(b"\x7fELF\x02\x01" + b"\xff" * 200)) == 0


def test_what_is_no_program_has_none() -> None:
    assert static_data_bytes(memoryview(b"")) == 0
    assert static_data_bytes(memoryview(b"#!/bin/sh")) == 0
    assert 0 < static_data_bytes(memoryview(Path(sys.executable).read_bytes())) < 1 << 30
