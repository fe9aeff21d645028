"""The client with an executor that really runs."""

import asyncio
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from executor_client import (
    AsyncExecutorClient,
    Backoff,
    ConfigurationError,
    Execution,
    ExecutorClient,
    File,
    InvalidRequestError,
    Submission,
    TestCase,
    UnauthorizedError,
    execute_code_in_session,
)

from devtools.engine_double import Secret
from devtools.executor import ROOT, Executor, running
from tests.client.misbehaving import GOOD, misbehaving, says
from tests.infra.program import APP, deploy, update

_KEY = "the backend's own key"
_README = ROOT / "client" / "README.md"


@pytest.fixture(scope="module")
def server() -> Iterator[Executor]:
    """Asks for the key that a stack's secret names: what the Pulumi program deploys is what this executor starts with."""
    engine = deploy("contest", update(), apiKeys=f"backend:{hashlib.sha256(_KEY.encode()).hexdigest()}")
    app = engine.only(APP)
    (environment,) = app.inputs["template"]["containers"]
    variable = next(item for item in environment["env"] if "secretRef" in item)
    (secret,) = _clear(app.inputs["configuration"])["secrets"]
    assert variable["secretRef"] == secret["name"]
    with running({variable["name"]: _clear(secret["value"])}) as executor:
        yield executor


def _clear(value: Any) -> Any:
    return value.value if isinstance(value, Secret) else value


@pytest.fixture
def client(server: Executor) -> Iterator[ExecutorClient]:
    with ExecutorClient(server.url, _KEY, deadline=30) as made:
        yield made


def test_the_key_whose_hash_the_stack_deploys_opens_and_another_does_not(server: Executor, client: ExecutorClient) -> None:
    assert client.execute("python", "print(42)").run.stdout == "42\n"
    for wrong in (None, "another key"):
        with ExecutorClient(server.url, wrong) as stranger, pytest.raises(UnauthorizedError) as caught:
            stranger.execute("python", "print(42)")
        assert (caught.value.status, caught.value.code) == (401, "unauthorized")


def test_run_and_judge(client: ExecutorClient) -> None:
    answer = client.execute("py", "print(input())", stdin="so be it\n", user_id="u", question_id="q")
    assert (answer.language, answer.run.stdout, answer.run.status) == ("python", "so be it\n", "ok")
    assert (answer.user_id, answer.question_id) == ("u", "q")
    cases = [TestCase("a", "2", "4"), TestCase("b", "3", "9"), TestCase("c", "4", "17")]
    verdict = client.judge("python", "print(int(input()) ** 2)", cases)
    assert (verdict.status, verdict.passed, verdict.total) == ("wrong_answer", 2, 3)
    assert [result.passed for result in verdict.test_results] == [True, True, False]
    files = (File("main.py", "import data; print(data.x)"), File("data.py", "eCA9IDc=", "base64"))
    assert client.execute("python", files=files).run.stdout == "7\n"


def test_a_submission_that_is_not_valid_is_refused_with_its_field(client: ExecutorClient) -> None:
    with pytest.raises(InvalidRequestError, match="timeout must be above 0") as caught:
        client.execute("python", "print(1)", timeout=-1)
    assert [error.field for error in caught.value.errors] == ["timeout"]
    with pytest.raises(InvalidRequestError, match="unknown_language"):
        client.execute("cobol", "x")
    with pytest.raises(InvalidRequestError, match="cannot be written as JSON"):
        client.send({"language": "python", "code": object()})


def test_many_come_back_in_order_each_with_its_own_answer_or_error(client: ExecutorClient) -> None:
    told: list[tuple[int, int]] = []
    codes = [f"print({number})" for number in range(30)]
    many = [Submission(language="python" if number != 7 else "cobol", code=code) for number, code in enumerate(codes)]
    answers = client.execute_many(many, concurrency=30, progress=lambda done, total: told.append((done, total)))
    assert isinstance(answers[7], InvalidRequestError)
    answered = [answer.run.stdout for answer in answers if isinstance(answer, Execution)]
    assert answered == [f"{number}\n" for number in range(30) if number != 7]
    assert told == [(number, 30) for number in range(1, 31)]


def test_a_queue_that_is_too_short_costs_time_and_no_answer() -> None:
    with running({"EXECUTOR_QUEUE_LENGTH": "1", "EXECUTOR_QUEUE_SECONDS": "0.05"}) as small:
        with ExecutorClient(small.url, deadline=60, backoff=Backoff(0.1, 0.5)) as client:
            many = [Submission(language="python", code=f"print({number})") for number in range(20)]
            answers = client.execute_many(many, concurrency=20)
        assert [answer.run.stdout for answer in answers if isinstance(answer, Execution)] == [f"{n}\n" for n in range(20)]


def test_a_client_that_leaves_is_gone_within_its_deadline_and_the_executor_goes_on(server: Executor) -> None:
    async def leave() -> None:
        async with AsyncExecutorClient(server.url, _KEY) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.execute("python", "while True: pass", timeout=9), 0.5)
            started = time.monotonic()
            assert (await client.execute("python", "print(1)")).run.stdout == "1\n"
            assert time.monotonic() - started < 8  # the program would go on for nine

    asyncio.run(leave())


def test_a_worker_that_a_server_forks_after_the_first_call_has_a_client_that_works(client: ExecutorClient) -> None:
    assert client.execute("python", "print(6)").run.status == "ok"
    if (child := os.fork()) == 0:
        os._exit(0 if client.execute("python", "print(6)").run.stdout == "6\n" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_backend_s_function_gives_the_executor_s_answer(server: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="EXECUTOR_URL is not set"):
        execute_code_in_session({"language": "python", "code": "print(42)"})
    monkeypatch.setenv("EXECUTOR_URL", server.url)
    monkeypatch.setenv("EXECUTOR_API_KEY", _KEY)
    answer = execute_code_in_session({"language": "python", "code": "print(42)", "stdin": "", "timeout": 5})
    assert answer["run"].items() >= {"stdout": "42\n", "stderr": "", "code": 0}.items()
    assert answer["language"] == "python"
    case = {"id": "test_1", "input": "", "expected_output": "42"}
    body = {"language": "python", "code": "print(42)", "test_cases": [case], "user_id": "test", "question_id": "test"}
    answer = execute_code_in_session(body)
    assert (answer["status"], answer["test_results"][0]["id"], answer["user_id"]) == ("accepted", "test_1", "test")
    monkeypatch.setenv("EXECUTOR_HOSTING", "cloud")
    with pytest.raises(ConfigurationError, match="must be one of app, local, sessions"):
        execute_code_in_session(body)


class _Credential:
    """Gives tokens that end after `seconds`."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str) -> Any:
        self.scopes += scopes
        return SimpleNamespace(token=f"token-{len(self.scopes)}", expires_on=int(time.time()) + self.seconds)


def test_a_field_that_the_executor_does_not_know_is_refused_unless_the_client_is_told_otherwise(
    server: Executor, client: ExecutorClient
) -> None:
    request = {"language": "python", "code": "print(42)", "test_case": [{"id": "1"}]}
    with pytest.raises(InvalidRequestError, match="did you mean test_cases") as caught:
        client.send(request)
    assert [error.field for error in caught.value.errors] == ["test_case"]
    with ExecutorClient(server.url, _KEY, strict=False) as lenient:
        assert lenient.send(request)["warnings"] == [
            {"field": "test_case", "message": "is not a field; did you mean test_cases?"}
        ]


@pytest.mark.parametrize(("seconds", "tokens"), [(3600, ["token-1", "token-1"]), (60, ["token-1", "token-2"])])
def test_a_session_pool_gets_a_session_for_each_user_a_token_and_the_key(seconds: int, tokens: list[str]) -> None:
    credential = _Credential(seconds)
    with misbehaving(says(GOOD)) as pool:
        with ExecutorClient(pool.url, _KEY, session_pool=True, credential=credential) as client:
            for user in ("ann@example.org", "b"):
                client.execute("python", "print(42)", user_id=user)
            with pytest.raises(ConfigurationError, match="needs user_id"):
                client.execute("python", "print(42)")
        users = [re.match(r"POST /execute\?identifier=([0-9a-f]{64})&strict=1 ", head) for head in pool.heads]
        assert len({user[1] for user in users if user}) == 2
        assert [re.findall(r"Authorization: Bearer (\S+)", head) for head in pool.heads] == [[token] for token in tokens]
        assert all(f"X-API-Key: {_KEY}" in head for head in pool.heads)
        assert set(credential.scopes) == {"https://dynamicsessions.io/.default"}


def test_without_any_azure_credential_a_session_pool_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with misbehaving(says(GOOD)) as pool, ExecutorClient(pool.url, session_pool=True) as client:
        with pytest.raises(UnauthorizedError, match="Azure gave no token"):
            client.execute("python", "print(42)", user_id="ann")
        assert not pool.heads


def _command(server: Executor | None, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXECUTOR_")}
    if server:
        environment |= {"EXECUTOR_URL": server.url, "EXECUTOR_API_KEY": _KEY}
    return subprocess.run(
        (Path(sys.executable).with_name("executor-client"), *arguments), env=environment, input=stdin, capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_command_runs_judges_and_loads(server: Executor, tmp_path: Path) -> None:
    program = tmp_path / "square.py"
    program.write_text("print(int(input()) ** 2)")
    cases = tmp_path / "cases.json"
    cases.write_text('[{"id": "two", "input": "2", "expected_output": "4"}]')
    done = _command(server, "run", str(program), stdin="5")
    assert (done.returncode, done.stdout) == (0, "25\n")
    assert "ok, exit code 0" in done.stderr
    assert _command(server, "run", str(program), stdin="five").returncode == 1
    done = _command(server, "judge", str(program), str(cases))
    assert done.returncode == 0, done.stderr
    assert "accepted: 1 of 1 passed" in done.stdout
    done = _command(server, "load", "--users", "10", "--questions", "2")
    assert done.returncode == 0, done.stderr
    assert re.search(r"right\s+│\s+20", done.stdout)
    assert "20/20" in done.stderr


def test_the_command_says_what_is_wrong_in_a_line(server: Executor, tmp_path: Path) -> None:
    program = tmp_path / "p.py"
    program.write_text("print(1)")
    unnamed = tmp_path / "p"
    unnamed.write_text("print(1)")
    for where, arguments, words in (
        (None, ("run", str(program)), "give --url, or set EXECUTOR_URL"),
        (server, ("run", str(tmp_path / "nothing.py")), "cannot be read"),
        (server, ("run", str(unnamed)), "name it with --language"),
        (server, ("judge", str(program), str(program)), "is not a list of"),
        (server, ("load", "--users", "0"), "must be from 1 to"),
        (server, ("--url", "http://127.0.0.1:1", "--deadline", "0.5", "run", str(program)), "ConnectionFailedError"),
    ):
        done = _command(where, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr.replace("\n", " ")
        assert "Traceback" not in done.stderr


def test_the_readme_s_examples_work_as_they_stand(server: Executor, tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", _README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(examples) >= 4
    environment = os.environ | {"EXECUTOR_URL": server.url, "EXECUTOR_API_KEY": _KEY}
    for example in examples:
        done = subprocess.run(
            (sys.executable, "-c", example), env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        shown = re.findall(r"# prints (.*)", example)
        assert done.stdout.splitlines() == shown
