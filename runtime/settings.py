"""The executor's settings: the EXECUTOR_* environment as one frozen object, checked as a whole before anything starts."""

import difflib
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

_DIGEST_BYTES = 32
_PREFIX = "EXECUTOR_"
_ORIGIN = re.compile(r"https?://(\*\.)?[\w.-]+(:(\d{1,5}|\*))?")
_CLIENT_SETTINGS = ("EXECUTOR_URL", "EXECUTOR_API_KEY", "EXECUTOR_HOSTING")
#: Interfaces of other services.
APIS = ("piston", "jobe", "judge0", "codapi", "mcp")
#: Of EXECUTOR_CACHE_DIR.
NO_CACHE = "none"
LAYERS = ("landlock", "seccomp", "notify", "own_uid", "rlimits", "watcher", "pid_namespace")


class SettingsError(Exception):
    """The settings are wrong; `problems` has one line for each, with the variable's name."""

    def __init__(self, problems: list[str]) -> None:
        """Keeps every problem, so that one start shows them all."""
        super().__init__("\n".join(problems))
        self.problems = problems


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError
        return value

    parse.__doc__ = f"A number from {low:g} to {high:g}"
    return parse


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError
        return value

    parse.__doc__ = f"A whole number from {low} to {high}"
    return parse


def _switch(text: str) -> bool:
    """0 or 1."""
    if text not in ("0", "1"):
        raise ValueError
    return text == "1"


def _text(text: str) -> str:
    """Some text, not empty."""
    if not text:
        raise ValueError
    return text


def _keys(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of a name and the SHA-256 of a key in hexadecimal, as in `backend:9f86d0...,test:60303a...`."""
    pairs = []
    for item in text.split(","):
        name, _, digest = item.strip().partition(":")
        if not name or len(bytes.fromhex(digest)) != _DIGEST_BYTES:
            raise ValueError
        pairs.append((name, digest.lower()))
    return tuple(pairs)


def _origins(text: str) -> tuple[str, ...]:
    """Origins separated by spaces, as in `https://moodle.example.org https://*.example.net`."""
    origins = tuple(text.split())
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError
    return origins


def _apis(text: str) -> tuple[str, ...]:
    """Names of other services' APIs, separated by commas: piston, jobe, judge0, codapi, mcp."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if any(name not in APIS for name in names):
        raise ValueError
    return names


def _hosts(text: str) -> tuple[str, ...]:
    """Names of hosts, each with or without a port, separated by commas."""
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    if not all(re.fullmatch(r"[a-z0-9._-]+(:\d{1,5})?|\[[0-9a-f:]+\](:\d{1,5})?", name) for name in names):
        raise ValueError
    return names


def _names(text: str) -> tuple[str, ...]:
    """Names of keys, separated by commas."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ValueError
    return names


def _layers(text: str) -> tuple[str, ...]:
    """Names of layers, separated by commas."""
    names = tuple(name for name in text.split(",") if name)
    if any(name not in LAYERS for name in names):
        raise ValueError
    return names


def _form(parse: Callable[[str], object]) -> str:
    """What a parser takes, in words: its docstring, as a part of a sentence."""
    words = (parse.__doc__ or "").rstrip(".")
    return words[:1].lower() + words[1:]


def _setting(default: object, parse: Callable[[str], object], meaning: str) -> Any:  # noqa: ANN401 - a field of any type
    return field(default=default, metadata={"parse": parse, "meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """One field for each variable: `port` is EXECUTOR_PORT. Units are in the names."""

    host: str = _setting("127.0.0.1", _text, "address to listen on (the image sets 0.0.0.0)")
    port: int = _setting(8000, _integer(0, 65535), "port to listen on; 0 takes a free one")
    concurrency: int = _setting(1, _integer(1, 64), "programs that run at the same time")
    queue_seconds: float = _setting(2.0, _number(0, 60), "longest wait for a free slot")
    queue_length: int = _setting(16, _integer(0, 10_000), "submissions that may wait for a slot")
    default_timeout_seconds: float = _setting(5.0, _number(0.1, 240), "wall time of a run that names none")
    max_timeout_seconds: float = _setting(10.0, _number(0.1, 240), "longest wall time that a request may ask for")
    max_time_limit_seconds: float = _setting(
        10.0, _number(0.1, 240), "CPU time of a run, all of its processes together, and the most that a request may ask for"
    )
    max_stretch: float = _setting(
        4.0, _number(1, 100), "how many times its wall time a run may take where it is kept from a processor"
    )
    compile_time_limit_seconds: float = _setting(10.0, _number(0.1, 240), "CPU time of a compile step")
    compile_timeout_seconds: float = _setting(
        20.0, _number(0.1, 240), "wall time of a compile step, without the time in which it is kept from a processor"
    )
    default_memory_mb: int = _setting(256, _integer(16, 65_536), "memory of a run that names none, in MiB")
    max_memory_mb: int = _setting(512, _integer(16, 65_536), "most memory that a request may ask for, in MiB")
    compile_memory_mb: int = _setting(512, _integer(64, 65_536), "memory of a compile step, in MiB")
    compile_cache_mb: int = _setting(64, _integer(0, 4096), "memory for what compile steps made, in MiB; 0 keeps nothing")
    max_processes: int = _setting(10, _integer(1, 1000), "processes of a run at the same time")
    max_tasks: int = _setting(128, _integer(8, 4096), "processes and threads of a run at the same time")
    max_file_mb: int = _setting(10, _integer(1, 1024), "largest file that a program may write, in MiB")
    max_disk_mb: int = _setting(64, _integer(1, 4096), "all files of a run together, in MiB")
    max_files: int = _setting(10_000, _integer(10, 1_000_000), "files of a run")
    max_output_kb: int = _setting(
        1024, _integer(1, 65_536), "kept of each of stdout and stderr, in KiB; a plain run may write no more"
    )
    max_case_output_kb: int = _setting(
        16_384,
        _integer(1, 65_536),
        "what a judged run may write to each of stdout and stderr, in KiB; EXECUTOR_MAX_OUTPUT_KB of it come back",
    )
    max_judged_output_kb: int = _setting(
        4096, _integer(1, 65_536), "kept of stdout and stderr of all test cases of a submission together, in KiB"
    )
    max_returned_mb: int = _setting(4, _integer(1, 256), "all files together that come back from a run, in MiB")
    max_body_mb: float = _setting(4.0, _number(0.01, 256), "largest request body, in MiB")
    max_bodies_mb: float = _setting(64.0, _number(0.01, 65_536), "bodies of all requests in memory together, in MiB")
    max_unsent_mb: float = _setting(
        64.0, _number(0.1, 65_536), "answers that clients have not taken yet, together, in MiB; then the oldest ones go"
    )
    body_seconds: float = _setting(30.0, _number(0.1, 3600), "longest time for a body to arrive")
    header_seconds: float = _setting(30.0, _number(0.1, 3600), "longest time for a request's headers to arrive")
    send_seconds: float = _setting(60.0, _number(0.1, 3600), "longest time for a client to take its answer")
    # A reverse proxy that keeps connections (Envoy for an hour) must be the first to close one, or requests get lost.
    idle_seconds: float = _setting(3630.0, _number(0.1, 86_400), "how long a connection is kept for its next request")
    max_header_kb: int = _setting(8, _integer(1, 1024), "largest request line, and largest header, in KiB")
    max_headers: int = _setting(128, _integer(8, 10_000), "headers of a request")
    max_connections: int = _setting(
        10_000, _integer(1, 1_000_000), "open connections; fewer where the process may not have as many descriptors"
    )
    max_live_sessions: int = _setting(250, _integer(0, 100_000), "live sessions (/api/v2/connect) at the same time")
    max_test_cases: int = _setting(200, _integer(1, 10_000), "test cases of one submission")
    # So that an answer comes before a client has gone (the project's own stays 120 s, Azure's ingress 240).
    max_judging_seconds: float = _setting(
        100.0, _number(0.1, 3600), "wall time of one submission in its slot: compile step and all runs"
    )
    apis: tuple[str, ...] = _setting(APIS, _apis, "other services' APIs that are spoken (docs/moving.md)")
    jobe_cpu_seconds: float = _setting(20.0, _number(1, 240), "most CPU time of a run through Jobe's API")
    jobe_files_mb: int = _setting(64, _integer(1, 1_048_576), "files of Jobe's API kept on this replica's disk, in MiB")
    accepted_most: int = _setting(100, _integer(0, 100_000), "submissions that wait for a run without an open request")
    accepted_mb: int = _setting(64, _integer(1, 65_536), "such submissions and their results in memory, in MiB")
    accepted_seconds: float = _setting(3600.0, _number(1, 2_592_000), "how long such a result is kept, also in the store")
    callback_hosts: tuple[str, ...] = _setting(
        (), _hosts, "hosts that results may be sent to, as example.org or example.org:8443; none if unset"
    )
    checker_seconds: float = _setting(10.0, _number(0.1, 240), "CPU time of one run of a checker")
    checker_memory_mb: int = _setting(512, _integer(16, 65_536), "most memory of a checker, in MiB")
    store: str = _setting(
        "",
        _text,
        "where problems, Jobe's files and accepted work are: file:///folder, az://account/container, s3://bucket; "
        "this replica if unset",
    )
    store_seconds: float = _setting(
        30.0, _number(0.1, 600), "longest time for a problem or a file to come from the store or to go there"
    )
    store_cache_mb: int = _setting(512, _integer(1, 1_048_576), "problems kept on this replica's disk, in MiB")
    max_problem_mb: int = _setting(256, _integer(1, 16_384), "largest problem package, packed and unpacked, in MiB")
    judge_keys: tuple[str, ...] = _setting(
        (), _names, "names of the keys that may put problems and ask for judge_details; every key if unset"
    )
    drain_seconds: float = _setting(240.0, _number(0, 600), "time for running work after SIGTERM")
    work_dir: str = _setting("", _text, "where working directories are made; the system's temporary directory if unset")
    cache_dir: str = _setting(
        "",
        _text,
        "where headers of C++ that were compiled ahead are kept, and an archive of javac's classes, if the image has none: a "
        "folder that nobody else can write to; none for no such folder; code-executor in the user's cache folder, or in "
        "/var/cache for root, if unset",
    )
    path: str = _setting(
        "/usr/local/bin:/usr/bin:/bin:/usr/local/go/bin", _text, "where toolchains are looked for, and PATH of programs"
    )
    api_keys: tuple[tuple[str, str], ...] = _setting(
        (), _keys, "names and SHA-256 of the keys that may call; every caller may if unset"
    )
    allow_weak_isolation: bool = _setting(False, _switch, "run code although the host lacks a necessary layer")
    playground: bool = _setting(True, _switch, "whether GET / is the playground")
    frame_origins: tuple[str, ...] = _setting(
        (), _origins, "pages that may show the playground in a frame, or ask codapi's or Judge0's API, by their origins"
    )
    log_level: str = _setting("info", _text, "debug, info, warning or error")
    test_disable_layers: tuple[str, ...] = _setting((), _layers, "for tests only: layers to leave out")
    test_private_callbacks: bool = _setting(False, _switch, "for tests only: results may be sent into private networks")
    test_lease_seconds: float = _setting(
        30.0, _number(0.1, 3600), "for tests only: how long after its last sign of life a replica is taken to be gone"
    )
    test_landlock_abi: int = _setting(99, _integer(0, 99), "for tests only: highest Landlock ABI to use")

    def work_parent(self) -> str:
        """The directory in which the executor makes its own."""
        return self.work_dir or tempfile.gettempdir()


def _unknown(variable: str) -> str:
    if variable in _CLIENT_SETTINGS:
        return f"{variable} is a setting of the client, not of the executor: unset it where the executor starts"
    near = difflib.get_close_matches(variable.removeprefix(_PREFIX), [item.name.upper() for item in fields(Settings)], 1)
    return f"{variable} is not a setting" + (f"; did you mean {_PREFIX}{near[0]}?" if near else "")


def _misfits(settings: Settings) -> list[str]:
    """Times that do not fit together: a longer one must have room for the shorter ones within it."""
    # As judging/time_limits.py has it for a run that is judged by CPU time.
    longest_run = 2 * settings.max_time_limit_seconds + 1
    served = settings.queue_seconds + settings.max_judging_seconds
    sums = (
        ("MAX_JUDGING_SECONDS", settings.max_judging_seconds, longest_run, "twice EXECUTOR_MAX_TIME_LIMIT_SECONDS and 1"),
        ("MAX_JUDGING_SECONDS", settings.max_judging_seconds, settings.max_timeout_seconds, "EXECUTOR_MAX_TIMEOUT_SECONDS"),
        ("MAX_JUDGING_SECONDS", settings.max_judging_seconds, settings.compile_timeout_seconds,
         "EXECUTOR_COMPILE_TIMEOUT_SECONDS"),
        ("DRAIN_SECONDS", settings.drain_seconds, served, "EXECUTOR_QUEUE_SECONDS and EXECUTOR_MAX_JUDGING_SECONDS together"),
    )  # fmt: skip
    return [
        f"EXECUTOR_{name} is {value:g}: must be at least {least:g}, which is {words}"
        for name, value, least, words in sums
        if value < least
    ]


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process; raises SettingsError that names every wrong variable, unknown ones included."""
    environment = os.environ if environment is None else environment
    known = {f"{_PREFIX}{item.name.upper()}": item for item in fields(Settings)}
    problems: list[str] = []
    values: dict[str, Any] = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(_PREFIX):
            continue
        item = known.get(variable)
        if item is None:
            problems.append(_unknown(variable))
            continue
        try:
            values[item.name] = item.metadata["parse"](text)
        except ValueError:
            # A key that was put there in clear text must not end in a log.
            shown = "not what it must be" if item.name == "api_keys" else repr(text)
            problems.append(f"{variable} is {shown}: must be {_form(item.metadata['parse'])}")
    settings = Settings(**values)
    for low, high in (
        ("default_timeout_seconds", "max_timeout_seconds"),
        ("default_memory_mb", "max_memory_mb"),
        ("default_timeout_seconds", "max_time_limit_seconds"),
        ("max_processes", "max_tasks"),
        ("max_body_mb", "max_bodies_mb"),
    ):
        if getattr(settings, low) > getattr(settings, high):
            problems.append(
                f"EXECUTOR_{low.upper()} is {getattr(settings, low)}: must be at most EXECUTOR_{high.upper()}, "
                f"which is {getattr(settings, high)}"
            )
    known_keys = {name for name, _ in settings.api_keys}
    problems += [
        f"EXECUTOR_JUDGE_KEYS names {name!r}: EXECUTOR_API_KEYS has no key of this name"
        for name in settings.judge_keys
        if name not in known_keys
    ]
    problems += _misfits(settings)
    if settings.log_level not in ("debug", "info", "warning", "error"):
        problems.append(f"EXECUTOR_LOG_LEVEL is {settings.log_level!r}: must be debug, info, warning or error")
    if problems:
        raise SettingsError(problems)
    return settings
