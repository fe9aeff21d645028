"""Which replica answers: its name and its age on every answer, so that a client sees replicas come and go."""

import os
import platform
import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

REPLICA = os.environ.get("CONTAINER_APP_REPLICA_NAME") or f"code-executor-{platform.node()}"
NAME_HEADER = "X-Executor-Replica"
#: Milliseconds since it started.
UPTIME_HEADER = "X-Executor-Uptime"


def names_replica(started: float) -> Middleware:
    """Adds both headers; `started` is of `time.monotonic`."""

    @web.middleware
    async def name(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers[NAME_HEADER] = REPLICA
        response.headers[UPTIME_HEADER] = str(round((time.monotonic() - started) * 1000))
        return response

    return name
