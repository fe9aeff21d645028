"""An ingress in front of a real executor, which cuts long requests, or replicas of which have a clock of their own."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web


@dataclass
class Ingress:
    """A request that takes longer than `cut_seconds` ends with 504; `marks` counts rehearsals by their names."""

    executor: str
    cut_seconds: float = 200.0
    clock_ahead: float = 0.0
    url: str = ""
    marks: Counter[str] = field(default_factory=Counter)

    async def handle(self, request: web.Request) -> web.Response:
        """Passes a request on."""
        self.marks[request.headers.get("X-Executor-Rehearsal", "")] += 1
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
        body = await request.read()
        try:
            async with (
                asyncio.timeout(self.cut_seconds),
                aiohttp.ClientSession(auto_decompress=False) as http,
                http.request(
                    request.method, self.executor + request.path_qs, data=await request.read(), headers=headers
                ) as got,
            ):
                body = await got.read()
        except TimeoutError:
            return web.Response(status=504, text="stream timeout")
        if request.path == "/host":
            answer = json.loads(body)
            answer["host"]["clock"] += 1000 * self.clock_ahead
            body = json.dumps(answer).encode()
        kept = {name: value for name, value in got.headers.items() if name.startswith(("X-", "Content-Type", "Retry"))}
        return web.Response(status=got.status, body=body, headers=kept)


@contextmanager
def ingress(executor: str, *, cut_seconds: float = 200.0, clock_ahead: float = 0.0) -> Iterator[Ingress]:
    """It runs in a thread until the block ends."""
    made = Ingress(executor, cut_seconds, clock_ahead)
    loop = asyncio.new_event_loop()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app)

    async def open_it() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    loop.run_until_complete(open_it())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
