"""`executor-client problem`: packages are verified, put and judged by, with an executor that really runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from executor_client import overload
from executor_client.problem_folder import FolderError, submissions, validator_flags, zipped

from devtools.executor import Executor
from tests.problems.packages import FOLDER

PACKAGES = sorted(path.name for path in FOLDER.iterdir())


def run(executor: Executor, *words: str | Path) -> tuple[int, str]:
    """Exit code, and everything that was printed, without line breaks of the table's own."""
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200", "EXECUTOR_URL": executor.url}
    command = (sys.executable, "-m", "executor_client.command", "problem", *map(str, words))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def timed(tmp_path: Path) -> Path:
    """A package of the test's own to change, with a submission that takes too long."""
    return Path(shutil.copytree(FOLDER / "mean", tmp_path / "mean"))


@pytest.fixture
def package(timed: Path) -> Path:
    """The same without it: what takes too long is tried with longer and longer limits."""
    shutil.rmtree(timed / "submissions/time_limit_exceeded")
    return timed


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_whose_submissions_do_as_expected_are_verified(executor: Executor, name: str) -> None:
    if name in ("divisors", "heaviest", "pairs", "peaks") and "cpp" not in executor.languages():
        pytest.skip("no toolchain for cpp on this machine")
    code, printed = run(executor, "verify", FOLDER / name)
    assert code == 0, printed
    assert all(program.name in printed for program, _ in submissions(FOLDER / name))


def test_the_slowest_accepted_proposes_a_limit_and_the_fastest_that_exceeds_it_is_looked_for_beyond_it(
    executor: Executor, timed: Path
) -> None:
    code, printed = run(executor, "verify", timed)
    assert code == 0
    assert "times 4 a limit of 0.5 s is proposed; the package's is 1 s" in printed
    beyond = float(printed.partition("fastest over the time limit: at least ")[2].split()[0])
    assert beyond >= 2


def test_a_submission_that_does_otherwise_ends_with_1_and_is_shown(executor: Executor, package: Path) -> None:
    (package / "submissions/wrong_answer/right.py").write_text((package / "submissions/accepted/mean.py").read_text())
    code, printed = run(executor, "verify", package)
    assert code == 1
    assert "accepted: expected wrong_answer" in printed


def test_what_the_executor_has_no_language_for_is_named_and_no_difference(executor: Executor, package: Path) -> None:
    (package / "submissions/accepted/mean.zz").write_text("")
    (package / "submissions/accepted/old.py").write_text("#!/usr/bin/env python2\nprint 1\n")
    (package / "submissions/accepted/facts.pl").write_text(":- initialization(main).\n")
    (package / "input_validators/grammar.ctd").write_text("INT(1, 5) EOF")
    code, printed = run(executor, "verify", package)
    assert code == 0, printed
    assert "not judged: the executor has no zz" in printed
    assert "not judged: the executor has no python2" in printed
    assert "not judged: the executor has no prolog" in printed
    assert "input validator grammar.ctd was not run: the executor has no ctd" in printed


def test_one_does_not_look_beyond_what_the_executor_allows(executor: Executor, timed: Path) -> None:
    (timed / ".timelimit").write_text("6\n")
    (timed / "submissions/time_limit_exceeded/waits.py").write_text("while True: pass\n")
    code, printed = run(executor, "verify", timed)
    assert code == 0, printed
    assert float(printed.partition("fastest over the time limit: at least ")[2].split()[0]) >= 6


def test_in_newer_formats_a_part_of_the_points_needs_no_verdict(executor: Executor, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDER / "pairs", tmp_path / "pairs"))
    for path in (folder / "submissions").rglob("*.cpp"):
        path.unlink()
    (folder / "submissions/submissions.yaml").unlink()
    code, printed = run(executor, "verify", folder)
    assert code == 0, printed
    (folder / "submissions/partially_accepted/quadratic.py").unlink()
    shutil.copy(folder / "submissions/accepted/counts.py", folder / "submissions/partially_accepted/all.py")
    code, printed = run(executor, "verify", folder)
    assert code == 1
    assert "expected less than all points" in printed


def test_points_that_differ_end_with_1(executor: Executor, tmp_path: Path) -> None:
    package = Path(shutil.copytree(FOLDER / "pairs", tmp_path / "pairs"))
    shutil.rmtree(package / "submissions")
    (package / "submissions/partially_accepted").mkdir(parents=True)
    (package / "submissions/partially_accepted/none.py").write_text("# @EXPECTED_SCORE@: 12\nprint(2)\n")
    (package / "submissions/submissions.yaml").write_text("partially_accepted: {permitted: [AC, WA]}\n")
    code, printed = run(executor, "verify", package)
    assert code == 1
    assert "wrong_answer: expected 12 points" in printed


def test_an_input_that_the_validator_refuses_ends_with_1(executor: Executor, package: Path) -> None:
    (package / "data/secret/03.in").write_text("2\n1 2 3\n")
    (package / "data/secret/03.ans").write_text("2\n")
    code, printed = run(executor, "verify", package)
    assert code == 1
    assert "input validator lines.py refuses data/secret/03.in: exit code 43" in printed


def test_a_package_that_is_not_valid_ends_with_2_and_names_each_fault(executor: Executor, package: Path) -> None:
    (package / "data/secret/01-one.ans").unlink()
    (package / "problem.yaml").write_text("nmae: x\n")
    for action in ("verify", "push"):
        code, printed = run(executor, action, package)
        assert code == 2
        assert "data/secret/01-one.in" in printed
        assert "nmae is not known" in printed


def test_a_folder_that_is_no_package_and_a_program_that_is_none_end_with_2(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "noting").write_text("x")
    for words in (("verify", tmp_path), ("push", tmp_path / "absent"), ("judge", FOLDER / "mean", tmp_path / "noting")):
        code, printed = run(executor, *words)
        assert code == 2
        assert "FolderError" in printed


def test_pushing_gives_the_same_name_again_and_judging_by_it_works(executor: Executor, package: Path) -> None:
    code, name = run(executor, "push", package)
    assert (code, name[:7]) == (0, "sha256:")
    os.utime(package / "problem.yaml", (0, 0))
    (package.parent / "package.zip").write_bytes(zipped(package))
    assert run(executor, "push", package.parent / "package.zip") == (0, name)
    code, printed = run(executor, "judge", name.strip(), package / "submissions/accepted/mean.py")
    assert code == 0
    assert "accepted: 3 of 3 passed" in printed
    code, printed = run(executor, "judge", package, package / "submissions/wrong_answer/whole.py")
    assert code == 1
    assert "skipped" in printed


def test_flags_of_input_validators_come_from_the_nearest_file(tmp_path: Path) -> None:
    (tmp_path / "data/secret/a").mkdir(parents=True)
    (tmp_path / "data/testdata.yaml").write_text("input_validator_flags: max 10\n")
    (tmp_path / "data/secret/a/test_group.yaml").write_text("input_validator_args: [one two, three]\n")
    assert validator_flags(tmp_path, tmp_path / "data/secret/a/1.in") == ("one two", "three")
    assert validator_flags(tmp_path, tmp_path / "data/secret/1.in") == ("max", "10")


def test_links_and_hidden_files_stay_out_of_the_zip(package: Path) -> None:
    before = zipped(package)
    (package / ".git").mkdir()
    (package / ".git/config").write_text("x")
    (package / "link").symlink_to("/etc/passwd")
    assert zipped(package) == before
    (package / "problem.yaml").unlink()
    with pytest.raises(FolderError):
        zipped(package)


def test_a_submission_that_was_overloaded_is_judged_by_its_problem_anew() -> None:
    request = {"language": "python", "code": "x", "problem": "sha256:00"}
    first = {"problem": "sha256:00", "test_results": [{"id": "a", "status": "overloaded"}], "status": "overloaded"}
    assert overload.again(request, first) == request
    newer = {"problem": "sha256:00", "test_results": [{"id": "a", "status": "accepted"}], "status": "accepted"}
    assert overload.merged(first, newer) == newer


def test_points_of_what_was_judged_anew_are_added() -> None:
    answer = {
        "test_results": [{"id": "a", "status": "accepted", "score": 2.0}, {"id": "b", "status": "overloaded", "score": 0.0}],
        "score": 2.0,
        "max_score": 5.0,
    }
    newer = {"test_results": [{"id": "b", "status": "accepted", "score": 3.0}], "score": 3.0}
    assert overload.merged(answer, newer)["score"] == 5.0


def test_a_submission_that_waits_says_nothing_of_the_time_limit(executor: Executor, timed: Path) -> None:
    (timed / "submissions/time_limit_exceeded/waits.py").write_text("import time\ntime.sleep(60)\n")
    code, printed = run(executor, "verify", timed)
    assert code == 0
    assert "fastest over the time limit" not in printed
