"""Judge0's interface: what its clients send and read."""

import base64
import hashlib
import io
import re
import time
import tomllib
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from devtools.executor import Executor, running, until
from devtools.local_http import Handler, serving
from runtime.http.callbacks import is_public, problem

_CASES = tomllib.loads(Path(__file__).with_name("judge0.toml").read_text())
_NEEDS = {50: "c", 52: "cpp"}


def _post(executor: Executor, send: dict[str, Any], **query: str) -> httpx.Response:
    return executor.http.post("/judge0/submissions", json=send, params=query)


def _waited(executor: Executor, send: dict[str, Any], **query: str) -> dict[str, Any]:
    response = _post(executor, send, wait="true", fields="*", **query)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


def _python(code: str = "print(1)", **fields: Any) -> dict[str, Any]:
    return {"language_id": 71, "source_code": code, **fields}


def _finished(executor: Executor, token: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def is_done() -> bool:
        response = executor.http.get(f"/judge0/submissions/{token}", **options)
        assert response.status_code == 200, response.text
        found.update(response.json())
        return bool(found["status"]["id"] > 2)

    assert until(is_done, 30)
    return found


@pytest.mark.parametrize("case", _CASES["run"], ids=lambda case: case["name"])
def test_a_submission_is_answered_as_judge0_answers_it(executor: Executor, case: dict[str, Any]) -> None:
    needed = _NEEDS.get(case["send"]["language_id"], "python")
    if needed not in executor.languages():
        pytest.skip(f"no toolchain for {needed} on this machine")
    answer = _waited(executor, case["send"])
    for field, expected in case["answer"].items():
        if field.endswith("_like"):
            value = answer[field.removesuffix("_like")]
            assert re.search(expected, value["name"] if isinstance(value, dict) else value), answer
        else:
            assert answer[field] == (None if expected == "null" else expected), (field, answer)
    assert uuid.UUID(answer["token"]).version == 4
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["finished_at"])


@pytest.mark.parametrize("case", _CASES["refused"], ids=lambda case: case["name"])
@pytest.mark.parametrize("wait", ["true", "false"])
def test_what_is_wrong_is_told_by_field(executor: Executor, case: dict[str, Any], wait: str) -> None:
    response = _post(executor, case["send"], wait=wait)
    assert (response.status_code, response.json()) == (422, case["answer"])


def test_without_fields_the_usual_ones_are_answered(executor: Executor) -> None:
    answer = _post(executor, _python(), wait="true").json()
    assert set(answer) == {"stdout", "time", "memory", "stderr", "token", "compile_output", "message", "status"}
    assert isinstance(answer["memory"], int)
    answer = _post(executor, _python(), wait="true", fields="stdout,language").json()
    assert set(answer) == {"stdout", "language"}
    response = _post(executor, _python(), wait="true", fields="stdout,colour,size")
    assert (response.status_code, response.json()) == (400, {"error": "invalid fields: [colour, size]"})


def test_texts_are_in_base64_where_the_query_says_so(executor: Executor) -> None:
    def encoded(text: bytes) -> str:
        return base64.encodebytes(text).decode()

    code = b"import sys; sys.stdout.buffer.write(sys.stdin.buffer.read() + bytes([255]))"
    send = {"language_id": 71, "source_code": encoded(code), "stdin": encoded(b"\xfe")}
    answer = _waited(executor, send, base64_encoded="true")
    assert base64.b64decode(answer["stdout"]) == b"\xfe\xff"
    assert base64.b64decode(answer["source_code"]) == code
    # What is no text cannot be shown as one.
    response = _post(executor, _python(code.decode()), wait="true")
    assert response.status_code == 201
    assert response.json()["error"].startswith("some attributes for this submission cannot be converted to UTF-8")
    path = f"/judge0/submissions/{response.json()['token']}"
    assert executor.http.get(path).status_code == 400
    assert executor.http.get(path, params={"base64_encoded": "true"}).json()["stdout"] == "/w==\n"


def test_without_wait_there_is_a_token_and_later_the_result(executor: Executor) -> None:
    response = _post(executor, _python("print(6 * 7)"))
    assert (response.status_code, set(response.json())) == (201, {"token"})
    found = _finished(executor, response.json()["token"])
    assert (found["stdout"], found["status"]["description"]) == ("42\n", "Accepted")


def test_a_submission_that_waits_says_so(executor: Executor) -> None:
    tokens = [_post(executor, _python("import time; time.sleep(1)")).json()["token"] for _ in range(3)]
    states = [executor.http.get(f"/judge0/submissions/{token}").json()["status"]["description"] for token in tokens]
    assert states[-1] == "In Queue"
    assert [_finished(executor, token)["status"]["id"] for token in tokens] == [3, 3, 3]


def test_a_batch_has_a_place_for_each(executor: Executor) -> None:
    batch = [_python("print(1)"), {"language_id": 71}, _python("print(3)")]
    response = executor.http.post("/judge0/submissions/batch", json={"submissions": batch})
    answers = response.json()
    assert response.status_code == 201
    assert answers[1] == {"source_code": ["can't be blank"]}
    tokens = [answers[0]["token"], "none", answers[2]["token"]]
    for token in (tokens[0], tokens[2]):
        _finished(executor, token)
    found = executor.http.get("/judge0/submissions/batch", params={"tokens": ",".join(tokens), "fields": "stdout"}).json()
    assert found == {"submissions": [{"stdout": "1\n"}, None, {"stdout": "3\n"}]}


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "there should be at least one submission in a batch"),
     (21, "number of submissions in a batch should be less than or equal to 20")],
)  # fmt: skip
def test_a_batch_has_from_1_to_20(executor: Executor, count: int, words: str) -> None:
    response = executor.http.post("/judge0/submissions/batch", json={"submissions": [{}] * count})
    assert (response.status_code, response.json()) == (400, {"error": words})
    tokens = ",".join(["x"] * count)
    response = executor.http.get("/judge0/submissions/batch", params={"tokens": tokens})
    assert (response.status_code, response.json()) == (400, {"error": words})


def _zip(files: dict[str, str]) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return base64.b64encode(buffer.getvalue()).decode()


def test_additional_files_lie_beside_the_source(executor: Executor) -> None:
    files = _zip({"data/a.txt": "one", "main.py": "print('not this one')"})
    answer = _waited(executor, _python("print(open('data/a.txt').read())", additional_files=files))
    assert answer["stdout"] == "one\n"


def test_a_project_brings_its_own_scripts(executor: Executor) -> None:
    files = _zip({"compile": "echo compiled; echo 5 > made.txt", "run": "cat made.txt; cat; exit 2"})
    answer = _waited(executor, {"language_id": 89, "additional_files": files, "stdin": "in"})
    assert (answer["stdout"], answer["exit_code"], answer["compile_output"]) == ("5\nin", 2, "compiled\n")
    answer = _waited(executor, {"language_id": 89, "additional_files": _zip({"compile.sh": "exit 1", "run.sh": ""})})
    assert answer["status"]["description"] == "Compilation Error"


@pytest.mark.parametrize(
    "files",
    ["bm8gemlw", _zip({"../x": "1"}), _zip({"/etc/x": "1"}), _zip({"bomb": "0" * (80 << 20)}), _zip({"-x": ""})],
)
def test_an_archive_that_leads_elsewhere_is_an_internal_error_in_words(executor: Executor, files: str) -> None:
    answer = _waited(executor, _python("print(1)", additional_files=files))
    assert answer["status"]["id"] == 13
    assert "additional_files" in answer["message"]


def test_what_there_is_can_be_asked_for(executor: Executor) -> None:
    languages = executor.http.get("/judge0/languages").json()
    names = {language["id"]: language["name"] for language in languages}
    assert names[71].startswith("Python (3.")
    assert names[89] == "Multi-file program"
    found = executor.http.get("/judge0/languages/all").json()
    assert {language["id"] for language in found} == set(names)
    assert not any(language["is_archived"] for language in found)
    assert executor.http.get("/judge0/languages/71").json()["source_file"] == "main.py"
    assert executor.http.get("/judge0/languages/x").status_code == 404
    statuses = executor.http.get("/judge0/statuses").json()
    assert [status["id"] for status in statuses] == list(range(1, 15))
    assert executor.http.get("/judge0/about").json()["version"] == "1.13.1"
    config = executor.http.get("/judge0/config_info").json()
    assert (config["max_submission_batch_size"], config["allow_enable_network"]) == (20, False)


@pytest.mark.parametrize("token", ["none", "00000000-0000-4000-8000-000000000000", "..%2f..%2fetc", "a" * 500, "é"])
def test_a_token_that_is_not_there_is_not_found(executor: Executor, token: str) -> None:
    response = executor.http.get(f"/judge0/submissions/{token}")
    assert response.status_code == 404
    assert "error" in response.json()


def test_what_is_no_json_is_a_400(executor: Executor) -> None:
    response = executor.http.post("/judge0/submissions", content="{")
    assert response.status_code == 400
    assert "JSON" in response.json()["error"]


def test_a_full_queue_is_told() -> None:
    with running({"EXECUTOR_ACCEPTED_MOST": "2"}) as server:
        for _ in range(2):
            assert _post(server, _python("import time; time.sleep(3)")).status_code == 201
        response = _post(server, _python())
        assert (response.status_code, response.json()) == (503, {"error": "queue is full"})
        batch = server.http.post("/judge0/submissions/batch", json={"submissions": [_python()]})
        assert batch.status_code == 503


def test_results_are_forgotten_after_their_time() -> None:
    with running({"EXECUTOR_ACCEPTED_SECONDS": "1"}) as server:
        token = _waited(server, _python())["token"]
        assert server.http.get(f"/judge0/submissions/{token}").status_code == 200
        assert until(lambda: server.http.get(f"/judge0/submissions/{token}").status_code == 404)


def test_what_was_accepted_is_run_before_the_replica_stops_and_any_replica_has_it(tmp_path: Path) -> None:
    settings = {"EXECUTOR_STORE": f"file://{tmp_path}"}
    with running(settings) as second:
        with running(settings) as first:
            tokens = [_post(first, _python("import time; time.sleep(0.5); print(7)")).json()["token"] for _ in range(3)]
        assert [_finished(second, token)["stdout"] for token in tokens] == ["7\n"] * 3


def test_a_key_comes_as_judge0s_token_and_results_are_their_owners() -> None:
    keys = ",".join(f"{name}:{hashlib.sha256(name.encode()).hexdigest()}" for name in ("one", "two"))
    with running({"EXECUTOR_API_KEYS": keys}) as server:
        response = _post(server, _python())
        assert (response.status_code, response.content) == (401, b"")
        mine, other = {"X-Auth-Token": "one"}, {"X-Auth-Token": "two"}
        token = server.http.post("/judge0/submissions", json=_python(), headers=mine).json()["token"]
        assert _finished(server, token, headers=mine)["stdout"] == "1\n"
        assert server.http.get(f"/judge0/submissions/{token}", headers=other).status_code == 404


def test_a_page_of_a_named_origin_may_ask_with_a_key() -> None:
    digest = hashlib.sha256(b"one").hexdigest()
    page, other = {"Origin": "https://course.example.org"}, {"Origin": "https://evil.example.org"}
    with running({"EXECUTOR_API_KEYS": f"one:{digest}", "EXECUTOR_FRAME_ORIGINS": page["Origin"]}) as server:
        # The browser's question comes without the key.
        question = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-auth-token,content-type"}
        asked = server.http.options("/judge0/submissions", headers=question | page)
        assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, page["Origin"])
        assert "x-auth-token" in asked.headers["Access-Control-Allow-Headers"]
        for headers, status in ((page, 401), (page | {"X-Auth-Token": "one"}, 201), (other | {"X-Auth-Token": "one"}, 201)):
            response = server.http.post("/judge0/submissions", json=_python(), headers=headers)
            assert response.status_code == status
            allowed = page["Origin"] if headers["Origin"] == page["Origin"] else None
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
        refused = server.http.options("/judge0/submissions", headers=question | other)
        assert "Access-Control-Allow-Methods" not in refused.headers
        # The executor's own interface is for no other page.
        assert "Access-Control-Allow-Origin" not in server.http.get("/languages", headers=page | {"X-API-Key": "one"}).headers


class _Listener(Handler):
    """Takes results, or sends their sender elsewhere."""

    taken: list[tuple[str, bytes]]

    def respond(self) -> None:
        type(self).taken.append((self.path, self.body()))
        self.answer(302 if self.path == "/moved" else 200, Location="/elsewhere")


@pytest.fixture
def listener() -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
    taken: list[tuple[str, bytes]] = []
    with serving(type("Listener", (_Listener,), {"taken": taken})) as port:
        yield port, taken


def test_a_result_is_sent_to_a_host_that_is_allowed(listener: tuple[int, list[tuple[str, bytes]]]) -> None:
    port, taken = listener
    settings = {"EXECUTOR_CALLBACK_HOSTS": f"localhost:{port}", "EXECUTOR_TEST_PRIVATE_CALLBACKS": "1"}
    with running(settings) as server:
        for query in ({}, {"wait": "true"}):
            assert _post(server, _python(callback_url=f"http://localhost:{port}/done"), **query).status_code == 201
        assert until(lambda: len(taken) == 2)
        path, body = taken[0]
        assert path == "/done"
        assert b'"stdout":"MQo=\\n"' in body
        # A redirection could lead anywhere.
        _post(server, _python(callback_url=f"http://localhost:{port}/moved"))
        assert until(lambda: len(taken) == 3)
        time.sleep(0.5)
        assert [path for path, _ in taken] == ["/done", "/done", "/moved"]


def test_an_allowed_host_that_is_in_a_private_network_gets_nothing(listener: tuple[int, list[tuple[str, bytes]]]) -> None:
    port, taken = listener
    with running({"EXECUTOR_CALLBACK_HOSTS": f"localhost:{port},127.0.0.1:{port}"}) as server:
        for host in ("localhost", "127.0.0.1", "localhost."):
            token = _post(server, _python(callback_url=f"http://{host}:{port}/")).json()["token"]
            _finished(server, token)
        time.sleep(2)
    assert taken == []


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/", "http://other.example/", "http://good.example@evil.example/", "http://u:p@good.example/",
     "http://good.example.evil.example/", "ftp://good.example/", "file:///etc/passwd", "//good.example/", "good.example",
     "http://good.example:22/", "http://good.example:99999/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/",
     "http://good.example\\@evil.example/", "http://evil.example#good.example", "http://evil.example?good.example",
     "http://good\u3002example/", "http://good.example\n.evil.example/", "javascript:alert(1)", ""],
)  # fmt: skip
def test_a_way_around_the_list_of_hosts_is_none(url: str) -> None:
    assert problem(url, ("good.example", "port.example:8443"))


def test_hosts_of_the_list_are_allowed_with_their_ports() -> None:
    hosts = ("good.example", "port.example:8443")
    for url in (
        "http://good.example/x?y",
        "https://GOOD.example:443/",
        "https://port.example:8443/",
        "http://good.example./",
    ):
        assert problem(url, hosts) == ""
    assert problem("https://port.example/", hosts)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "168.63.129.16",
     "100.64.0.1", "::ffff:168.63.129.16", "0.0.0.0",  # noqa: S104 - nothing is bound
     "255.255.255.255", "224.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
     "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "192.0.2.1"],
)  # fmt: skip
def test_an_address_of_a_private_network_is_known_in_every_form(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are_public() -> None:
    assert all(is_public(address) for address in ("8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"))
