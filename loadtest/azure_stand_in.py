"""`python -m loadtest.azure_stand_in`: an app as on Azure Container Apps, on this machine, for a rehearsal to be tried on.

HAProxy is its ingress. Replicas are containers of the image, or processes. They are started and stopped by the documented
rule: every 15 s the requests since the last look, a second; at most 1, then 4, then twice as many replicas; none goes for
300 s after more were wanted. `--time-factor 5` does all of it five times as fast; rates stay those of real seconds.
"""

import argparse
import itertools
import math
import random
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from signal import SIGTERM

from executor_client.capacity import Scaling

from loadtest.replicas import MOST_REPLICAS, Balancer, Replica, balancer, start

# Several start at the same time, as on several nodes; more would only wait for this machine's cores.
_STARTS = 4


@dataclass(frozen=True)
class Step:
    """One look of the scaler, `moment` seconds after its start: what it measured and wanted, and how many there were."""

    moment: float
    rate: float
    desired: int
    replicas: int


@dataclass
class App:
    """A running app: `looks` are the scaler's, `came` the moments at which replicas were ready."""

    url: str
    looks: list[Step] = field(default_factory=list)
    came: list[float] = field(default_factory=list)
    ready: list[Replica] = field(default_factory=list)


@contextmanager
def running(
    scaling: Scaling, *, time_factor: float = 1.0, image: str = "", settings: dict[str, str] | None = None, port: int = 0
) -> Iterator[App]:
    """The app, with its least replicas ready; raises RuntimeError where the machine lacks what it needs."""
    with balancer(port) as ingress:
        app = App(ingress.url)
        scaler = _Scaler(_faster(scaling, time_factor), ingress, app, image, settings or {})
        try:
            scaler.open()
            yield app
        finally:
            scaler.close()


def _faster(scaling: Scaling, factor: float) -> Scaling:
    return replace(
        scaling,
        interval=scaling.interval / factor,
        stabilization=scaling.stabilization / factor,
        start_seconds=scaling.start_seconds / factor,
    )


class _Scaler:
    def __init__(self, scaling: Scaling, ingress: Balancer, app: App, image: str, settings: dict[str, str]) -> None:
        self._scaling = scaling
        self._ingress = ingress
        self._app = app
        self._image = image
        self._settings = {"EXECUTOR_LOG_LEVEL": "error", **settings}
        self._starts = ThreadPoolExecutor(_STARTS)
        self._leaving = ThreadPoolExecutor(_STARTS)
        self._stopped = threading.Event()
        self._changing = threading.Lock()
        self._starting = 0
        self._numbers = itertools.count(1)
        self._random = random.Random(1)
        self._began = time.monotonic()
        self._loop = threading.Thread(target=self._run, name="scaler")

    def open(self) -> None:
        for started in [self._starts.submit(self._start) for _ in range(self._scaling.minimum)]:
            started.result()
        self._began = time.monotonic()
        self._loop.start()

    def close(self) -> None:
        self._stopped.set()
        if self._loop.is_alive():
            self._loop.join()
        self._starts.shutdown(cancel_futures=True)
        self._leaving.shutdown()
        with ThreadPoolExecutor(_STARTS) as pool:
            list(pool.map(Replica.remove, self._app.ready))

    def _run(self) -> None:
        scaling = self._scaling
        wishes: deque[int] = deque(maxlen=max(1, round(scaling.stabilization / scaling.interval)))
        seen, last = self._ingress.requests(), time.monotonic()
        while not self._stopped.wait(scaling.interval):
            count, now = self._ingress.requests(), time.monotonic()
            rate, seen, last = (count - seen) / (now - last), count, now
            desired = math.ceil(rate / scaling.concurrent_requests)
            wishes.append(max(desired, scaling.minimum))
            with self._changing:
                current = len(self._app.ready) + self._starting
                more = max(0, scaling.next(current, desired) - current)
                self._starting += more
            self._app.looks.append(Step(now - self._began, rate, desired, current + more))
            for _ in range(more):
                delay = self._random.lognormvariate(math.log(scaling.start_seconds), scaling.start_spread)
                later = threading.Timer(delay, self._begin)
                later.daemon = True
                later.start()
            if len(wishes) == wishes.maxlen:
                self._let_go(current - max(wishes))

    def _begin(self) -> None:
        if not self._stopped.is_set():
            self._starts.submit(self._start_later)

    def _start_later(self) -> None:
        try:
            self._start()
        except RuntimeError as error:
            print(f"a replica did not start: {error}", file=sys.stderr, flush=True)
        finally:
            with self._changing:
                self._starting -= 1

    def _start(self) -> None:
        name = f"stand-in--{next(self._numbers):04}"
        replica = start(self._image, self._settings | {"CONTAINER_APP_REPLICA_NAME": name})
        with self._changing:
            self._app.ready.append(replica)
        self._app.came.append(time.monotonic() - self._began)
        self._ingress.join(replica)

    def _let_go(self, count: int) -> None:
        for _ in range(min(count, len(self._app.ready))):
            with self._changing:
                replica = self._app.ready.pop()
            self._ingress.leave(replica)
            self._leaving.submit(_stop, replica)


def _stop(replica: Replica) -> None:
    replica.signal(SIGTERM)  # it finishes what it runs
    replica.wait()
    replica.remove()


def main() -> int:
    """Runs until Ctrl-C; returns 2 where it could not."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.azure_stand_in", description=__doc__)
    parser.add_argument("--image", default="", help="of the replicas; processes of this checkout unless told")
    parser.add_argument("--min", type=int, default=2, help="minReplicas")
    parser.add_argument("--max", type=int, default=20, help="maxReplicas")
    parser.add_argument("--concurrent-requests", type=int, default=1)
    parser.add_argument("--time-factor", type=float, default=1.0, help="how much faster than Azure the scaler is")
    parser.add_argument("--start-seconds", type=float, default=7.0, help="median of a cold start, before the container's own")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if not 0 <= options.min <= options.max <= MOST_REPLICAS or options.max < 1:
        parser.error(f"--min and --max must be 0 <= min <= max <= {MOST_REPLICAS}")
    if min(options.time_factor, options.start_seconds) <= 0 or options.concurrent_requests < 1:
        parser.error("--time-factor and --start-seconds must be above 0, and --concurrent-requests at least 1")
    scaling = Scaling(options.min, options.max, options.concurrent_requests, start_seconds=options.start_seconds)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with running(scaling, time_factor=options.time_factor, image=options.image, port=options.port) as app:
            print(
                f"{app.url} with {options.min} replicas, looks every {15 / options.time_factor:g} s; Ctrl-C ends it",
                flush=True,
            )
            shown = 0
            while not stop.wait(0.5):
                for step in app.looks[shown:]:
                    if step.rate or step.replicas != options.min:
                        print(
                            f"{step.moment:7.1f} s: {step.rate:6.1f} requests a second, {step.replicas} replicas, "
                            f"{len(app.ready)} ready",
                            flush=True,
                        )
                shown = len(app.looks)
    except RuntimeError as error:
        print(f"the stand-in could not be run: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
