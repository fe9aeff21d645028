"""Problem packages over HTTP: put, looked up, and found for a submission that is judged by one."""

from pathlib import Path

import msgspec
from aiohttp import web

from runtime.http.auth import CALLER
from runtime.http.bodies import Bodies
from runtime.http.problems import (
    BusyError,
    FieldError,
    ForbiddenError,
    InvalidProblemError,
    InvalidRequestError,
    NotFoundError,
    Refusal,
    StoreUnavailableRefusal,
    UnknownProblemRefusal,
)
from runtime.http.requests import Call
from runtime.judging.problem_tasks import included, limited
from runtime.languages.registry import Registry
from runtime.problems.faults import PackageError
from runtime.problems.library import Library, Opened
from runtime.problems.model import Problem
from runtime.settings import Settings
from runtime.store.digests import is_digest
from runtime.store.errors import BlobMissingError, StoreError

# Each takes its size on the disk twice, packed and unpacked.
_MOST_ARRIVING = 4


class Packages:
    """The problems of this replica, with their errors as refusals."""

    def __init__(self, settings: Settings, registry: Registry, folder: Path, bodies: Bodies) -> None:
        self._settings = settings
        self._bodies = bodies
        self._arriving = 0
        self._library = Library(
            store=settings.store,
            folder=folder,
            registry=registry,
            cache_mb=settings.store_cache_mb,
            max_mb=settings.max_problem_mb,
            store_seconds=settings.store_seconds,
        )

    @property
    def fetched(self) -> int:
        """Packages that came from the store so far."""
        return self._library.fetched

    async def put(self, request: web.Request) -> Problem:
        """Checks the zip that the request brings, and puts it into the store; raises Refusal."""
        self._refuse_key(request[CALLER], "put problems")
        if self._arriving >= _MOST_ARRIVING:
            raise BusyError("As many problem packages as the disk has room for are on their way.", reason="problems")
        self._arriving += 1
        spooled = self._library.new_file()
        try:
            with spooled.open("xb") as file, self._bodies.body(request) as body:
                await body.spool(file, self._settings.max_problem_mb << 20)
            return await self._library.put(spooled)
        except (PackageError, StoreError, OSError) as error:
            raise _refusal(error) from error
        finally:
            self._arriving -= 1
            spooled.unlink(missing_ok=True)

    async def get(self, digest: str) -> Problem:
        """The problem with this digest; raises Refusal."""
        if not is_digest(digest):
            raise NotFoundError("A problem's name is sha256: and 64 hexadecimal digits.")
        try:
            return (await self._library.get(digest)).problem
        except BlobMissingError as error:
            raise NotFoundError("This executor's store has no such problem.") from error
        except (PackageError, StoreError, OSError) as error:
            raise _refusal(error) from error

    async def of_call(self, caller: str, call: Call) -> tuple[Call, Opened | None]:
        """The call within the limits of its problem, and the problem, where it names one; `caller` is its key's name.

        Raises Refusal.
        """
        if not call.problem:
            return call, None
        if call.judge_details:
            self._refuse_key(caller, "ask for judge_details")
        try:
            opened = await self._library.get(call.problem)
        except (PackageError, StoreError, OSError) as error:
            raise _refusal(error) from error
        _check(call, opened.problem)
        submission = included(limited(call.submission, opened.problem, self._settings), opened)
        return msgspec.structs.replace(call, submission=submission), opened

    def _refuse_key(self, caller: str, purpose: str) -> None:
        if self._settings.judge_keys and caller not in self._settings.judge_keys:
            raise ForbiddenError(f"This key may not {purpose}; EXECUTOR_JUDGE_KEYS lists those that may.")


def _check(call: Call, problem: Problem) -> None:
    """Raises InvalidRequestError where the problem does not allow the submission."""
    submission, errors = call.submission, []
    if problem.languages is not None and submission.language.name not in problem.languages:
        errors.append(FieldError("language", f"is not allowed by the problem, which allows {', '.join(problem.languages)}"))
    size, most_kb = sum(len(file.content) for file in submission.files), problem.limits.code_kb
    if most_kb is not None and size > most_kb * 1024:
        errors.append(FieldError("code", f"has {size} bytes in all: the problem allows {most_kb:g} KiB"))
    if errors:
        raise InvalidRequestError("The problem does not allow this submission.", tuple(errors))


def _refusal(error: PackageError | StoreError | OSError) -> Refusal:
    if isinstance(error, PackageError):
        faults = tuple(FieldError(fault.path or "(package)", fault.message) for fault in error.faults)
        return InvalidProblemError(f"The package has {len(faults)} fault{'s' * (len(faults) > 1)}.", faults)
    if isinstance(error, BlobMissingError):
        field = FieldError("problem", "is not in this executor's store: put the package first")
        return UnknownProblemRefusal("This executor's store has no such problem.", (field,))
    if isinstance(error, StoreError):
        return StoreUnavailableRefusal(f"{error}.", headers={"Retry-After": "1"})
    return StoreUnavailableRefusal(
        f"This replica's disk cannot take the problem: {error.strerror}.", headers={"Retry-After": "1"}
    )
