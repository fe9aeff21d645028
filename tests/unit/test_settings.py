"""Settings: each wrong one is named, all at once, and nothing starts."""

import dataclasses
import socket

import pytest

from devtools.executor import refused_start
from runtime.settings import Settings, SettingsError, read_settings

_WRONG = {
    "HOST": "", "PORT": "abc", "CONCURRENCY": "0", "QUEUE_SECONDS": "-1", "QUEUE_LENGTH": "1.5",
    "DEFAULT_TIMEOUT_SECONDS": "nan", "MAX_TIMEOUT_SECONDS": "1000", "MAX_TIME_LIMIT_SECONDS": "x",
    "MAX_STRETCH": "0.5", "COMPILE_TIME_LIMIT_SECONDS": "-1",
    "COMPILE_TIMEOUT_SECONDS": "0", "DEFAULT_MEMORY_MB": "1", "MAX_MEMORY_MB": "many", "COMPILE_MEMORY_MB": "2",
    "COMPILE_CACHE_MB": "-1", "MAX_PROCESSES": "0",
    "MAX_TASKS": "1", "MAX_FILE_MB": "0", "MAX_DISK_MB": "0", "MAX_FILES": "1",
    "MAX_OUTPUT_KB": "0", "MAX_BODY_MB": "inf", "MAX_RETURNED_MB": "0", "MAX_TEST_CASES": "0",
    "MAX_JUDGED_OUTPUT_KB": "0", "MAX_CASE_OUTPUT_KB": "65537", "MAX_UNSENT_MB": "0", "MAX_JUDGING_SECONDS": "0",
    "CHECKER_SECONDS": "0", "CHECKER_MEMORY_MB": "1", "STORE": "", "STORE_SECONDS": "0", "STORE_CACHE_MB": "0",
    "MAX_PROBLEM_MB": "0", "JUDGE_KEYS": "a,,b", "DRAIN_SECONDS": "-5", "WORK_DIR": "", "CACHE_DIR": "",
    "MAX_BODIES_MB": "0", "BODY_SECONDS": "0", "HEADER_SECONDS": "soon", "SEND_SECONDS": "-1", "IDLE_SECONDS": "0",
    "MAX_HEADER_KB": "0", "MAX_HEADERS": "1", "MAX_CONNECTIONS": "0", "MAX_LIVE_SESSIONS": "-1",
    "APIS": "cgi", "ACCEPTED_MOST": "-1", "ACCEPTED_MB": "0", "ACCEPTED_SECONDS": "0", "CALLBACK_HOSTS": "a/b",
    "TEST_PRIVATE_CALLBACKS": "x", "JOBE_CPU_SECONDS": "0", "JOBE_FILES_MB": "0",
    "PATH": "", "API_KEYS": "secret", "ALLOW_WEAK_ISOLATION": "yes", "LOG_LEVEL": "loud", "TEST_DISABLE_LAYERS": "walls",
    "TEST_LANDLOCK_ABI": "-1", "TEST_LEASE_SECONDS": "0", "PLAYGROUND": "yes", "FRAME_ORIGINS": "moodle.example.org",
}  # fmt: skip


def test_without_any_variable_the_defaults_hold() -> None:
    assert read_settings({"PATH": "/bin"}) == Settings()


def test_every_setting_has_a_wrong_value_here() -> None:
    assert {field.name.upper() for field in dataclasses.fields(Settings)} == set(_WRONG)


@pytest.mark.parametrize("name", _WRONG)
def test_a_wrong_value_is_named_with_what_would_be_right(name: str) -> None:
    shown = "not what it must be" if name == "API_KEYS" else repr(_WRONG[name])
    with pytest.raises(SettingsError, match=f"EXECUTOR_{name} is {shown}: must be "):
        read_settings({f"EXECUTOR_{name}": _WRONG[name]})


def test_all_wrong_settings_are_told_at_once_and_nothing_starts() -> None:
    code, words = refused_start({"EXECUTOR_PORT": "abc", "EXECUTOR_CONCURRENCY": "none", "EXECUTOR_CONCURENCY": "1"})
    assert code == 2
    assert "EXECUTOR_PORT is 'abc': must be a whole number from 0 to 65535" in words
    assert "EXECUTOR_CONCURRENCY is 'none'" in words
    assert "EXECUTOR_CONCURENCY is not a setting; did you mean EXECUTOR_CONCURRENCY?" in words


@pytest.mark.parametrize("name", ["EXECUTOR_URL", "EXECUTOR_API_KEY", "EXECUTOR_HOSTING"])
def test_what_is_meant_for_the_client_is_told_apart(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({name: "x"})
    assert caught.value.problems == [
        f"{name} is a setting of the client, not of the executor: unset it where the executor starts"
    ]


def test_only_a_name_that_is_near_is_proposed() -> None:
    with pytest.raises(SettingsError, match=r"EXECUTOR_ZZZ is not a setting$"):
        read_settings({"EXECUTOR_ZZZ": "1"})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EXECUTOR_PATH", "/nonexistent", "EXECUTOR_PATH is '/nonexistent': no language's toolchain is there"),
        ("EXECUTOR_WORK_DIR", "/nonexistent", "EXECUTOR_WORK_DIR: cannot write to '/nonexistent'"),
    ],
)
def test_a_start_that_could_run_nothing_is_refused(name: str, value: str, words: str) -> None:
    assert refused_start({name: value}) == (2, f"The executor was not started:\n{words}\n")


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"EXECUTOR_DEFAULT_TIMEOUT_SECONDS is 9\.0: must be at most EXECUTOR_MAX_TIMEOUT"
    ):
        read_settings({"EXECUTOR_DEFAULT_TIMEOUT_SECONDS": "9", "EXECUTOR_MAX_TIMEOUT_SECONDS": "5"})


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, words = refused_start({"EXECUTOR_PORT": str(taken.getsockname()[1])})
    assert code == 3
    assert "EXECUTOR_PORT" in words


@pytest.mark.parametrize("url", ["relative/folder", "http://host/x", "az://account", "s3://bucket?secret_access_key=x"])
def test_a_store_that_there_cannot_be_stops_the_start(url: str) -> None:
    code, words = refused_start({"EXECUTOR_STORE": url})
    assert code == 2
    assert "EXECUTOR_STORE must" in words or "EXECUTOR_STORE has the option" in words


def test_keys_that_may_judge_are_keys_that_there_are() -> None:
    with pytest.raises(SettingsError, match="EXECUTOR_JUDGE_KEYS names 'teacher'"):
        read_settings({"EXECUTOR_API_KEYS": f"backend:{'0' * 64}", "EXECUTOR_JUDGE_KEYS": "backend,teacher"})
