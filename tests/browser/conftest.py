"""A real browser, Debian's Chromium, and pages in it that must not complain."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from devtools.executor import ROOT, Executor, running

_CHROMIUM = Path("/usr/bin/chromium")
_SHOTS = ROOT / "build/screenshots"
#: Waits for what a page shows; a busy machine needs longer than a person would wait.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


# Its loop goes with the module: another module's test in the same process may want one of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not _CHROMIUM.exists():
        if os.environ.get("REQUIRE_IMAGE_TESTS") == "1":
            pytest.fail(f"{_CHROMIUM} is not there, and these tests must not be skipped here")
        pytest.skip(f"{_CHROMIUM} is not there: apt-get install chromium")
    with sync_playwright() as playwright:
        # Without its own sandbox, since CI is root; it only opens pages of executors here.
        yield playwright.chromium.launch(executable_path=str(_CHROMIUM), args=["--no-sandbox"])


@pytest.fixture(scope="session")
def served() -> Iterator[Executor]:
    """An executor with two places, so that one run does not hold up the next test's."""
    with running({"EXECUTOR_CONCURRENCY": "2"}) as executor:
        yield executor


@pytest.fixture
def context(browser: Browser, served: Executor) -> Iterator[BrowserContext]:
    """A visitor who was never here before."""
    context = browser.new_context(base_url=served.url, viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page whose scripts must not fail and of which the browser must not have refused anything."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def listen(message: ConsoleMessage) -> None:
        # A refused request is an error for the console, and for a test that wants one it is none. The browser's own editing
        # of text sets a style of which the policy then tells.
        known = ("Failed to load resource", "WebSocket connection to", "Applying inline style")
        if message.type == "error" and not message.text.startswith(known):
            complaints.append(message.text)

    page.on("console", listen)
    yield page
    assert complaints == []


@pytest.fixture
def shot(page: Page) -> Callable[[str], None]:
    """Keeps a picture of the page below build/screenshots, to be looked at."""

    def keep(name: str) -> None:
        _SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=_SHOTS / f"{name}.png", full_page=True)

    return keep
