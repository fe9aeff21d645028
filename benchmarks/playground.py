"""`python -m benchmarks.playground`: the playground in a real browser, and what it costs an executor that nobody visits.

The browser runs at half its speed where the figure says half a core. It needs Debian's Chromium.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from devtools.executor import Executor, running

_CHROMIUM = "/usr/bin/chromium"
_PATIENCE_MS = 60_000
_LINES, _KEYS = 5000, 100
_MEGABYTE = "print('x' * 80 * 13107)", "for n in range(1 << 17): print('line', n % 10)"
_NOTHING = "pass"
# From a press on Run until its result, and with it all of the output, has been painted.
_SHOW = """() => new Promise(shown => { const began = performance.now(); document.querySelector("#run").click();
const look = () => document.querySelector("#run-result .badge") && document.querySelector("#stop").disabled
? requestAnimationFrame(() => setTimeout(() => shown(performance.now() - began))) : requestAnimationFrame(look); look(); })"""
# Watches the page's own main thread from before the run.
_WATCH = """() => { window.longest = 0; new PerformanceObserver(list => { for (const task of list.getEntries())
window.longest = Math.max(window.longest, task.duration); }).observe({ type: "longtask" }); }"""
_WATCH_KEYS = """() => { window.times = []; new PerformanceObserver(list => { for (const each of list.getEntries())
if (each.name === "keydown") window.times.push(each.duration); }).observe({ type: "event", durationThreshold: 16 }); }"""


def main() -> int:
    """Prints each figure with its bound; 1 where one is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="how often each is measured; the median counts")
    times = parser.parse_args().times
    expect.set_options(timeout=_PATIENCE_MS)
    kept: list[bool] = []
    with running({"EXECUTOR_CONCURRENCY": "2"}) as executor, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        found = [_visit(browser, executor) for _ in range(times)]
        kept.append(_held("interactive at half a core after", statistics.median(each[0] for each in found), 1, "s"))
        kept.append(
            _held("transferred for the first program", statistics.median(each[1] for each in found) / 1000, 350, "kB")
        )
        kept.append(_held("a key in 5,000 lines", _typing(browser, executor), 50, "ms"))
        nothing = statistics.median(_output(browser, executor, _NOTHING)[0] for _ in range(times))
        for program in _MEGABYTE:
            measured = [_output(browser, executor, program) for _ in range(times)]
            shown, longest = (statistics.median(each) for each in zip(*measured, strict=True))
            # Whoever prints line by line takes most of the time itself.
            own = statistics.median(executor.execute("python", program)["wall_time"] for _ in range(times))
            words = f"1 MiB of output, from Run until shown, beyond the program's own {own:.0f} ms and a run without any"
            kept.append(_held(words, shown - nothing - own, 300, "ms"))
            kept.append(_held("the page's longest pause with it", longest, 300, "ms"))
        browser.close()
    kept += _beside(times)
    return 0 if all(kept) else 1


def _page(browser: Browser, executor: Executor) -> Page:
    """A visitor who was never here before, and knows nothing of this page."""
    context = browser.new_context(base_url=executor.url, viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(_PATIENCE_MS)
    return context.new_page()


def _ready(page: Page) -> None:
    expect(page.locator("#editor .cm-content")).to_be_visible()
    expect(page.locator("#language option", has_text="Python")).to_be_attached()


def _run(page: Page) -> None:
    page.locator("#run").click()
    expect(page.locator("#run-result .badge").first).to_be_visible()
    expect(page.locator("#stop")).to_be_disabled()


def _visit(browser: Browser, executor: Executor) -> tuple[float, int]:
    """Seconds until the page can be used, and bytes on the wire until its first program has run."""
    page = _page(browser, executor)
    session = page.context.new_cdp_session(page)
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    session.send("Network.enable")
    session.send("Emulation.setCPUThrottlingRate", {"rate": 2})
    started = time.perf_counter()
    page.goto("/", wait_until="commit")
    _ready(page)
    took = time.perf_counter() - started
    _run(page)
    page.context.close()
    return took, sum(sizes)


def _typing(browser: Browser, executor: Executor) -> float:
    """The median from a key to the painted frame, in ms, by the browser's count; 16 where it is less."""
    page = _page(browser, executor)
    page.goto("/")
    _ready(page)
    text = "\n".join(f"value_{number} = function({number}, 'text')  # comment" for number in range(_LINES))
    page.locator("#open-file").set_input_files({"name": "main.py", "mimeType": "text/x-python", "buffer": text.encode()})
    expect(page.locator(".cm-line").first).to_contain_text("value_0")
    page.evaluate(_WATCH_KEYS)
    page.keyboard.press("Control+Home")
    for _ in range(_KEYS):
        page.keyboard.type("a")
    slow: list[float] = page.evaluate("() => window.times")
    page.context.close()
    return statistics.median([16.0] * max(0, _KEYS - len(slow)) + slow[-_KEYS:])


def _output(browser: Browser, executor: Executor, program: str) -> tuple[float, float]:
    """Milliseconds from Run until all of the output is shown, and the longest task of the page meanwhile."""
    page = _page(browser, executor)
    page.goto("/")
    _ready(page)
    page.locator("#editor .cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(program)
    page.evaluate(_WATCH)
    shown: float = page.evaluate(_SHOW)
    longest: float = page.evaluate("() => window.longest")
    page.context.close()
    return shown, longest


def _beside(times: int) -> list[bool]:
    """Start and idle memory with the playground, as shares of those without; they take turns."""
    seconds: dict[str, list[float]] = {"1": [], "0": []}
    memory: dict[str, list[float]] = {"1": [], "0": []}
    for _ in range(4 * times):
        for switch in ("1", "0"):
            with running({"EXECUTOR_PLAYGROUND": switch, "EXECUTOR_LOG_LEVEL": "error"}) as executor:
                executor.health()
                seconds[switch].append(_cpu_seconds(executor))
                memory[switch].append(_memory_kb(executor))
    # The least, which other work on the machine adds to and never takes from.
    shares = [min(each["1"]) / min(each["0"]) for each in (seconds, memory)]
    return [
        _held("processor time of a start with the playground, as a share of that without", shares[0], 1.02, ""),
        _held("idle memory with the playground, as a share of that without", shares[1], 1.02, ""),
    ]


def _cpu_seconds(executor: Executor) -> float:
    """What the server has used of a processor; the moment of its first answer would have the machine's other work in it."""
    threads = Path(f"/proc/{executor.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def _memory_kb(executor: Executor) -> float:
    lines = Path(f"/proc/{executor.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))


def _held(what: str, found: float, most: float, unit: str) -> bool:
    held = found <= most
    print(f"{'ok ' if held else 'NOT'} {what} {found:.2f} {unit}, at most {most:g}", flush=True)
    return held


if __name__ == "__main__":
    sys.exit(main())
