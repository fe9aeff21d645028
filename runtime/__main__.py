"""`python -m runtime`: checks the settings and the host, then serves until SIGTERM."""

import asyncio
import logging
import os
import signal
import sys

import uvloop
from aiohttp import web

from runtime.execution.executor import Executor, WeakIsolationError
from runtime.http.app import Service
from runtime.languages.registry import LanguageFileError, Registry, load
from runtime.sandbox.syscalls import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, prctl
from runtime.settings import Settings, SettingsError, read_settings

_USAGE = """Listening on http://{host}:{port}   languages: {languages}   isolation: {isolation}
Try it:
  curl http://{host}:{port}/health
  curl http://{host}:{port}/execute -H 'Content-Type: application/json' \\
       -d '{{"language": "python", "code": "print(42)", "stdin": "", "timeout": 5}}'"""


def main() -> int:
    """Returns the exit code: 2 for wrong settings, 3 for a host that cannot isolate, 0 after an orderly end."""
    try:
        settings = read_settings()
        languages = load()
    except (SettingsError, LanguageFileError) as error:
        print(f"The executor was not started:\n{error}", file=sys.stderr)
        return 2
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Nobody of the same uid may look into the process that holds the keys; what is left behind comes to it.
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        executor = Executor(
            concurrency=settings.concurrency,
            work_parent=settings.work_parent(),
            disabled=settings.test_disable_layers,
            highest_abi=settings.test_landlock_abi,
        )
        executor.start()
    except OSError as error:
        print(f"The executor was not started: {error}", file=sys.stderr)
        return 3
    try:
        executor.require_floor(allow_weak=settings.allow_weak_isolation)
        can_execute = not os.statvfs(executor.root).f_flag & os.ST_NOEXEC
        registry = Registry(languages, settings.path, can_execute_files=can_execute)
        return uvloop.run(_serve(settings, executor, registry))
    except WeakIsolationError as error:
        print(f"The executor was not started, because this host cannot isolate programs: {error}.", file=sys.stderr)
        return 3
    finally:
        executor.close()


async def _serve(settings: Settings, executor: Executor, registry: Registry) -> int:
    service = Service(settings, executor, registry)
    runner = web.AppRunner(
        service.application(),
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=settings.drain_seconds,
    )
    await runner.setup()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
    try:
        await site.start()
        port = runner.addresses[0][1]
        force = executor.isolation
        layers = [f"Landlock {force.landlock_abi}" if force.landlock_abi else "", "seccomp" if force.seccomp else "",
                  "own uid" if force.own_uid else ""]  # fmt: skip
        print(
            _USAGE.format(
                host=settings.host,
                port=port,
                languages=", ".join(registry.languages),
                isolation=", ".join(filter(None, layers)) + (" (WEAK)" if force.weak else ""),
            ),
            flush=True,
        )
        await stop.wait()
        service.drain()
    except OSError as error:
        print(f"EXECUTOR_HOST and EXECUTOR_PORT: cannot listen: {error}", file=sys.stderr)
        return 3
    finally:
        await runner.cleanup()
    return 0


if __name__ == "__main__":
    sys.exit(main())
