"""`python -m runtime`: checks the settings and the host, then serves until SIGTERM; or runs a command."""

import os

# aiohttp's client, which nothing here uses, loads every CA certificate when it is imported: 2 MiB, and a part of the start.
os.environ["SSL_CERT_FILE"] = os.devnull
# Its lists of callbacks in C would load C++'s library, another MiB.
os.environ["FROZENLIST_NO_EXTENSIONS"] = "1"

import asyncio
import functools
import gc
import logging
import resource
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import uvloop
from aiohttp import web

from runtime import composition
from runtime.composition import CANNOT_ISOLATE, WRONG_SETTINGS, Start, StartError
from runtime.http.app import Service
from runtime.http.connections import Connections
from runtime.observability.records import Log
from runtime.observability.telemetry_settings import TelemetrySettings, TelemetrySettingsError, read_telemetry
from runtime.observability.tracing import Tracer
from runtime.sandbox.syscalls import return_freed_memory
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.observability.telemetry import Telemetry

_log = logging.getLogger("runtime")
# The kernel takes as many as net.core.somaxconn lets it.
_BACKLOG = 4096
# What is open besides connections, with room to spare: slots, the event loop, the log.
_OTHER_DESCRIPTORS = 256
# After draining, for answers that are on their way; and for records that nobody has read.
_LAST_ANSWERS_SECONDS = 1.0
_LAST_RECORDS_MS = 500
#: Signals that ask the server to end.
_STOPPING = (signal.SIGTERM, signal.SIGINT)

_USAGE = """Listening on http://{host}:{port}   languages: {languages}   isolation: {isolation}
Try it:
  curl http://{host}:{port}/health
  curl http://{host}:{port}/execute -H 'Content-Type: application/json' \\
       -d '{{"language": "python", "code": "print(42)", "stdin": "", "timeout": 5}}'"""

_PLAYGROUND = """
In a browser:
  http://{host}:{port}/"""


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 2 for wrong settings, 3 for a host that cannot isolate, 0 after an orderly end."""
    if arguments:
        from runtime.commands import arguments as commands  # noqa: PLC0415 - a server need not wait for it

        return commands.main(arguments)
    try:
        telemetry_settings = read_telemetry(os.environ)
        start = composition.start()
    except TelemetrySettingsError as error:
        print(f"The executor was not started:\n{error}", file=sys.stderr)
        return WRONG_SETTINGS
    except StartError as error:
        print(f"The executor was not started:\n{error}", file=sys.stderr)
        return error.exit_code
    settings, executor, registry = start.settings, start.executor, start.registry
    try:
        if start.floor:
            print(f"The executor was not started, because this host cannot isolate programs: {start.floor}.", file=sys.stderr)
            return CANNOT_ISOLATE
        for name, reason in sorted(registry.unavailable.items()):
            _log.warning("%s cannot be run here: %s", name, reason)
        return uvloop.run(_serve(start, _most_connections(settings), telemetry_settings))
    finally:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)  # which stays until the process has ended
        executor.close()


def _most_connections(settings: Settings) -> int:
    """How many connections there can be, with as many descriptors as the host gives."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = settings.max_connections
    if hard != resource.RLIM_INFINITY and most > hard - _OTHER_DESCRIPTORS:
        most = max(1, hard - _OTHER_DESCRIPTORS)
        _log.warning("EXECUTOR_MAX_CONNECTIONS is %d: only %d fit into %d descriptors", settings.max_connections, most, hard)
    return most


async def _serve(start: Start, most_connections: int, telemetry_settings: TelemetrySettings | None) -> int:
    settings, executor = start.settings, start.executor
    log = Log(sys.stdout.fileno())
    service, telemetry = _service(start, log, telemetry_settings)
    runner = web.AppRunner(service.application(), handler_cancellation=True, shutdown_timeout=_LAST_ANSWERS_SECONDS)
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("the application was not set up")
    connections = Connections(runner.server, settings, most_connections, service.count)
    service.metrics.watch("executor_connections", "Open connections", lambda: len(connections))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        # Not the loop's own handlers: it takes them away as it ends, and a second signal would be this process's end.
        signal.signal(number, lambda *_: loop.is_closed() or loop.call_soon_threadsafe(stop.set))
    try:
        server = await loop.create_server(connections, settings.host, settings.port, backlog=_BACKLOG)
    except OSError as error:
        print(f"EXECUTOR_HOST and EXECUTOR_PORT: cannot listen: {error}", file=sys.stderr)
        await runner.cleanup()
        return 3
    # What is here now stays: the collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    return_freed_memory()
    _keep_house(loop, connections, log)
    try:
        force = executor.isolation
        layers = [f"Landlock {force.landlock_abi}" if force.landlock_abi else "", "seccomp" if force.seccomp else "",
                  "own uid" if force.own_uid else ""]  # fmt: skip
        print(
            (_USAGE + (_PLAYGROUND if settings.playground else "")).format(
                host=settings.host,
                port=server.sockets[0].getsockname()[1],
                languages=", ".join(start.registry.languages),
                isolation=", ".join(filter(None, layers)) + (" (WEAK)" if force.weak else ""),
            ),
            flush=True,
        )
        await stop.wait()
        # The door stays open: who comes now is told that another replica will answer.
        try:
            async with asyncio.timeout(settings.drain_seconds):
                await service.drain()
        except TimeoutError:
            _log.error("running work was not finished within %g s", settings.drain_seconds)
    finally:
        server.close()
        await runner.cleanup()
        await start.ahead.close()
        if telemetry:
            await telemetry.close()
        log.flush(_LAST_RECORDS_MS)
    return 0


def _service(start: Start, log: Log, telemetry_settings: TelemetrySettings | None) -> tuple[Service, "Telemetry | None"]:
    """The service, and what sends its traces and metrics, where somebody wants them."""
    made = functools.partial(Service, start.settings, start.executor, start.registry, log, ahead=start.ahead)
    if telemetry_settings is None:
        return made(), None
    from runtime.http.callbacks import host_certificates  # noqa: PLC0415 - without telemetry nothing of it is loaded
    from runtime.observability.telemetry import Telemetry  # noqa: PLC0415 - likewise

    tracer = Tracer(telemetry_settings.share, follows_parent=telemetry_settings.follows_parent)
    service = made(tracer=tracer if telemetry_settings.traces else None)
    return service, Telemetry(telemetry_settings, tracer, service.metrics, host_certificates)


def _keep_house(loop: asyncio.AbstractEventLoop, connections: Connections, log: Log) -> None:
    """Once a second, also after a second in which it failed, of which the loop tells."""
    loop.call_later(1, _keep_house, loop, connections, log)
    connections.sweep()
    log.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
