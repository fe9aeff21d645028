"""The evening before, small: an app that scales as Azure documents it, rehearsed once where it holds and once where not."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from executor_client.capacity import Scaling

from devtools.executor import ROOT, until
from loadtest import azure_stand_in

_FACTOR = 5.0


@pytest.fixture(autouse=True)
def haproxy() -> None:
    if shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        if os.environ.get("REQUIRE_IMAGE_TESTS") == "1":
            pytest.fail("haproxy is not installed, and this test must not be skipped here")
        pytest.skip("haproxy is not installed: the stand-in is not tested")


def _client(folder: Path, *words: str) -> tuple[int, str]:
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
    command = (sys.executable, "-m", "executor_client.command", *words)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def _rehearse(url: str, folder: Path, *words: str) -> tuple[int, str, dict[str, Any]]:
    common = ("--arrival", "burst", "--languages", "python,bash", "--work", "0.1", "--deadline", "240")
    code, said = _client(
        folder, "rehearse", "--url", url, *common, "--scaler-interval", f"{15 / _FACTOR:g}", "--max", "4", *words
    )
    return code, said, json.loads((folder / "rehearsal.json").read_bytes())


def test_an_evening_that_holds_and_one_that_does_not_are_told_apart(tmp_path: Path) -> None:
    scaling = Scaling(minimum=2, maximum=4, start_seconds=2.0)
    with azure_stand_in.running(scaling, time_factor=_FACTOR) as app:
        code, said, report = _rehearse(app.url, tmp_path, "--users", "10", "--questions", "1", "--within", "200")
        assert code == 0, said
        assert report["verdict"]["kind"] == "holds"
        assert (report["findings"]["answers"], report["findings"]["lost"], report["findings"]["wrong"]) == (10, 0, 0)
        # Sleeping programs keep replicas, whatever else this machine does: ten seconds of four, at least.
        words = ("--users", "40", "--questions", "1", "--within", "2", "--pace", "0.5")
        code, said, report = _rehearse(app.url, tmp_path, *words)
        assert code == 1, said
        assert (report["findings"]["answers"], report["findings"]["lost"], report["findings"]["wrong"]) == (40, 0, 0)
        assert report["verdict"]["kind"] == "does not hold"
        assert "4 replicas at most are too few" in report["verdict"]["sentence"]
        assert "maxReplicas" in report["verdict"]["setting"]
        assert len(report["findings"]["replicas"]) == len(app.ready) == 4
        assert max(look.desired for look in app.looks) > 4


def test_an_app_that_is_asleep_wakes_and_is_said_to_have_slept(tmp_path: Path) -> None:
    scaling = Scaling(minimum=0, maximum=2, start_seconds=15.0)
    with azure_stand_in.running(scaling, time_factor=_FACTOR) as app:
        code, said, report = _rehearse(
            app.url, tmp_path, "--users", "4", "--questions", "1", "--within", "200", "--warm", "0"
        )
    assert code == 0, said
    assert report["findings"]["first_answer"] > 2
    assert "the app was asleep" in said


def test_a_replica_that_is_killed_in_the_middle_loses_no_answer(tmp_path: Path) -> None:
    with azure_stand_in.running(Scaling(minimum=2, maximum=2), time_factor=_FACTOR) as app:
        killed = threading.Event()

        def kill() -> None:
            # The quiet run sends one request at a time; a burst more than that.
            if until(lambda: app.looks and max(look.rate for look in app.looks) > 5, 200):
                app.ready[0].signal(SIGKILL)
                killed.set()

        thread = threading.Thread(target=kill)
        thread.start()
        words = ("--users", "60", "--questions", "1", "--within", "230", "--pace", "0.5", "--warm", "2")
        code, said, report = _rehearse(app.url, tmp_path, *words)
        thread.join()
    assert killed.is_set()
    assert code == 0, said
    assert (report["findings"]["answers"], report["findings"]["lost"], report["findings"]["wrong"]) == (60, 0, 0)
    assert any(status in report["findings"]["statuses"] for status in ("0", "502", "503")), report["findings"]["statuses"]


def test_prewarming_brings_just_so_many_replicas_and_they_go_when_it_ends(tmp_path: Path) -> None:
    scaling = Scaling(minimum=1, maximum=4, start_seconds=2.0, stabilization=45.0)
    with azure_stand_in.running(scaling, time_factor=_FACTOR) as app:
        code, said = _client(tmp_path, "prewarm", "--url", app.url, "--replicas", "3", "--until", "+0.5")
        assert code == 0, said
        assert "3 of 3 replicas came" in said
        assert max(look.replicas for look in app.looks) == 3
        assert until(lambda: len(app.ready) == 1, 60)


def test_the_command_refuses_what_makes_no_app() -> None:
    command = (sys.executable, "-m", "loadtest.azure_stand_in", "--min", "5", "--max", "2")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "0 <= min <= max <= 40" in done.stderr
