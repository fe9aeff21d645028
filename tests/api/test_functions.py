"""The function form: what is called, what is judged, and what a program can and cannot do to it."""

from typing import Any

import pytest

from devtools.executor import Executor, running
from tests.api.functions import CALLS, NAMES, call, check, language_of

ADD = "def add(a, b):\n    return a + b\n"


@pytest.mark.parametrize(("program", "number"), CALLS, ids=NAMES)
def test_what_a_function_returns_is_judged_and_what_goes_wrong_is_said_in_plain_words(
    executor: Executor, program: str, number: int
) -> None:
    if language_of(program) not in executor.languages():
        pytest.skip(f"no toolchain for {language_of(program)} on this machine")
    check(executor, program, number)


def test_cases_have_numbers_points_limits_and_secrets_of_their_own(executor: Executor) -> None:
    code = "def work(kind):\n    if kind == 'long':\n        while True: pass\n    print('worked')\n    return kind\n"
    cases: list[dict[str, Any]] = [
        {"args": ["short"], "expected": "short", "max_score": 2},
        {"args": ["long"], "expected": "long", "time_limit": 0.3, "max_score": 3, "id": "slow"},
        {"args": ["secret"], "expected": "secret", "hidden": True},
        {"args": ["other"], "expected": "another"},
        {"args": ["short"], "expected": "short"},
    ]
    answer = call(executor, "python", code, "work", *cases, stop_on_failure=False)
    found = answer["test_results"]
    assert [case["id"] for case in found] == ["1", "slow", "3", "4", "5"]
    statuses = ["accepted", "time_limit_exceeded", "accepted", "wrong_answer", "accepted"]
    assert [case["status"] for case in found] == statuses
    assert (answer["score"], answer["max_score"], answer["status"]) == (2, 5, "time_limit_exceeded")
    assert not {"returned", "expected_output", "stdout", "message"} & found[2].keys()
    stopped = call(executor, "python", code, "work", *cases[3:], stop_on_failure=True)
    assert [case["status"] for case in stopped["test_results"]] == ["wrong_answer", "skipped"]


@pytest.mark.parametrize(
    ("returned", "expected", "comparator", "status"),
    [
        ("0.1 + 0.2", 0.3, {}, "accepted"),
        ("[1.0, {'a': 2}]", [1, {"a": 2.0}], {}, "accepted"),
        ("1.01", 1, {}, "wrong_answer"),
        ("1.01", 1, {"absolute": 0.1}, "accepted"),
        ("[[2, 1], [3]]", [[3], [1, 2]], {}, "wrong_answer"),
        ("[[2, 1], [3]]", [[3], [1, 2]], {"unordered": True}, "accepted"),
        ("True", 1, {}, "wrong_answer"),
        ("'1'", 1, {}, "wrong_answer"),
        ("(1, 2)", [1, 2], {}, "accepted"),
    ],
)
def test_values_are_the_same_within_what_was_asked_for(
    executor: Executor, returned: str, expected: object, comparator: dict[str, Any], status: str
) -> None:
    program = f"def give():\n    return {returned}\n"
    answer = call(executor, "python", program, "give", {"args": [], "expected": expected}, comparator=comparator)
    assert answer["status"] == status, answer


_FORGERIES = {
    "a value in the place of its own": ('{"value":3}', "accepted"),
    "another value": ('{"value":4}', "wrong_answer"),
    "no JSON": ('{"value":', "runtime_error"),
    "something else": ("[1]", "runtime_error"),
    "a verdict": ('{"status":"accepted"}', "runtime_error"),
    "many brackets": ("[" * 1_000_000, "runtime_error"),
    "a value that is nested deeply": ('{"value":' + "[" * 50_000 + "]" * 50_000 + "}", "wrong_answer"),
    "what is no text": ("\udcff", "runtime_error"),
}


@pytest.mark.parametrize("name", _FORGERIES)
def test_a_program_that_writes_to_the_channel_forges_its_own_result_only(executor: Executor, name: str) -> None:
    text, status = _FORGERIES[name]
    program = (
        "import os\ndef add(a, b):\n"
        f"    with open('.case/returned', 'w', errors='surrogateescape') as channel: channel.write({text!r})\n"
        "    os._exit(0)\n"
    )
    answer = call(executor, "python", program, "add", {"args": [1, 2], "expected": 3}, {"args": [1, 2], "expected": 3})
    statuses = {case["status"] for case in answer["test_results"]}
    # A value that is nested deeply may not be read at all.
    assert statuses == {status} or (status == "wrong_answer" and statuses == {"runtime_error"}), answer
    assert call(executor, "python", ADD, "add", {"args": [1, 2], "expected": 3})["status"] == "accepted"


def test_a_channel_that_is_a_link_a_pipe_or_a_folder_brings_nothing_back(executor: Executor) -> None:
    program = """
import os
def odd(kind):
    if kind == "link": os.symlink("/etc/passwd", ".case/returned")
    if kind == "pipe": os.mkfifo(".case/returned")
    if kind == "folder": os.mkdir(".case/returned")
    if kind == "gone": os.rename(".case", "elsewhere")
    os._exit(0)
"""
    cases = [{"args": [kind], "expected": 1} for kind in ("link", "pipe", "folder", "gone")]
    answer = call(executor, "python", program, "odd", *cases)
    assert [case["status"] for case in answer["test_results"]] == ["runtime_error"] * 4


def test_what_is_expected_is_nowhere_that_the_program_can_read(executor: Executor) -> None:
    program = """
import os
def look():
    found = []
    for folder, _, names in os.walk("."):
        found += [open(os.path.join(folder, name), errors="replace").read() for name in names]
    found += [open("/proc/self/environ").read(), open("/proc/self/cmdline").read()]
    return "the-" + "answer" in "".join(found)
"""
    answer = call(executor, "python", program, "look", {"args": [], "expected": "the-answer"})
    assert answer["test_results"][0]["returned"] == "false", answer


def test_a_value_beyond_the_cap_is_refused_and_a_large_one_is_compared_whole_and_shown_in_part() -> None:
    with running({"EXECUTOR_MAX_CASE_OUTPUT_KB": "64", "EXECUTOR_MAX_OUTPUT_KB": "16"}) as executor:
        program = "def long(length):\n    return 'x' * length\n"
        cases = [{"args": [length], "expected": "x" * length} for length in (50_000, 100_000)]
        large, larger = call(executor, "python", program, "long", *cases)["test_results"]
        assert (large["status"], large["returned_truncated"], len(large["returned"])) == ("accepted", True, 16 << 10)
        assert larger["status"] == "runtime_error"
        assert larger["message"] == "long returned 100002 bytes of JSON: at most 65472 may be"


def test_several_files_work_together_and_line_numbers_stay(executor: Executor) -> None:
    files = [
        {"name": "main.py", "content": "from part import half\n\n\ndef run(x):\n    return half(x)\n"},
        {"name": "part.py", "content": "import main\ndef half(x):\n    return x / main.run.__code__.co_firstlineno\n"},
    ]
    body = {"language": "python", "files": files, "function": {"name": "run", "cases": [{"args": [8], "expected": 2}]}}
    assert executor.post(body).json()["status"] == "accepted"
    body["function"] = {"name": "run", "cases": [{"args": ["8"], "expected": 2}]}
    (found,) = executor.post(body).json()["test_results"]
    assert 'solution.py", line 5, in run' in found["stderr"]
    assert 'part.py", line 3, in half' in found["stderr"]


def test_a_program_that_fails_before_the_call_says_so_itself(executor: Executor) -> None:
    (found,) = call(executor, "python", "def add(a, b:\n", "add", {"args": [1, 2], "expected": 3})["test_results"]
    assert found["status"] == "runtime_error"
    assert 'solution.py", line 1' in found["stderr"]
    assert found["message"].startswith("SyntaxError: ")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"function": {"name": "a b", "cases": [{"args": [], "expected": 1}]}}, "function.name"),
        ({"function": {"name": "a);system(", "cases": [{"args": [], "expected": 1}]}}, "function.name"),
        ({"function": {"name": "a.b.c", "cases": [{"args": [], "expected": 1}]}}, "function.name"),
        ({"function": {"name": "a", "cases": []}}, "function.cases"),
        ({"function": {"name": "a", "cases": [{"args": []}]}}, "function.cases[0].expected"),
        ({"function": {"name": "a", "cases": [{"args": 5, "expected": 1}]}}, "function.cases[0].args"),
        ({"function": {"name": "a", "cases": [{"args": [[[]] * 5], "expected": 1, "time_limit": 0}]}},
         "function.cases[0].time_limit"),
        ({"function": {"name": "a", "cases": [{"args": [], "expected": 1, "max_score": -1}]}}, "function.cases[0].max_score"),
        ({"function": {"name": "a", "cases": [{"args": [], "expected": 1}], "comparator": {"absolute": -1}}},
         "function.comparator.absolute"),
        ({"stdin": "x"}, "stdin"),
        ({"args": ["x"]}, "args"),
        ({"comparator": "tokens"}, "comparator"),
        ({"test_cases": [{"id": "1"}]}, "test_cases"),
        ({"problem": "sha256:" + "0" * 64}, "problem"),
        ({"checker": {"language": "python", "code": "x"}}, "checker"),
        ({"return_files": ["a"]}, "return_files"),
        ({"language": "bash"}, "function"),
        ({"code": None, "files": [{"content": "x"}, {"name": ".case/call", "content": ""}]}, "files"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_named(executor: Executor, fields: dict[str, Any], field: str) -> None:
    function = {"name": "add", "cases": [{"args": [1, 2], "expected": 3}]}
    response = executor.post({"language": "python", "code": ADD, "function": function} | fields)
    assert response.status_code == 422, response.text
    assert field in [error["field"] for error in response.json()["errors"]], response.text


@pytest.mark.parametrize("deep", ["args", "expected"])
def test_values_that_are_nested_too_deeply_are_refused(executor: Executor, deep: str) -> None:
    value = f"{'[' * 200}{']' * 200}"
    case = f'{{"args": [{value if deep == "args" else 1}], "expected": {value if deep == "expected" else 1}}}'
    body = f'{{"language": "python", "code": "x", "function": {{"name": "f", "cases": [{case}]}}}}'
    response = executor.http.post("/execute", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["field"].startswith(f"function.cases[0].{deep}")
