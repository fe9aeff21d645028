"""Jobe's interface, as Moodle's CodeRunner uses it."""

import base64
import hashlib
import json
import re
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest

from devtools.executor import Executor, running, until
from tests.warm.programs import PROGRAMS, title

_CASES = tomllib.loads(Path(__file__).with_name("jobe.toml").read_text())
_PREFIX = "/jobe/index.php/restapi"
_NEEDS = {"python3": "python", "nodejs": "javascript"}


def _put(executor: Executor, identifier: str, content: bytes, **options: Any) -> httpx.Response:
    body = {"file_contents": base64.b64encode(content).decode()}
    return executor.http.put(f"{_PREFIX}/files/{identifier}", json=body, **options)


def _run(executor: Executor, spec: dict[str, Any], **options: Any) -> httpx.Response:
    return executor.http.post(f"{_PREFIX}/runs/", json={"run_spec": spec}, **options)


def _hello(code: str = "print(1)", **fields: Any) -> dict[str, Any]:
    return {"language_id": "python3", "sourcecode": code, **fields}


@pytest.mark.parametrize("case", _CASES["run"], ids=lambda case: case["name"])
def test_a_run_is_answered_as_jobe_answers_it(executor: Executor, case: dict[str, Any]) -> None:
    name = case.get("needs", case["spec"]["language_id"].lower())
    if _NEEDS.get(name, name) not in executor.languages():
        pytest.skip(f"no toolchain for {name} on this machine")
    for identifier, content in case.get("put", {}).items():
        assert _put(executor, identifier, content.encode()).status_code == 204
    response = _run(executor, case["spec"])
    answer = response.json()
    assert response.status_code == 200, answer
    assert set(answer) == {"run_id", "outcome", "cmpinfo", "stdout", "stderr"}
    for field, expected in case["answer"].items():
        if field.endswith("_like"):
            assert re.search(expected, answer[field.removesuffix("_like")]), answer
        else:
            assert answer[field] == expected, answer


@pytest.mark.parametrize("case", _CASES["refused"], ids=lambda case: case["name"])
def test_a_refusal_is_a_string_in_jobes_words(executor: Executor, case: dict[str, Any]) -> None:
    content = case.get("body") or json.dumps({"run_spec": case["spec"]})
    response = executor.http.post(f"{_PREFIX}/runs", content=content)
    assert (response.status_code, response.json()) == (case["status"], case["words"])
    assert response.headers["content-type"].startswith("application/json")


def _named(executor: Executor, program: dict[str, Any], name: str) -> str:
    """The answer to a run under this name for its main file, without the name, addresses and numbers of processes."""
    parameters = {"runargs": program.get("args", []), "cputime": 5}
    answer = _run(
        executor, _hello(program["code"], sourcefilename=name, input=program.get("stdin", ""), parameters=parameters)
    )
    shown = answer.text.replace(name, "MAIN").replace(name.partition(".")[0], "MAIN")
    return re.sub(r"0x[0-9a-f]{6,}|pid=\d+", "NUMBER", shown)


_IN_PYTHON = [pytest.param(program, id=title(program)) for program in PROGRAMS if program["language"] == "python"]


@pytest.mark.parametrize("program", _IN_PYTHON)
def test_a_warm_worker_answers_coderunners_run_as_a_new_interpreter_would(
    executor: Executor, program: dict[str, Any]
) -> None:
    served = 'executor_warm_runs_total{language="python of jobe",warm="yes"}'

    def is_warm() -> bool:
        before = executor.metrics().get(served, 0)
        found.append(_named(executor, program, "__tester__.python3"))
        return executor.metrics().get(served, 0) > before

    found: list[str] = []
    assert until(is_warm), "no warm worker comes up"
    assert found[-1] == _named(executor, program, "__retset__.python3")


def test_languages_are_pairs_of_a_name_and_a_version(executor: Executor) -> None:
    for path in ("languages", "languages/"):
        found = executor.http.get(f"{_PREFIX}/{path}").json()
        assert [name for name, _ in found] == sorted(name for name, _ in found)
        assert re.fullmatch(r"3\.\d+\.\d+", dict(found)["python3"])


def test_a_file_is_there_once_it_was_put(executor: Executor) -> None:
    content = b"\x00\xff not text"
    name = hashlib.md5(content, usedforsecurity=False).hexdigest()
    path = f"{_PREFIX}/files/{name}"
    assert executor.http.head(path).status_code == 404
    response = _put(executor, name, content)
    assert (response.status_code, response.content) == (204, b"")
    assert executor.http.head(path).status_code == 204
    answer = _run(executor, _hello("print(open('f', 'rb').read())", file_list=[[name, "f"]])).json()
    assert answer["stdout"] == f"{content!r}\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{}", "put: missing file_contents parameter"),
        ("[", "put: missing file_contents parameter"),
        ('{"file_contents": 5}', "put: missing file_contents parameter"),
        ('{"file_contents": "*"}', "put: contents of file abcdefgh are not valid base-64"),
    ],
)
def test_a_file_that_is_none_is_refused(executor: Executor, body: str, words: str) -> None:
    response = executor.http.put(f"{_PREFIX}/files/abcdefgh", content=body)
    assert (response.status_code, response.json()) == (400, words)


@pytest.mark.parametrize("name", ["a.b", "%2e%2e%2fetc", "..%2f..%2fx", "a%00b", "é", "x" * 300])
def test_an_id_that_is_no_plain_name_is_not_found(executor: Executor, name: str) -> None:
    assert _put(executor, name, b"x").status_code == 404
    assert executor.http.head(f"{_PREFIX}/files/{name}").status_code == 404


def test_a_busy_server_says_so_after_jobes_own_wait() -> None:
    with running({"EXECUTOR_QUEUE_SECONDS": "0", "EXECUTOR_MAX_TIMEOUT_SECONDS": "30"}) as server:
        body = {"language": "python", "code": "import time; time.sleep(25)", "timeout": 25}
        holder = threading.Thread(target=lambda: server.http.post("/execute", json=body))
        holder.start()
        assert until(lambda: server.metrics()["executor_slots_in_use"] == 1)
        started = time.monotonic()
        response = _run(server, _hello())
        assert time.monotonic() - started > 9, response.text
        assert (response.status_code, response.json()["outcome"], response.json()["run_id"]) == (200, 21, "0")
        holder.join()


def test_a_class_that_submits_at_once_waits_and_is_run() -> None:
    """More of them than other requests may wait: CodeRunner would tell the rest that the server is overloaded."""
    answers: list[dict[str, Any]] = []
    with running({"EXECUTOR_QUEUE_LENGTH": "0"}) as server:
        assert _run(server, _hello()).json()["outcome"] == 15
        threads = [
            threading.Thread(target=lambda: answers.append(_run(server, _hello("print(2)")).json())) for _ in range(30)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [(answer["outcome"], answer["stdout"]) for answer in answers] == [(15, "2\n")] * 30


def test_keys_are_answered_for_as_jobe_does_and_files_are_their_owners() -> None:
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("one", "two")}
    keys = ",".join(f"{name}:{digest}" for name, digest in digests.items())
    with running({"EXECUTOR_API_KEYS": keys}) as server:
        response = _run(server, _hello())
        assert (response.status_code, response.text) == (403, "Missing API key")
        response = _run(server, _hello(), headers={"X-API-KEY": "three"})
        assert (response.status_code, response.text) == (403, "Unknown API key")
        assert _put(server, "sharedname", b"x", headers={"X-API-KEY": "one"}).status_code == 204
        spec = _hello("print(open('f').read())", file_list=[["sharedname", "f"]])
        assert _run(server, spec, headers={"X-API-KEY": "one"}).json()["stdout"] == "x\n"
        assert _run(server, spec, headers={"X-API-KEY": "two"}).status_code == 404


def test_any_replica_has_a_file_that_the_store_has(tmp_path: Path) -> None:
    settings = {"EXECUTOR_STORE": f"file://{tmp_path}"}
    content = b"shared"
    name = hashlib.md5(content, usedforsecurity=False).hexdigest()
    with running(settings) as first, running(settings) as second:
        assert _put(first, name, content).status_code == 204
        assert second.http.head(f"{_PREFIX}/files/{name}").status_code == 204
        spec = _hello("print(open('f').read())", file_list=[[name, "f"]])
        for _ in range(2):
            assert _run(second, spec).json()["stdout"] == "shared\n"


def test_the_disk_keeps_the_files_that_were_used_last() -> None:
    with running({"EXECUTOR_JOBE_FILES_MB": "1"}) as server:
        names = [f"file{number}" for number in range(5)]
        for name in names:
            assert _put(server, name, bytes(300_000)).status_code == 204
        found = [server.http.head(f"{_PREFIX}/files/{name}").status_code for name in names]
        assert found == [404, 404, 204, 204, 204]
        assert _put(server, "toolarge", bytes(1_100_000)).status_code == 500


def test_a_door_that_is_not_open_is_not_found() -> None:
    with running({"EXECUTOR_APIS": "piston"}) as server:
        assert server.http.get(f"{_PREFIX}/languages").status_code == 404
        assert server.http.get("/api/v2/runtimes").status_code == 200


def test_a_main_class_is_looked_for_in_one_pass(executor: Executor) -> None:
    if "java" not in executor.languages():
        pytest.skip("no toolchain for java on this machine")
    started = time.monotonic()
    answer = _run(executor, {"language_id": "java", "sourcecode": "public class A { " * 60_000}).json()
    assert answer["outcome"] == 11
    assert time.monotonic() - started < 30
