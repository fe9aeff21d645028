"""The contract of `POST /execute`: both forms, files, comparators, and the calls that must answer exactly as today."""

import base64
import concurrent.futures
import time
from typing import Any

import pytest

from devtools.executor import Executor, running


def test_health_answers_as_the_backend_expects(executor: Executor) -> None:
    response = executor.http.get("/health")
    body = response.json()
    assert response.status_code == 200
    assert body["status"] == "healthy"
    assert body["service"] == "Code Execution Service"
    assert body["replica"].startswith("code-executor-")
    assert body["isolation"]["weak"] is False


def test_the_plain_call_answers_as_the_backend_expects(executor: Executor) -> None:
    response = executor.post({"language": "python", "code": "print(42)", "stdin": "", "timeout": 5})
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert body["language"] == "python"
    assert {name: body["run"][name] for name in ("stdout", "stderr", "code")} == {
        "stdout": "42\n",
        "stderr": "",
        "code": 0,
    }


def test_the_judge_call_answers_as_the_backend_expects(executor: Executor) -> None:
    cases = [{"id": "test_1", "input": "", "expected_output": "42"}]
    body = executor.judge("python", "print(42)", cases, user_id="test", question_id="test")
    assert (body["status"], body["passed"], body["total"]) == ("accepted", 1, 1)
    assert (body["user_id"], body["question_id"]) == ("test", "test")
    result = body["test_results"][0]
    assert result["id"] == "test_1"
    assert result["passed"] is True
    assert result["stdout"] == "42\n"
    assert result["expected_output"] == "42"


def test_ready_and_languages_answer(executor: Executor) -> None:
    assert executor.http.get("/ready").status_code == 200
    languages = {entry["language"]: entry for entry in executor.http.get("/languages").json()}
    assert languages["python"]["version"].startswith("3.")
    assert "py" in languages["python"]["aliases"]
    assert languages["python"]["compiled"] is False


@pytest.mark.parametrize("name", ["Python", "PY", "python3"])
def test_a_language_is_known_by_its_aliases_in_any_letter_case(executor: Executor, name: str) -> None:
    assert executor.execute(name, "print(1)")["stdout"] == "1\n"


def test_files_of_every_encoding_are_placed_and_the_first_is_run(executor: Executor) -> None:
    files = [
        {
            "name": "start.py",
            "content": "from lib.util import f; print(f(), open('d.bin','rb').read(), open('h').read())",
        },
        {"name": "lib/util.py", "content": base64.b64encode(b"def f(): return 7").decode(), "encoding": "base64"},
        {"name": "d.bin", "content": "00ff", "encoding": "hex"},
        {"name": "h", "content": "ü"},
    ]
    body = executor.post({"language": "python", "files": files}).json()
    assert body["run"]["stdout"] == "7 b'\\x00\\xff' ü\n", body


def _judge_statuses(body: dict[str, Any]) -> list[str]:
    return [result["status"] for result in body["test_results"]]


def test_each_case_has_a_run_of_its_own(executor: Executor) -> None:
    code = "import os\nprint(os.path.exists('left'), input())\nopen('left', 'w').close()"
    cases = [{"id": str(n), "input": f"{n}\n", "expected_output": f"False {n}"} for n in range(4)]
    body = executor.judge("python", code, cases)
    assert body["status"] == "accepted", body


def test_every_failure_is_told_apart(executor: Executor) -> None:
    code = "\n".join([
        "word = input()",
        "if word == 'crash': raise SystemExit(3)",
        "if word == 'loop':",
        "    while True: pass",
        "if word == 'memory': x = bytearray(1 << 33)",
        "if word == 'flood':",
        "    while True: print('x' * 10000)",
        "print(word)",
    ])  # fmt: skip
    words = ["fine", "other", "crash", "loop", "memory", "flood"]
    cases = [{"id": w, "input": w, "expected_output": "fine" if w == "other" else w} for w in words]
    body = executor.judge("python", code, cases, timeout=3)
    assert _judge_statuses(body) == [
        "accepted", "wrong_answer", "runtime_error", "time_limit_exceeded", "memory_limit_exceeded",
        "output_limit_exceeded",
    ]  # fmt: skip
    assert (body["status"], body["passed"], body["total"]) == ("wrong_answer", 1, 6)


def test_stop_on_failure_skips_the_rest(executor: Executor) -> None:
    cases = [{"id": str(n), "input": "", "expected_output": "0" if n == 0 else "1"} for n in range(3)]
    body = executor.judge("python", "print(0)", cases, stop_on_failure=True)
    assert _judge_statuses(body) == ["accepted", "wrong_answer", "skipped"]


def test_all_cases_together_have_a_limit_of_time() -> None:
    cases = [{"id": word, "input": word, "expected_output": ""} for word in ("short", "long", "short", "short")]
    code = "import time\nif input() == 'long': time.sleep(60)"
    limits = {"EXECUTOR_MAX_JUDGING_SECONDS": "7", "EXECUTOR_MAX_TIME_LIMIT_SECONDS": "3",
              "EXECUTOR_DEFAULT_TIMEOUT_SECONDS": "3", "EXECUTOR_MAX_TIMEOUT_SECONDS": "3",
              "EXECUTOR_COMPILE_TIMEOUT_SECONDS": "7"}  # fmt: skip
    with running(limits) as executor:
        # Of a case that was not through nothing is known: none has exceeded a limit of its own.
        body = executor.judge("python", "import time\ntime.sleep(5)\n", cases[:3], timeout=3)
        assert _judge_statuses(body) == ["accepted", "overloaded", "overloaded"]
        assert (body["status"], body["passed"]) == ("overloaded", 1)
        assert body["test_results"][2]["wall_time"] == 0
        assert body["test_results"][2]["message"] == "the time of all test cases together was over"
        # A program that has exceeded one has used up the time of the others itself.
        body = executor.judge("python", code, [cases[1], *cases], timeout=2)
        assert _judge_statuses(body) == ["time_limit_exceeded", "accepted", *["time_limit_exceeded"] * 3]


def test_all_cases_together_keep_so_much_output_and_are_judged_by_all_of_it() -> None:
    cases = [{"id": str(n), "input": "", "expected_output": "\0" * 600_000} for n in range(4)]
    code = "import sys; sys.stdout.write(chr(0) * 600_000); sys.stderr.write('é' * 100)"
    with running({"EXECUTOR_MAX_JUDGED_OUTPUT_KB": "1024", "EXECUTOR_MAX_BODY_MB": "64"}) as executor:
        body = executor.judge("python", code, cases)
    results = body["test_results"]
    assert (body["status"], body["passed"]) == ("accepted", 4)
    assert [len(result["stdout"]) for result in results] == [600_000, (1 << 20) - 600_000 - 200, 0, 0]
    assert [result["stdout_truncated"] for result in results] == [False, True, True, True]
    assert [(len(result["stderr"]), result["stderr_truncated"]) for result in results] == [(100, False), *[(0, True)] * 3]


def test_the_first_cases_output_is_kept_before_that_of_later_ones_that_end_sooner() -> None:
    cases = [{"id": str(n), "input": str(n), "expected_output": "x" * 1000 + ("" if n else "y")} for n in range(8)]
    code = "import time\nn = int(input())\ntime.sleep(0.5 if n == 0 else 0)\nprint('x' * 1000)"
    with running({"EXECUTOR_CONCURRENCY": "2", "EXECUTOR_MAX_JUDGED_OUTPUT_KB": "4"}) as executor:
        kept = [len(result["stdout"]) for result in executor.judge("python", code, cases)["test_results"]]
        stopped = executor.judge("python", code, cases, stop_on_failure=True)
    assert kept == [1001, 1001, 1001, 1001, 92, 0, 0, 0]
    assert _judge_statuses(stopped) == ["wrong_answer", *["skipped"] * 7]
    assert len(stopped["test_results"][0]["stdout"]) == 1001


@pytest.mark.parametrize("language", ["c"], indirect=True)
def test_a_compile_error_fails_every_case_with_the_compilers_words(executor: Executor, language: str) -> None:
    body = executor.judge(language, "int main(", [{"id": "a", "input": "", "expected_output": ""}])
    assert body["status"] == "compile_error"
    assert _judge_statuses(body) == ["compile_error"]
    assert "error" in body["compile"]["stderr"]


@pytest.mark.parametrize(
    ("comparator", "printed", "expected", "same"),
    [
        ("lines", "a  \nb\n\n\n", "a\nb", True),
        ("lines", " a", "a", False),
        ("exact", "a\n", "a", False),
        ("exact", "a", "a", True),
        ("tokens", "1   2\n3", "1 2 3", True),
        ("float", "0.33333334 x", "0.3333333 x", True),
        ("float", "0.3334", "0.3333", False),
        ("float", "inf", "1", False),
        ("float", "nan", "nan", True),
    ],
)
def test_comparators(executor: Executor, comparator: str, printed: str, expected: str, same: bool) -> None:
    code = f"import sys; sys.stdout.write({printed!r})"
    body = executor.judge("python", code, [{"id": "a", "input": "", "expected_output": expected}], comparator=comparator)
    assert (body["status"] == "accepted") is same


def test_a_busy_executor_says_so_and_when_to_come_back(executor: Executor) -> None:
    with executor.occupied():
        started = time.monotonic()
        response = executor.post({"language": "python", "code": "print(1)"})
        waited = time.monotonic() - started
    assert response.status_code == 429
    assert response.json()["code"] == "busy"
    assert int(response.headers["Retry-After"]) >= 1
    assert waited > 1.5  # it was in the queue for two seconds
    assert response.headers["content-type"].startswith("application/problem+json")


def test_health_answers_while_a_program_runs(executor: Executor) -> None:
    with executor.occupied():
        assert executor.http.get("/health").status_code == 200
        assert executor.metrics()["executor_slots_in_use"] == 1


def test_limits_of_a_case_stand_for_the_submissions(executor: Executor) -> None:
    code = (
        "import time\nkind = input()\nx = bytearray(100 << 20) if kind == 'memory' else None\n"
        "while kind == 'time' and time.process_time() < 0.6: pass\nprint('done')"
    )
    cases: list[dict[str, Any]] = [
        {"id": "time", "input": "time", "expected_output": "done"},
        {"id": "less time", "input": "time", "expected_output": "done", "timeout": 0.3},
        {"id": "less CPU time", "input": "time", "expected_output": "done", "timeout": 5, "time_limit": 0.3},
        {"id": "memory", "input": "memory", "expected_output": "done"},
        {"id": "less memory", "input": "memory", "expected_output": "done", "memory_limit_mb": 64},
    ]
    body = executor.judge("python", code, cases)
    assert _judge_statuses(body) == [
        "accepted",
        "time_limit_exceeded",
        "time_limit_exceeded",
        "accepted",
        "memory_limit_exceeded",
    ]


def test_of_a_hidden_case_nothing_tells_its_input_or_output(executor: Executor) -> None:
    code = "import sys\nword = input()\nprint(word)\nprint(word, file=sys.stderr)\nif word == 'crash': sys.exit(7)"
    cases: list[dict[str, Any]] = [
        {"id": word, "input": word, "expected_output": "good", "hidden": True} for word in ("good", "secret", "crash")
    ]
    body = executor.judge("python", code, [*cases, {"id": "open", "input": "good", "expected_output": "good"}])
    assert _judge_statuses(body) == ["accepted", "wrong_answer", "runtime_error", "accepted"]
    assert (body["status"], body["passed"], body["total"]) == ("wrong_answer", 2, 4)
    hidden = body["test_results"][:3]
    assert {frozenset(result) for result in hidden} == {frozenset({"id", "status", "cpu_time", "wall_time"})}
    assert body["test_results"][3]["stdout"] == "good\n"


def test_files_come_back_by_choice_whatever_the_exit_code_and_never_through_a_link(executor: Executor) -> None:
    code = "\n".join([
        "import os",
        "os.mkdir('out')",
        "open('out/plot[1].png', 'wb').write(bytes(range(256)))",
        "os.symlink('/etc/passwd', 'link')",
        "os.symlink('/etc', 'folder')",
        "open('large', 'wb').write(bytes(5 << 20))",
        "open('unasked', 'w').close()",
        "raise SystemExit(3)",
    ])  # fmt: skip
    wanted = ["out/plot[1].png", "link", "folder/passwd", "large", "missing", "main.py"]
    body = executor.post({"language": "python", "code": code, "return_files": wanted}).json()
    assert body["run"]["code"] == 3
    assert [file["name"] for file in body["files"]] == wanted
    content = {file["name"]: file["content"] for file in body["files"]}
    assert base64.b64decode(content["out/plot[1].png"]) == bytes(range(256))
    assert base64.b64decode(content["main.py"]).decode() == code
    for file in body["files"][1:5]:
        assert file["content"] is None
        assert "no plain file" in file["message"]
    assert "files" not in executor.post({"language": "python", "code": "print(1)"}).json()


def test_cases_run_side_by_side_where_slots_are_free_and_are_told_in_order() -> None:
    cases = [{"id": str(n), "input": f"{n}\n", "expected_output": f"{n}\n"} for n in range(5)]
    code = "import time\nn = int(input())\ntime.sleep(2 if n < 2 else 0)\nprint(n if n != 1 else 'wrong')"
    with running({"EXECUTOR_CONCURRENCY": "2"}) as executor, concurrent.futures.ThreadPoolExecutor() as pool:
        judged = pool.submit(executor.judge, "python", code, cases)
        while "executor_slots_in_use 2.0" not in executor.http.get("/metrics").text:
            assert not judged.done(), "only one slot was used"
            time.sleep(0.02)
        assert [result["id"] for result in judged.result()["test_results"]] == ["0", "1", "2", "3", "4"]
        assert (judged.result()["status"], judged.result()["passed"]) == ("wrong_answer", 4)
        # The third case has run by the time that the second one fails.
        stopped = executor.judge("python", code, cases, stop_on_failure=True)
        assert _judge_statuses(stopped) == ["accepted", "wrong_answer", "skipped", "skipped", "skipped"]
        assert "executor_slots_in_use 0.0" in executor.http.get("/metrics").text


def test_a_large_job_does_not_count_as_the_memory_of_the_next(executor: Executor) -> None:
    large = "char data[48 << 20] = {1};\nint main(void) { return !data[0]; }"
    assert executor.execute("c", large)["status"] == "ok"
    assert executor.execute("bash", "echo 42")["memory"] < 32 << 20
