"""Which other services' interfaces are open, and what each is given."""

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
    from runtime.http.doors.mcp import McpDoor

_CODAPI = (
    Route("POST", "/exec", "run"),
    Route("OPTIONS", "/exec", "preflight"),
    Route("HEAD", "/health", "health"),
)
_JOBE = (
    Route("GET", "/languages", "languages"),
    Route("POST", "/runs", "run"),
    Route("PUT", "/files/{id}", "put_file"),
    Route("HEAD", "/files/{id}", "head_file"),
)
_MCP = (Route("POST", "", "message"), Route("GET", "", "no_stream"), Route("DELETE", "", "no_stream"))


def doors(
    settings: Settings, submissions: Submissions, registry: Registry, folder: Path, count: Callable[[Refusal], None]
) -> tuple[Door, ...]:
    """Those of EXECUTOR_APIS. `folder` is on this replica's disk, and `count` is given refusals that answer no request."""

    def jobe() -> "JobeDoor":
        from runtime.http.doors.jobe import JobeDoor  # noqa: PLC0415

        return JobeDoor(submissions, settings, registry, folder / "jobe")

    def codapi() -> "CodapiDoor":
        from runtime.http.doors.codapi import CodapiDoor  # noqa: PLC0415

        return CodapiDoor(submissions, settings, count)

    def mcp() -> "McpDoor":
        from runtime.http.doors.mcp import McpDoor  # noqa: PLC0415

        return McpDoor(submissions, settings, registry)

    every: dict[str, Callable[[], Door]] = {
        "piston": lambda: PistonDoor(submissions, settings, count),
        "jobe": lambda: LazyDoor("/jobe/index.php/restapi", _with_slashes(_JOBE), jobe),
        "codapi": lambda: LazyDoor("/v1", _CODAPI, codapi),
        "mcp": lambda: LazyDoor("/mcp", _MCP, mcp),
    }
    return tuple(every[name]() for name in every if name in settings.apis)


def _with_slashes(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Each path also with a slash at its end."""
    return tuple(route._replace(path=f"{route.path}{slash}") for route in routes for slash in ("", "/"))
