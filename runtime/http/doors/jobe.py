r"""Jobe's interface (github.com/trampgeek/jobe), which Moodle's CodeRunner speaks.

What is Jobe's own: any text on stderr is outcome 12, a program that writes without end has run out of time (13), texts that
are no UTF-8 show their bytes as `\xNN`, limits are brought within the server's and never refused, but for CPU time
beyond Jobe's own bound, and a server without a free place answers 200 with outcome 21 after a long wait. Every error is a
JSON string.
"""

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from runtime.execution import command_line
from runtime.execution.protocol import File
from runtime.http.admission import Wait
from runtime.http.answers import json_response
from runtime.http.auth import CALLER
from runtime.http.doors import jobe_languages
from runtime.http.doors.jobe_languages import LANGUAGES, ArgumentsError, JobeLanguage, Program, shell_words
from runtime.http.doors.jobe_results import COMPILE_ERROR, OVERLOAD, JobeResult, answer
from runtime.http.problems import BusyError, DrainingError, NoRoomError, NotFoundError, Refusal, UnauthorizedError
from runtime.http.requests import Call
from runtime.http.submissions import Submissions, sender_of
from runtime.judging.comparators import Comparator
from runtime.judging.submission import Caps, RunResult, Submission
from runtime.languages.registry import Language, Registry
from runtime.settings import Settings
from runtime.store.errors import StoreError
from runtime.store.named import NamedFiles

_MB = 1_000_000
# Jobe's own: how long a request waits for a place, its usual limits, and the source that asks for the answer without one.
# As many wait as the Apache that it runs under serves at once (MaxRequestWorkers): CodeRunner does not ask again.
_WAIT = Wait(10.0, 150)
_CPU_SECONDS, _STREAM_MB, _DISK_MB, _PROCESSES = 5, 2, 20, 30
_MOST_CPU_SECONDS = 120
_OVERLOAD_TEST = "!** TESTING OVERLOAD EXCEPTION **!"
_MOST_FILES = 100
_MIN_ID, _MAX_NAME = 8, 255
# What its own check of names takes for dangerous, byte by byte.
_DANGEROUS = re.compile(rb"""[<>:"/\\|?*\x00-\x1f\x7f\xa0\xad#\[\]@!$&'()+,;={}^~`]""")
_NUMERIC = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9]+")


class _JobeError(Refusal):
    """An error in Jobe's words."""

    status, code, title = 400, "invalid_request", "The request is not valid"

    def __init__(self, words: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(words)
        self.status = status


class _Spec(NamedTuple):
    """A checked `run_spec`."""

    name: str
    language: JobeLanguage
    base: Language
    code: str
    file: str
    stdin: str
    parameters: dict[str, Any]
    files: tuple[tuple[str, str], ...]


class JobeDoor:
    """The handlers of Jobe's API."""

    def __init__(self, submissions: Submissions, settings: Settings, registry: Registry, files: NamedFiles) -> None:
        self._submissions = submissions
        self._settings = settings
        self._registry = registry
        self._files = files

    def refused(self, refusal: Refusal) -> web.Response:
        """A JSON string, but for a key that is missing or wrong."""
        if isinstance(refusal, UnauthorizedError):
            return web.Response(
                text="Unknown API key" if refusal.key_given else "Missing API key", status=HTTPStatus.FORBIDDEN
            )
        status = HTTPStatus.BAD_REQUEST if refusal.status == HTTPStatus.UNPROCESSABLE_ENTITY else refusal.status
        response = json_response(refusal.detail, status)
        response.headers.update(refusal.headers)
        return response

    async def languages(self, _request: web.Request) -> web.Response:
        """`GET languages`."""
        versions = {language.name: version for language, version in await self._submissions.versions()}
        return json_response(
            [(name, versions[language.base]) for name, language in LANGUAGES.items() if language.base in versions]
        )

    async def put_file(self, request: web.Request) -> web.Response:
        """`PUT files/{id}`."""
        name = _file_id(request)
        with self._submissions.body(request) as body:
            found = _json(await body.read(any_type=True))
            content = found.get("file_contents") if isinstance(found, dict) else None
            if not isinstance(content, str):
                raise _JobeError("put: missing file_contents parameter")
            try:
                # As PHP does: white space is passed over, padding may be missing.
                packed = "".join(content.split()).rstrip("=")
                decoded = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
            except (binascii.Error, ValueError) as error:
                raise _JobeError(f"put: contents of file {name} are not valid base-64") from error
            try:
                await self._files.put(_scope(request), name, decoded)
            except (StoreError, OSError) as error:
                words = f"put: failed to write file {name} to cache"
                raise _JobeError(words, HTTPStatus.INTERNAL_SERVER_ERROR) from error
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def head_file(self, request: web.Request) -> web.Response:
        """`HEAD files/{id}`."""
        try:
            found = await self._files.has(_scope(request), _file_id(request))
        except StoreError as error:
            raise _JobeError(str(error), HTTPStatus.SERVICE_UNAVAILABLE) from error
        return web.Response(status=HTTPStatus.NO_CONTENT if found else HTTPStatus.NOT_FOUND)

    async def run(self, request: web.Request) -> web.Response:
        """`POST runs`."""
        try:
            with self._submissions.body(request) as body:
                spec = self._checked(_json(await body.read(any_type=True)))
                files = await self._loaded(spec.files, _scope(request))
                if spec.code == _OVERLOAD_TEST:
                    return json_response(JobeResult("0", OVERLOAD))
                return json_response(await self._run(spec, files, request))
        except (BusyError, DrainingError, NoRoomError):
            return json_response(JobeResult("0", OVERLOAD))

    async def _run(self, spec: _Spec, files: dict[str, bytes], request: web.Request) -> JobeResult:
        warning = ""
        file = spec.file
        if not file:
            file, warning = jobe_languages.default_file(spec.name, spec.language, spec.code)
        try:
            call = self._call(spec, file, files)
        except ArgumentsError as error:
            return JobeResult(None, COMPILE_ERROR, str(error))
        return answer(spec.name, await self._submissions.execute(call, sender_of(request)), warning)

    def _checked(self, found: object) -> _Spec:
        """Raises _JobeError."""
        if not isinstance(found, dict):
            raise _JobeError("Non-JSON post data received")
        run = found.get("run_spec")
        if not isinstance(run, dict):
            raise _JobeError("No run_spec attribute found in post data")
        code, name = (_text(run, attribute) for attribute in ("sourcecode", "language_id"))
        name = name.lower()
        language = LANGUAGES.get(name)
        base = self._registry.languages.get(language.base) if language else None
        if language is None or base is None:
            raise _JobeError(f"Language '{name}' is not known")
        parameters = run.get("parameters") or {}
        parameters = parameters if isinstance(parameters, dict) else {}
        if int(_number(parameters.get("cputime"), 0)) > _MOST_CPU_SECONDS:
            raise _JobeError(f"cputime exceeds maximum allowed on this Jobe server ({_MOST_CPU_SECONDS} secs)")
        file = run.get("sourcefilename")
        if file is not None and not (isinstance(file, str) and _is_harmless(file)):
            raise _JobeError("The sourcefilename for the run_spec is illegal")
        stdin = run.get("input")
        if stdin is not None and not isinstance(stdin, str):
            raise _JobeError("The input for the run_spec must be a string")
        # The name that old versions of CodeRunner give to every program in Java.
        file = "" if file is None or file == "prog.java" else file
        return _Spec(name, language, base, code, file, stdin or "", parameters, _file_list(run.get("file_list")))

    async def _loaded(self, files: tuple[tuple[str, str], ...], scope: str) -> dict[str, bytes]:
        """The contents of files by their names in the working directory; raises _JobeError."""
        found: dict[str, bytes] = {}
        most = self._settings.max_disk_mb << 20
        for identifier, name in files:
            try:
                content = await self._files.get(scope, identifier)
            except StoreError as error:
                raise _JobeError(str(error), HTTPStatus.SERVICE_UNAVAILABLE) from error
            if content is None:
                words = "One or more of the specified files is missing/unavailable"
                raise _JobeError(words, HTTPStatus.NOT_FOUND)
            found[name] = content
            if sum(map(len, found.values())) > most:
                raise _JobeError(f"The files of a run may have at most {self._settings.max_disk_mb} MiB together")
        return found

    def _call(self, spec: _Spec, file: str, files: dict[str, bytes]) -> Call:
        """Raises ArgumentsError or _JobeError."""
        parameters, settings = spec.parameters, self._settings

        def arguments(parameter: str, usual: tuple[str, ...]) -> tuple[str, ...]:
            given = parameters.get(parameter)
            if given is None:
                return usual
            if not isinstance(given, list):
                raise _JobeError(f"The parameter {parameter} must be a list of strings")
            return _checked_words(parameter, shell_words(given))

        def limit(parameter: str, usual: float) -> float:
            return _number(parameters.get(parameter), usual)

        named = parameters.get("main_class")
        (main_class,) = _checked_words("main_class", (named if isinstance(named, str) else "",))
        language = spec.language.commands(spec.base, Program(file, arguments, main_class))
        code = spec.code.encode(errors="replace")
        contents = {file: code, file + spec.language.copy_suffix: code} | files
        memory_mb = limit("memorylimit", spec.language.memory_mb) if spec.language.memory_mb else 0
        memory = int(memory_mb * _MB) if 0 < memory_mb < math.inf else settings.max_memory_mb << 20
        disk_mb = limit("disklimit", _DISK_MB)
        cpu = min(limit("cputime", _CPU_SECONDS), settings.jobe_cpu_seconds)
        submission = Submission(
            language=language,
            files=tuple(File(name, memoryview(content)) for name, content in contents.items()),
            stdin=spec.stdin.encode(errors="replace"),
            arguments=arguments("runargs", ()),
            timeout_seconds=None,
            time_limit_seconds=max(0.1, cpu),
            memory_bytes=max(1 << 20, min(memory, settings.max_memory_mb << 20)),
            test_cases=None,
            comparator=Comparator(),
            stop_on_failure=False,
            caps=Caps(
                # Jobe counts threads too, of which a JVM has many; here they have a limit of their own.
                processes=max(1, _whole(limit("numprocs", _PROCESSES))),
                output_bytes=max(1, _whole(limit("streamsize", _STREAM_MB) * _MB)),
                file_bytes=None if disk_mb < 0 else max(1, _whole(disk_mb * _MB)),
            ),
            keeps_bytes=True,
        )
        return Call(submission, follow_up=_follow_up(submission, spec), wait=_WAIT)


def _checked_words(parameter: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Words for a command line; raises _JobeError where they cannot be."""
    if command_line.has_nul(words):
        raise _JobeError(f"The parameter {parameter} must not contain NUL")
    if command_line.size(words) > command_line.MOST_BYTES:
        raise _JobeError(f"The parameter {parameter} may have at most {command_line.MOST_BYTES >> 10} KiB")
    return words


def _follow_up(submission: Submission, spec: _Spec) -> Callable[[RunResult], Submission | None]:
    """What is executed after a run, where Jobe's own words are still to be found out."""
    language, check = submission.language, spec.language.check

    def follow_up(result: RunResult) -> Submission | None:
        if result.compile is not None:
            # The image's faster linker has words of its own, where it has any.
            ours = {word for word in spec.base.compile if word.startswith("-B")}
            if not ours or jobe_languages.LINKER_FAILED not in result.compile.stderr:
                return None
            compiling = tuple(word for word in language.compile if word not in ours)
            return msgspec.structs.replace(submission, language=msgspec.structs.replace(language, compile=compiling))
        if not check or not (result.run.stderr or result.run.code):
            return None
        checking = msgspec.structs.replace(language, run=check, warm=None)
        return msgspec.structs.replace(submission, language=checking, arguments=(), stdin=b"")

    return follow_up


def _json(data: bytes) -> object:
    """What the body is, or None where it is no JSON."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _text(run: dict[str, Any], attribute: str) -> str:
    value = run.get(attribute)
    if value is None:
        raise _JobeError(f"run_spec is missing the required attribute '{attribute}'")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _JobeError(f"The run_spec attribute '{attribute}' must be a string")
    return str(value)


def _number(value: object, usual: float) -> float:
    """As Jobe has it: what is no number counts as not given."""
    if isinstance(value, bool):
        return usual
    if isinstance(value, str) and _NUMERIC.fullmatch(value):
        value = float(value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return usual
    return float(min(value, 1e12))


def _whole(value: float) -> int:
    return int(min(value, 1e12))


def _is_harmless(name: str) -> bool:
    content = name.encode(errors="replace")
    return not (_DANGEROUS.search(content) or content.startswith((b".", b"-"))) and len(content) <= _MAX_NAME


def _file_list(given: object) -> tuple[tuple[str, str], ...]:
    """Pairs of a file's id and its name in the working directory; raises _JobeError."""
    if not given:
        return ()
    entries = list(given.values()) if isinstance(given, dict) else given
    if not isinstance(entries, list):
        raise _JobeError("The file_list for the run_spec must be a list")
    if len(entries) > _MOST_FILES:
        raise _JobeError(f"The file_list for the run_spec may have at most {_MOST_FILES} entries")
    found = []
    for entry in entries:
        match entry:
            case [str(identifier), str(name)] | [str(identifier), str(name), _] if _are_valid(identifier, name):
                found.append((identifier, name))
            case _:
                raise _JobeError(f"Invalid file specifier: {_printed(entry)}")
    return tuple(found)


def _are_valid(identifier: str, name: str) -> bool:
    return bool(
        len(identifier) >= _MIN_ID
        and _NAME.fullmatch(identifier)
        and _NAME.fullmatch(re.sub(r"[-_.]", "", name))
        and max(len(identifier), len(name)) <= _MAX_NAME
    )


def _printed(entry: object) -> str:
    """As PHP prints a list."""
    if not isinstance(entry, list):
        return str(entry)
    lines = "".join(f"    [{number}] => {item}\n" for number, item in enumerate(entry))
    return f"Array\n(\n{lines})\n"


def _file_id(request: web.Request) -> str:
    name = request.match_info["id"]
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise NotFoundError(f"There is nothing at {request.path}.")
    return name


def _scope(request: web.Request) -> str:
    """Callers do not see each other's files."""
    return f"jobe-{hashlib.sha256(request[CALLER].encode()).hexdigest()[:16]}"
