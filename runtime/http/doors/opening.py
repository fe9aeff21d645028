"""Which other services' interfaces are open, and what each is given."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.http.doors.door import Door
from runtime.http.doors.lazy import LazyDoor, Route
from runtime.http.doors.piston import PistonDoor
from runtime.http.problems import Refusal
from runtime.http.submissions import Submissions
from runtime.languages.registry import Registry
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.http.doors.codapi import CodapiDoor
    from runtime.http.doors.jobe import JobeDoor
    from runtime.http.doors.judge0 import Judge0Door
    from runtime.http.doors.mcp import McpDoor
    from runtime.http.executions import Executions
    from runtime.store.blobs import BlobStore
    from runtime.store.pending import PendingWork

_CODAPI = (
    Route("POST", "/exec", "run"),
    Route("HEAD", "/health", "health"),
)
_JOBE = (
    Route("GET", "/languages", "languages"),
    Route("POST", "/runs", "run"),
    Route("PUT", "/files/{id}", "put_file"),
    Route("HEAD", "/files/{id}", "head_file"),
)
_JUDGE0 = (
    Route("POST", "/submissions", "create"),
    Route("POST", "/submissions/batch", "create_batch"),
    Route("GET", "/submissions/batch", "show_batch"),
    Route("GET", "/submissions/{token}", "show"),
    Route("GET", "/languages", "languages"),
    Route("GET", "/languages/all", "all_languages"),
    Route("GET", "/languages/{id}", "language"),
    Route("GET", "/statuses", "statuses"),
    Route("GET", "/config_info", "config_info"),
    Route("GET", "/about", "about"),
)
_MCP = (Route("POST", "", "message"),)


def doors(
    settings: Settings, submissions: Submissions, registry: Registry, folder: Path, count: Callable[[Refusal], None]
) -> tuple[Door, ...]:
    """Those of EXECUTOR_APIS. `folder` is on this replica's disk, and `count` is given refusals that answer no request."""

    def jobe() -> "JobeDoor":
        from runtime.http.doors.jobe import JobeDoor  # noqa: PLC0415
        from runtime.store.named import NamedFiles  # noqa: PLC0415

        files = NamedFiles(folder / "jobe", settings.jobe_files_mb << 20, _store(settings))
        return JobeDoor(submissions, settings, registry, files)

    def codapi() -> "CodapiDoor":
        from runtime.http.doors.codapi import CodapiDoor  # noqa: PLC0415

        return CodapiDoor(submissions)

    def mcp() -> "McpDoor":
        from runtime.http.doors.mcp import McpDoor  # noqa: PLC0415

        return McpDoor(submissions, settings, registry)

    def judge0() -> "Judge0Door":
        from runtime.http.doors.judge0 import Judge0Door  # noqa: PLC0415

        return Judge0Door(submissions, settings, registry, pending(settings))

    every: dict[str, Callable[[], Door]] = {
        "piston": lambda: PistonDoor(submissions, settings, count),
        "jobe": lambda: LazyDoor("/jobe/index.php/restapi", _with_slashes(_JOBE), jobe, description="jobe.openapi.json"),
        "judge0": lambda: LazyDoor(
            "/judge0", _with_slashes(_JUDGE0), judge0, accepts="judge0", description="judge0.openapi.json"
        ),
        "codapi": lambda: LazyDoor("/v1", _CODAPI, codapi),
        "mcp": lambda: LazyDoor("/mcp", _MCP, mcp, description="mcp.openapi.json"),
    }
    return tuple(every[name]() for name in every if name in settings.apis)


def executions(settings: Settings, submissions: Submissions) -> LazyDoor:
    """The executor's own submissions without an open request; `accept` begins one."""

    def load() -> "Executions":
        from runtime.http.executions import Executions  # noqa: PLC0415

        return Executions(submissions, settings, pending(settings))

    return LazyDoor("/executions", (Route("GET", "/{id}", "show"),), load, accepts="execution")


@functools.cache
def _store(settings: Settings) -> "BlobStore | None":
    if not settings.store:
        return None
    from runtime.store.blobs import BlobStore  # noqa: PLC0415

    return BlobStore(settings.store, settings.store_seconds)


@functools.cache
def pending(settings: Settings) -> "PendingWork | None":
    """The work that was accepted by the replicas of this one's store, where it has one."""
    store = _store(settings)
    if store is None:
        return None
    from runtime.store.pending import PendingWork  # noqa: PLC0415

    return PendingWork(store, settings.test_lease_seconds)


def _with_slashes(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Each path also with a slash at its end."""
    return tuple(route._replace(path=f"{route.path}{slash}") for route in routes for slash in ("", "/"))
