"""The command `executor-client prewarm`: replicas by nothing but requests, at the rate that Azure's scaler measures.

By its documentation the scaler asks for as many replicas as there were requests a second in the last 15 s, divided by the
rule's `concurrentRequests`. A steady rate of requests that cost nothing therefore brings replicas, and keeps them.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from datetime import datetime, timedelta

import aiohttp
import yarl
from rich.console import Console

from executor_client.errors import ConfigurationError, ServerFailedError
from executor_client.observing import Attempt, Observation

_HEADER = "X-Executor-Rehearsal"
_MOST_REPLICAS = 1000
_MOST_HOURS = 12
_TICK_SECONDS = 0.05
_TOLD_SECONDS = 5.0
# Round robin meets each replica about once a second; one that is silent for longer is gone.
_ALIVE_SECONDS = 20.0
_REQUEST_SECONDS = 60.0
# Looks of the scaler without a new replica, after which something else than time is missing.
_STILL_SECONDS = 120.0


def rate(replicas: int, concurrent_requests: int = 1) -> float:
    """Requests a second for which the documented scaler wants exactly so many replicas.

    It rounds up, so half a replica's requests less than the whole number keep a request too many from asking for another one.
    """
    return (replicas - 0.5) * concurrent_requests


def add_to(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Adds the command and gives its parser."""
    parser = actions.add_parser("prewarm", help="bring replicas of an app by requests, and hold them until a time")
    add = parser.add_argument
    add("--url", default=argparse.SUPPRESS, help="the executor's URL; EXECUTOR_URL unless told")
    add("--replicas", type=int, required=True)
    add("--until", required=True, help="HH:MM of this machine's clock, or minutes from now as +20")
    add("--concurrent-requests", type=int, default=1, help="concurrentRequests of the app's scale rule")
    add("--replica-hour", type=float, default=0.054, help="what a replica costs in an hour")
    add("--ask-above", type=float, default=2.0, help="ask before a cost above this")
    add("--yes", action="store_true", help="agree to any cost")
    return parser


def main(options: argparse.Namespace) -> int:
    """Returns 0 where so many replicas came, else 1; raises ConfigurationError before anything is sent."""
    if not 1 <= options.replicas <= _MOST_REPLICAS or options.concurrent_requests < 1:
        raise ConfigurationError(f"--replicas must be from 1 to {_MOST_REPLICAS:,}, and --concurrent-requests at least 1")
    seconds = until(options.until, datetime.now().astimezone())
    cost = options.replicas * seconds / 3600 * options.replica_hour
    console = Console(stderr=True)
    console.print(f"{options.replicas} replicas for {seconds / 60:.0f} minutes: about {cost:.2f}", highlight=False)
    if cost > options.ask_above and not options.yes and not _agreed(options.ask_above):
        raise ConfigurationError(f"not agreed to a cost of about {cost:.2f}: give --yes")
    warming = _Warming(options, console)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(warming.run(seconds))
    return 0 if warming.most >= options.replicas else 1


def _agreed(bound: float) -> bool:
    return sys.stdin.isatty() and input(f"That is more than {bound:g} (--ask-above). Go on? [y/N] ").strip().lower() == "y"


def until(words: str, now: datetime) -> float:
    """Seconds from now; raises ConfigurationError for what is no time within the next hours."""
    try:
        if words.startswith("+"):
            seconds = float(words) * 60
        else:
            moment = datetime.strptime(words, "%H:%M").replace(year=now.year, month=now.month, day=now.day, tzinfo=now.tzinfo)
            seconds = (moment - now).total_seconds()
            if seconds <= 0:
                seconds = (moment + timedelta(days=1) - now).total_seconds()
    except ValueError as error:
        raise ConfigurationError(f"--until is {words!r}: must be HH:MM, or minutes from now as +20") from error
    if not 0 < seconds <= _MOST_HOURS * 3600:
        raise ConfigurationError(f"--until is {words!r}: must be within the next {_MOST_HOURS} hours")
    return seconds


class _Warming:
    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._url = yarl.URL(options.url) / "health"
        self._wanted: int = options.replicas
        self._rate = rate(options.replicas, options.concurrent_requests)
        self._console = console
        self._seen: dict[str, float] = {}
        self._newest = self._started = time.monotonic()
        self._answers = self._failures = 0
        self._failure = ""
        #: The most replicas that there were at the same time.
        self.most = 0

    async def run(self, seconds: float) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
        self._newest = self._started = time.monotonic()
        name = f"prewarm-{datetime.now().astimezone():%Y%m%dT%H%M%S}"
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), headers={_HEADER: name}, timeout=aiohttp.ClientTimeout(_REQUEST_SECONDS)
        ) as http:
            under_way: set[asyncio.Task[None]] = set()
            sent, told = 0, self._started
            while (now := time.monotonic()) < self._started + seconds and not stop.is_set():
                due = int((now - self._started) * self._rate)
                # While the app is asleep its ingress keeps requests; they count when they come.
                for _ in range(min(due - sent, max(10, 4 * self._wanted) - len(under_way))):
                    task = asyncio.create_task(self._ask(http))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                sent = due
                if now - told >= _TOLD_SECONDS:
                    told = now
                    self._tell(now)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _TICK_SECONDS)
            for task in under_way:
                task.cancel()
        self._sum_up()

    async def _ask(self, http: aiohttp.ClientSession) -> None:
        observation = Observation(self._note)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ServerFailedError), observation:
            async with http.get(self._url) as response:
                observation.begins(response)
                await response.read()
                if response.status >= 500:
                    raise ServerFailedError(f"the app answers {response.status}")

    def _note(self, attempt: Attempt) -> None:
        if attempt.error:
            self._failures += attempt.error != "CancelledError"
            self._failure = attempt.error
            return
        self._answers += 1
        if attempt.replica and attempt.replica not in self._seen:
            self._newest = attempt.ended
        if attempt.replica:
            self._seen[attempt.replica] = attempt.ended

    def _alive(self, now: float) -> int:
        return sum(now - last < _ALIVE_SECONDS for last in self._seen.values())

    def _tell(self, now: float) -> None:
        alive = self._alive(now)
        self.most = max(self.most, alive)
        words = f"{now - self._started:5.0f} s: {alive} of {self._wanted} replicas answer, {self._rate:g} requests a second"
        if self._failures:
            words += f"; {self._failures} failed ({self._failure})"
        if alive < self._wanted and now - self._newest > _STILL_SECONDS:
            words += (
                f"; none came for {now - self._newest:.0f} s: look at `maxReplicas` and the quota, or the scaler counts "
                "something else than requests a second"
            )
        self._console.print(words, highlight=False, soft_wrap=True)

    def _sum_up(self) -> None:
        self.most = max(self.most, self._alive(time.monotonic()))
        words = f"{self.most} of {self._wanted} replicas came; {self._answers:,} answers, {self._failures:,} failed"
        self._console.print(words, highlight=False)
