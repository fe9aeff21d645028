"""codapi's API, as its widget calls it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from devtools.executor import Executor, running

_PAGE = "https://course.example.org"


@pytest.fixture(scope="module")
def embedded() -> Iterator[Executor]:
    with running({"EXECUTOR_FRAME_ORIGINS": f"{_PAGE} https://*.example.net http://localhost:*"}) as executor:
        yield executor


def _exec(executor: Executor, origin: str = _PAGE, **fields: Any) -> httpx.Response:
    body = {"sandbox": "python", "command": "run", "files": {"": "print(42)"}, **fields}
    return executor.http.post("/v1/exec", json=body, headers={"Origin": origin})


def test_a_program_runs_and_the_answer_has_codapi_s_five_fields(embedded: Executor) -> None:
    response = _exec(embedded)
    answer = response.json()
    assert response.status_code == 200
    assert answer.keys() == {"id", "ok", "duration", "stdout", "stderr"}
    assert answer["id"].startswith("python_run_")
    assert (answer["ok"], answer["stdout"], answer["stderr"]) == (True, "42\n", "")
    assert isinstance(answer["duration"], int)


def test_a_program_that_fails_is_not_ok_and_says_why(embedded: Executor) -> None:
    answer = _exec(embedded, files={"": "print(1)\nraise SystemExit('no')"}).json()
    assert (answer["ok"], answer["stdout"]) == (False, "1\n")
    assert answer["stderr"].startswith("no")


def test_the_main_file_is_the_one_without_a_name_or_with_the_language_s(embedded: Executor) -> None:
    other = "word = 'other'"
    assert _exec(embedded, files={"other.py": other, "": "import other; print(other.word)"}).json()["stdout"] == "other\n"
    assert _exec(embedded, files={"other.py": other, "main.py": "import other; print(2)"}).json()["stdout"] == "2\n"


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"sandbox": "cobol"}, 404, "unknown language 'cobol'"),
        ({"command": "test"}, 404, "Unknown command 'test'"),
        ({"version": "2.7"}, 404, "python 2.7 is not here"),
        ({"version": "?"}, 400, "version must be"),
        ({"files": {}}, 400, "files must have"),
        ({"files": {"../x": "1"}}, 400, "must be a path inside"),
        ({"files": "1"}, 400, "files"),
    ],
)
def test_a_refusal_has_the_same_fields_and_its_page_may_read_it(
    embedded: Executor, fields: dict[str, Any], status: int, words: str
) -> None:
    response = _exec(embedded, **fields)
    answer = response.json()
    assert response.status_code == status, answer
    assert answer.keys() == {"id", "ok", "duration", "stdout", "stderr"}
    assert words in answer["stderr"]
    assert response.headers["Access-Control-Allow-Origin"] == _PAGE


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (_PAGE, True), ("https://a.example.net", True), ("http://localhost:5173", True), ("https://example.net", False),
        ("https://evil.org", False), ("https://evilexample.net", False), ("http://course.example.org", False),
        ("https://course.example.org:444", False), ("null", False), ("https://localhost:5173", False),
    ],
)  # fmt: skip
def test_pages_of_the_named_origins_alone_may_ask(embedded: Executor, origin: str, allowed: bool) -> None:
    asked = embedded.http.options(
        "/v1/exec",
        headers={
            "Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type",
        },
    )  # fmt: skip
    assert asked.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    assert asked.headers["Vary"] == "Origin"
    assert embedded.http.head("/v1/health", headers={"Origin": origin}).status_code == 200
