"""`record` in judged answers: what a judgement was made of, and that the same request with its seed makes it again."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor, running, until
from tests.warm.programs import run_cold, run_warm, warm_runs

# Where strings are in a set, their order goes by the seed.
_ORDER = "print(*{f'word{number}' for number in range(40)})"
_CASE = [{"id": "1", "input": "", "expected_output": "?"}]


def _order(executor: Executor, **fields: Any) -> tuple[str, dict[str, Any]]:
    """What the program printed, and the record."""
    answer = executor.judge("python", _ORDER, _CASE, **fields)
    return answer["test_results"][0]["stdout"], answer["record"]


def test_a_record_has_what_a_judgement_was_made_of(executor: Executor) -> None:
    code, case = "print(input())", {"id": "1", "input": "5", "expected_output": "5"}
    answer = executor.judge("py", code, [case], time_limit=2, memory_limit_mb=64)
    record, health = answer["record"], executor.health()
    assert record["source"] == f"sha256:{hashlib.sha256(code.encode()).hexdigest()}"
    assert record["problem"] is None
    assert record["image"].partition("+")[0] == health["version"]
    assert record["language"] == {"name": "python", "version": answer["version"]}
    assert (record["limits"]["cpu_time"], record["limits"]["wall_time"]) == (2000, 5000)
    assert (record["limits"]["memory"], record["limits"]["processes"]) == (64 << 20, 10)
    force = health["isolation"]
    assert ("seccomp" in record["walls"]) == force["seccomp"]
    assert (f"landlock {force['landlock_abi']}" in record["walls"]) == (force["landlock_abi"] > 0)
    assert 0 <= record["seed"] < 1 << 32


def test_a_plain_answer_has_no_record(executor: Executor) -> None:
    assert "record" not in executor.post({"language": "python", "code": "print(1)"}).json()


def test_the_digest_of_several_files_is_that_of_what_sha256sum_prints(executor: Executor, tmp_path: Path) -> None:
    files = {"main.py": "import other", "other.py": "x = 1"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    lines = subprocess.run(("sha256sum", *files), cwd=tmp_path, check=True, capture_output=True).stdout
    program = [{"name": name, "content": text} for name, text in files.items()]
    answer = executor.post({"language": "python", "files": program, "test_cases": _CASE}).json()
    assert answer["record"]["source"] == f"sha256:{hashlib.sha256(lines).hexdigest()}"


def test_the_seed_of_a_record_makes_the_same_order_again_in_another_executor(executor: Executor) -> None:
    first, record = _order(executor)
    with running() as other:
        own, elsewhere = _order(other)
        assert elsewhere["seed"] != record["seed"]
        assert own != first
        replayed, again = _order(other, seed=record["seed"])
    assert replayed == first
    assert again == {**elsewhere, "seed": record["seed"]}


def test_warm_and_cold_runs_of_one_start_have_the_same_seed(executor: Executor) -> None:
    warm = run_warm(executor, {"language": "python", "code": _ORDER})
    cold = run_cold(executor, {"language": "python", "files": [{"name": "other.py", "content": _ORDER}]})
    assert warm["stdout"] == cold["stdout"]


def test_only_a_seed_that_is_not_the_replica_s_own_goes_without_a_warm_worker(executor: Executor) -> None:
    _, record = _order(executor)
    before = warm_runs(executor)
    _order(executor, seed=(record["seed"] + 1) % (1 << 32))
    assert warm_runs(executor) == before
    assert until(lambda: _order(executor, seed=record["seed"]) and warm_runs(executor) > before)


def test_a_checker_has_the_seed_as_well(executor: Executor) -> None:
    code = f"import sys\n{_ORDER[:-1]}, file=sys.stderr)\nsys.exit(43)"
    checker = {"language": "python", "code": code}
    found = [
        executor.judge("python", "print(1)", _CASE, checker=checker, seed=seed)["test_results"][0]["judge_feedback"]
        for seed in (7, 7, 8)
    ]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("language", ["perl", "pypy"], indirect=True)
def test_other_languages_with_a_seed_are_given_it(executor: Executor, language: str) -> None:
    code = {
        "perl": "my %x = map { $_ => 1 } 'a'..'z'; print join(' ', keys %x);",
        "pypy": "print(hash('word'))",
    }[language]
    found = [executor.judge(language, code, _CASE, seed=seed)["test_results"][0]["stdout"] for seed in (7, 7, 8)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("seed", [-1, 1 << 32, 1.5, "1"])
def test_a_seed_is_a_number_that_python_takes(executor: Executor, seed: Any) -> None:
    response = executor.post({"language": "python", "code": "1", "seed": seed})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "seed"


def test_python_alone_makes_the_same_of_a_seed(executor: Executor) -> None:
    version = executor.judge("python", "import sys; print(sys.version)", _CASE)["test_results"][0]["stdout"].strip()
    if version != sys.version:
        pytest.skip("programs have another Python than this one")
    command = (sys.executable, "-c", _ORDER)
    own = subprocess.run(command, env={"PYTHONHASHSEED": "5"}, check=True, capture_output=True, text=True)
    assert _order(executor, seed=5)[0] == own.stdout
