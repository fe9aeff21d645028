"""An executor that a command starts for itself, with the settings of the server."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from runtime import composition
from runtime.composition import CANNOT_ISOLATE, Start, StartError

#: What a command does with an executor; its slots are open where programs may be run.
Work = Callable[[Start], Awaitable[int]]


def with_executor(work: Work, *, needs_floor: bool = True) -> int:
    """Starts an executor as the server would, and ends it after the work; returns the exit code, also of a failed start.

    With `needs_floor` a host that cannot isolate programs is a failed start.
    """
    try:
        start = composition.start(slots=1)
    except StartError as error:
        print(f"The executor was not started:\n{error}", file=sys.stderr)
        return error.exit_code
    try:
        if start.floor and needs_floor:
            print(f"This host cannot isolate programs: {start.floor}.", file=sys.stderr)
            return CANNOT_ISOLATE
        return asyncio.run(_opened(work, start))
    finally:
        start.executor.close()


async def _opened(work: Work, start: Start) -> int:
    try:
        if not start.floor:
            await start.executor.open()
        return await work(start)
    finally:
        await start.ahead.close()
        start.executor.close()
