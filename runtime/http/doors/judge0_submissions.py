"""A submission as Judge0 1.13 has it: the checks of its fields in Judge0's words, the program it asks for, its columns."""

import base64
import binascii
import io
import math
import re
import shlex
import uuid
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from runtime.execution.protocol import File
from runtime.http.checks import name_problem
from runtime.http.doors import judge0_languages
from runtime.http.doors.judge0_languages import LANGUAGES, PROJECT
from runtime.judging.comparators import Comparator
from runtime.judging.submission import Caps, RunResult, Status, StepResult, Submission
from runtime.languages.registry import Language
from runtime.settings import Settings

#: Ids and words of Judge0's statuses.
STATUSES = {
    1: "In Queue", 2: "Processing", 3: "Accepted", 4: "Wrong Answer", 5: "Time Limit Exceeded", 6: "Compilation Error",
    7: "Runtime Error (SIGSEGV)", 8: "Runtime Error (SIGXFSZ)", 9: "Runtime Error (SIGFPE)", 10: "Runtime Error (SIGABRT)",
    11: "Runtime Error (NZEC)", 12: "Runtime Error (Other)", 13: "Internal Error", 14: "Exec Format Error",
}  # fmt: skip
IN_QUEUE, PROCESSING, ACCEPTED, WRONG_ANSWER, TIME_LIMIT, COMPILATION_ERROR = 1, 2, 3, 4, 5, 6
_SIGXFSZ, _NZEC, _OTHER, INTERNAL_ERROR, _EXEC_FORMAT = 8, 11, 12, 13, 14
_SIGNALS = {"SIGSEGV": (7, 11), "SIGXFSZ": (8, 25), "SIGFPE": (9, 8), "SIGABRT": (10, 6)}
_KILL = 9
#: Columns whose values are texts of programs; they are kept in base64.
TEXTS = ("source_code", "stdin", "expected_output", "stdout", "stderr", "compile_output")
#: Columns that an answer has unless it is asked for others.
USUAL_FIELDS = ("stdout", "time", "memory", "stderr", "token", "compile_output", "message", "status")
_GIVEN = (
    "source_code", "language_id", "compiler_options", "command_line_arguments", "number_of_runs", "stdin",
    "expected_output", "cpu_time_limit", "cpu_extra_time", "wall_time_limit", "memory_limit", "stack_limit",
    "max_processes_and_or_threads", "enable_per_process_and_thread_time_limit",
    "enable_per_process_and_thread_memory_limit", "max_file_size", "redirect_stderr_to_stdout", "callback_url",
    "additional_files", "enable_network",
)  # fmt: skip
_MADE = (
    "stdout", "status_id", "created_at", "finished_at", "time", "memory", "stderr", "token", "compile_output",
    "exit_code", "exit_signal", "message", "wall_time", "status", "language",
)  # fmt: skip
#: Every column.
FIELDS = (*_GIVEN, *_MADE)
_SWITCHES = (
    "enable_per_process_and_thread_time_limit", "enable_per_process_and_thread_memory_limit",
    "redirect_stderr_to_stdout", "enable_network",
)  # fmt: skip
_OPTIONS_LENGTH, _LINE = 512, 60
_MOST_FILES = 100
# What Judge0 takes out before a shell sees it; here no shell does.
_SHELL = re.compile(r"[$&;<>|`]")

Document = dict[str, Any]
Errors = dict[str, list[str]]


def limits(settings: Settings) -> dict[str, tuple[float, float, float]]:
    """For each limit what holds unless asked for, and the least and the most that may be asked for."""
    cpu, memory = settings.max_time_limit_seconds, settings.max_memory_mb * 1024
    wall = max(20.0, 2 * cpu)
    file_kb = settings.max_file_mb * 1024
    return {
        "number_of_runs": (1, 1, 20),
        "cpu_time_limit": (min(5.0, cpu), 0, cpu),
        "cpu_extra_time": (1.0, 0, 5.0),
        "wall_time_limit": (10.0, 1, wall),
        "memory_limit": (min(128_000, memory), 2048, memory),
        "stack_limit": (64_000, 0, 128_000),
        "max_processes_and_or_threads": (min(60, settings.max_processes), 1, 120),
        "max_file_size": (min(1024, file_kb), 0, file_kb),
    }


def encoded(content: bytes) -> str:
    """Base64 with an end of line after 60 characters, as Ruby writes it."""
    text = base64.b64encode(content).decode()
    return "".join(f"{text[start : start + _LINE]}\n" for start in range(0, len(text), _LINE))


def decoded(text: str) -> bytes:
    """As Ruby reads it: what is no base64 is passed over."""
    kept = re.sub(r"[^A-Za-z0-9+/]", "", text.partition("=")[0])
    kept = kept[: len(kept) - 1] if len(kept) % 4 == 1 else kept
    try:
        return base64.b64decode(kept + "=" * (-len(kept) % 4))
    except binascii.Error:
        return b""


class Reading:
    """Reads what a request gives, and collects what is wrong with it."""

    def __init__(self, settings: Settings, languages: Mapping[str, Language], callback_problem: Callable[[str], str]) -> None:
        """`callback_problem` tells why nothing may be sent to a URL."""
        self._settings = settings
        self._languages = languages
        self._limits = limits(settings)
        self._callback_problem = callback_problem

    def read(self, given: object, *, is_encoded: bool) -> tuple[Document | None, Errors]:
        """The document of a new submission, or None and the errors in Judge0's words."""
        if not isinstance(given, dict):
            return None, {"source_code": ["can't be blank"], "language_id": ["can't be blank"]}
        errors: Errors = {}
        document: Document = dict.fromkeys(FIELDS)
        for name in ("source_code", "stdin", "expected_output"):
            document[name] = self._text(given.get(name), name, errors, is_encoded=is_encoded)
        if (files := given.get("additional_files")) is not None:
            document["additional_files"] = encoded(decoded(str(files)))
        self._read_language(given, document, errors)
        for name, (usual, least, most) in self._limits.items():
            document[name] = _limited(given.get(name), name, usual, (least, most), errors)
        for name in _SWITCHES:
            document[name] = given.get(name) in (True, 1, "1", "true")
        for name in _SWITCHES[:2]:
            if document[name]:
                errors[name] = ["this option cannot be enabled"]
        if document["enable_network"]:
            errors["enable_network"] = ["enabling network is not allowed"]
        self._read_words(given, document, errors)
        document["token"] = str(uuid.uuid4())
        document["status_id"] = IN_QUEUE
        document["created_at"] = now()
        return (None, errors) if errors else (document, errors)

    @staticmethod
    def _text(value: object, name: str, errors: Errors, *, is_encoded: bool) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str | int | float):
            errors.setdefault(name, []).append("must be a string")
            return None
        content = decoded(str(value)) if is_encoded else str(value).encode(errors="replace")
        return encoded(content)

    def _read_language(self, given: dict[str, Any], document: Document, errors: Errors) -> None:
        asked = given.get("language_id")
        try:
            identifier = int(asked)  # type: ignore[arg-type] # what is no number is told so below
        except (TypeError, ValueError, OverflowError):
            identifier = None
        if asked is None:
            errors.setdefault("language_id", []).append("can't be blank")
        known = LANGUAGES.get(identifier) if identifier is not None else None
        if known is None or known.base not in self._languages:
            shown = "" if asked is None else str(asked)[:20]
            errors.setdefault("language_id", []).append(f"language with id {shown} doesn't exist")
            return
        document["language_id"] = identifier
        is_project = identifier == PROJECT
        if is_project and document["source_code"]:
            errors.setdefault("source_code", []).append("must be blank")
        if is_project and not document["additional_files"]:
            errors.setdefault("additional_files", []).append("can't be blank")
        if not is_project and not decoded(document["source_code"] or "").strip():
            errors.setdefault("source_code", []).append("can't be blank")

    def _read_words(self, given: dict[str, Any], document: Document, errors: Errors) -> None:
        for name in ("compiler_options", "command_line_arguments"):
            value = given.get(name)
            document[name] = None if value is None else str(value)
            if len(document[name] or "") > _OPTIONS_LENGTH:
                errors.setdefault(name, []).append(f"is too long (maximum is {_OPTIONS_LENGTH} characters)")
            else:
                try:
                    words(document[name])
                except ValueError:
                    errors.setdefault(name, []).append("has a quotation without an end")
        identifier = document["language_id"]
        if document["compiler_options"] and identifier and not judge0_languages.is_compiled(identifier, self._languages):
            told = "setting compiler options is only allowed for compiled languages"
            errors.setdefault("compiler_options", []).append(told)
        url = given.get("callback_url")
        document["callback_url"] = url or None
        if url and (problem := self._callback_problem(str(url))):
            allowed = f"setting callback is not allowed: it {problem}"
            errors["callback_url"] = [allowed]


def words(options: str | None) -> tuple[str, ...]:
    """Words of options as a shell splits them, without what Judge0 takes out; raises ValueError."""
    return tuple(word.replace("\0", "") for word in shlex.split(_SHELL.sub("", options or "")))


def now() -> str:
    """The time as Judge0 writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _limited(value: object, name: str, usual: float, bounds: tuple[float, float], errors: Errors) -> float:
    least, most = bounds
    if value is None or value == "":
        return usual
    try:
        number = float(value)  # type: ignore[arg-type] # what is no number is told so
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if isinstance(value, bool) or math.isnan(number):
        errors.setdefault(name, []).append("is not a number")
        return usual
    if number < least:
        above_zero = name in ("number_of_runs", "max_processes_and_or_threads")
        bound = "greater than 0" if above_zero else f"greater than or equal to {least}"
        errors.setdefault(name, []).append(f"must be {bound}")
    elif number > most:
        errors.setdefault(name, []).append(f"must be less than or equal to {most}")
    whole = isinstance(usual, int)
    return int(number) if whole and abs(number) < 1e15 else number


class ProgramError(Exception):
    """The files make no program; the message is for `Submission.message` of Judge0."""


def submission(document: Document, languages: Mapping[str, Language], settings: Settings) -> Submission:
    """What the document asks to be run; raises ProgramError."""
    identifier: int = document["language_id"]
    base = languages[LANGUAGES[identifier].base]
    archive = _unpacked(document["additional_files"], settings)
    arguments = words(document["command_line_arguments"])
    if identifier == PROJECT:
        language = judge0_languages.of_project(base, set(archive))
        if language is None:
            raise ProgramError("additional_files has no run or run.sh")
        main = language.run[1]
        files = {main: archive.pop(main)} | archive
    else:
        source = decoded(document["source_code"])
        language = judge0_languages.with_options(identifier, base, words(document["compiler_options"]))
        # As `unzip -n`: a file of the archive does not take the place of the source.
        files = archive | {judge0_languages.source_file(identifier, base): source}
        files = dict(reversed(files.items()))
    is_program = identifier == judge0_languages.EXECUTABLE
    return Submission(
        language=language,
        files=tuple(
            File(name, memoryview(content), executable=is_program and not number)
            for number, (name, content) in enumerate(files.items())
        ),
        stdin=decoded(document["stdin"] or ""),
        arguments=arguments,
        timeout_seconds=None,
        time_limit_seconds=max(0.05, document["cpu_time_limit"]),
        memory_bytes=min(document["memory_limit"] << 10, settings.max_memory_mb << 20),
        test_cases=None,
        comparator=Comparator(),
        stop_on_failure=False,
        caps=Caps(
            wall_ms=round(document["wall_time_limit"] * 1000),
            processes=document["max_processes_and_or_threads"],
            output_bytes=max(1, document["max_file_size"] << 10),
            file_bytes=max(1, document["max_file_size"] << 10),
            stack_bytes=max(1 << 20, document["stack_limit"] << 10),
        ),
        keeps_bytes=True,
    )


def _unpacked(archive: str | None, settings: Settings) -> dict[str, bytes]:
    """The files of a zip by their names; raises ProgramError for one that is none, too large, or leads elsewhere."""
    if not archive:
        return {}
    found: dict[str, bytes] = {}
    left = settings.max_disk_mb << 20
    try:
        with zipfile.ZipFile(io.BytesIO(decoded(archive))) as packed:
            for entry in packed.infolist():
                if entry.is_dir():
                    continue
                if name_problem(entry.filename) or len(found) >= _MOST_FILES:
                    raise ProgramError(f"additional_files: {entry.filename[:100]!r} cannot be unpacked")
                with packed.open(entry) as content:
                    found[entry.filename] = content.read(left + 1)
                left -= len(found[entry.filename])
                if left < 0:
                    raise ProgramError(f"additional_files: more than {settings.max_disk_mb} MiB")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise ProgramError(f"additional_files is no zip archive: {error}") from error
    except Exception as error:
        if isinstance(error, ProgramError):
            raise
        raise ProgramError("additional_files is no zip archive") from error
    return found


def conclude(document: Document, result: RunResult) -> None:
    """Enters what came of one run."""
    document["finished_at"] = now()
    compiled = result.compile
    if compiled is not None and (compiled.stdout or compiled.stderr):
        document["compile_output"] = encoded(_bytes(compiled.stdout + compiled.stderr))
    if compiled is not None and compiled.status is not Status.OK:
        document["status_id"] = INTERNAL_ERROR if compiled.status in (Status.INTERNAL_ERROR, Status.OVERLOADED) else 6
        if compiled.limited_by is not None:
            document["compile_output"] = encoded(f"{compiled.message}\n".encode())
        if document["status_id"] == INTERNAL_ERROR:
            document["message"] = compiled.message
        return
    run = result.run
    stdout, stderr = _bytes(run.stdout), _bytes(run.stderr)
    if document["redirect_stderr_to_stdout"]:
        stdout, stderr = stdout + stderr, b""
    document["stdout"] = encoded(stdout) if stdout else None
    document["stderr"] = encoded(stderr) if stderr else None
    document["time"], document["wall_time"] = run.cpu_time / 1000, run.wall_time / 1000
    document["memory"] = run.memory >> 10
    document["exit_code"] = run.code or 0
    document["exit_signal"] = None
    status, document["message"] = _ending(run)
    if status == TIME_LIMIT or run.signal is None:
        document["status_id"] = status
    else:
        document["status_id"], number = _SIGNALS.get(run.signal, (_OTHER, _KILL))
        document["exit_signal"] = number
        if status == _SIGXFSZ:
            document["status_id"], document["exit_signal"] = _SIGXFSZ, 25
        document["message"] = f"Caught fatal signal {document['exit_signal']}"
    expected = document["expected_output"]
    if document["status_id"] == ACCEPTED and expected is not None and _stripped(decoded(expected)) != _stripped(stdout):
        document["status_id"] = WRONG_ANSWER


def _ending(run: StepResult) -> tuple[int, str | None]:
    match run.status:
        case Status.OK:
            return ACCEPTED, None
        case Status.TIME_LIMIT_EXCEEDED:
            return TIME_LIMIT, "Time limit exceeded"
        case Status.OUTPUT_LIMIT_EXCEEDED:
            return _SIGXFSZ, None
        case Status.INTERNAL_ERROR | Status.OVERLOADED:
            return INTERNAL_ERROR, run.message
    return _NZEC, f"Exited with error status {run.code}"


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _stripped(content: bytes) -> bytes:
    return b"\n".join(line.rstrip(b" \t\r\v\f\0") for line in content.split(b"\n")).rstrip(b" \t\r\v\f\0\n")


def shown(document: Document, field: str, *, is_encoded: bool) -> Any:  # noqa: ANN401, PLR0911 - a column of any type
    """A column as an answer has it; raises UnicodeDecodeError where it is no text and is to be shown as one."""
    value = document[field]
    match field:
        case "status":
            return {"id": document["status_id"], "description": STATUSES[document["status_id"]]}
        case "language":
            return {"id": document["language_id"], "name": document["language"]}
        case "message":
            return encoded(str(value).encode()) if is_encoded and value is not None else value
    if value is None:
        return None
    if field in TEXTS:
        return value if is_encoded else decoded(value).decode()
    if field in ("time", "wall_time", "cpu_time_limit", "cpu_extra_time", "wall_time_limit"):
        text = f"{value:.3f}".rstrip("0")
        return f"{text}0" if text.endswith(".") else text
    return value


def packed(document: Document) -> bytes:
    """A document as it is kept."""
    return msgspec.msgpack.encode(document)


def unpacked(data: bytes) -> Document:
    """The document that was kept so."""
    document: Document = msgspec.msgpack.decode(data)
    return document
