"""Large outputs: where they are cut, and how much a judged run may write."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor, running

_CUTS = tomllib.loads(Path(__file__).with_name("output_cuts.toml").read_text("utf-8"))["case"]
_MB = 1 << 20


@pytest.fixture(scope="module")
def narrow() -> Iterator[Executor]:
    with running({"EXECUTOR_MAX_OUTPUT_KB": "1"}) as server:
        yield server


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("case", _CUTS, ids=[case["name"] for case in _CUTS])
def test_a_cut_ends_on_a_whole_character(narrow: Executor, case: dict[str, Any], stream: str) -> None:
    code = f"import sys; sys.stdout = sys.{stream}\n{case['code']}"
    character, count = case["stdout"]
    plain = narrow.execute("python", code)
    judged = narrow.judge("python", code, [{"id": "1", "input": "", "expected_output": ""}])["test_results"][0]
    assert plain["status"] == ("output_limit_exceeded" if case["truncated"] else "ok")
    for result in (plain, judged):
        assert result[stream].count(character) == count
        assert ("\ufffd" in result[stream]) == (character == "\ufffd")
        assert result[f"{stream}_truncated"] is case["truncated"]


def test_the_cut_of_the_usual_limit_ends_on_a_whole_character(executor: Executor) -> None:
    run = executor.execute("python", "import sys\nsys.stdout.write('語' * 400_000)")
    assert (run["status"], run["stdout_truncated"]) == ("output_limit_exceeded", True)
    assert run["stdout"] == "語" * (_MB // 3)


def test_a_judged_run_may_print_more_than_comes_back_and_is_judged_by_all_of_it(executor: Executor) -> None:
    numbers = "".join(f"{number}\n" for number in range(250_000))
    code = "print('\\n'.join(map(str, range(250_000))))"
    cases = [
        {"id": "right", "input": "", "expected_output": numbers},
        {"id": "wrong at the end", "input": "", "expected_output": f"{numbers}1\n"},
    ]
    right, wrong = executor.judge("python", code, cases)["test_results"]
    assert (right["status"], wrong["status"]) == ("accepted", "wrong_answer")
    for result in (right, wrong):
        assert result["stdout"] == numbers[:_MB]
        assert result["stdout_truncated"] is True


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_judged_run_may_print_16_mib_and_no_more(executor: Executor, stream: str) -> None:
    code = f"import sys\nsys.{stream}.write('x' * int(input()))"
    cases = [{"id": str(size), "input": str(size), "expected_output": "y"} for size in (16 * _MB, 16 * _MB + 1)]
    fits, above = executor.judge("python", code, cases, timeout=10)["test_results"]
    assert (fits["status"], above["status"]) == ("wrong_answer", "output_limit_exceeded")
    assert above["message"] == "the output limit of 16384 KiB was reached"
    for result in (fits, above):
        assert (len(result[stream]), result[f"{stream}_truncated"]) == (_MB, True)


def test_a_plain_run_may_print_what_comes_back_and_no_more(executor: Executor) -> None:
    fits, above = (executor.execute("python", f"print('x' * {size}, end='')") for size in (_MB, _MB + 1))
    assert (fits["status"], fits["stdout_truncated"]) == ("ok", False)
    assert (above["status"], above["stdout_truncated"]) == ("output_limit_exceeded", True)


def _resident_peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def test_the_outputs_of_all_cases_are_never_in_the_servers_memory_together() -> None:
    code = "import sys\nfor stream in (sys.stdout, sys.stderr): stream.write('12 ' * 5_000_000)"
    cases = [{"id": str(number), "input": "", "expected_output": "12 13"} for number in range(20)]
    with running() as server:
        assert server.pid is not None
        assert server.judge("python", code, cases[:1], timeout=10)["status"] == "wrong_answer"
        one = _resident_peak(server.pid)
        results = server.judge("python", code, cases, timeout=10)["test_results"]
        many = _resident_peak(server.pid)
    assert {result["status"] for result in results} == {"wrong_answer"}
    # The other 19 have printed 570 MB.
    assert many - one < 64 * _MB
