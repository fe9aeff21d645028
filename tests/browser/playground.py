"""What a person does on the playground."""

import re

from playwright.sync_api import Page, expect


def visit(page: Page, address: str = "/") -> None:
    """Opens the page and waits until it can be used."""
    page.goto(address)
    expect(page.locator("#editor .cm-content")).to_be_visible()
    expect(page.locator("#language option", has_text="Python")).to_be_attached()


def write(page: Page, text: str) -> None:
    """Replaces the program."""
    page.locator("#editor .cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def kept(page: Page, text: str) -> None:
    """Waits until the browser has kept work with this text. A page that is left keeps it too, perhaps late."""
    page.wait_for_function('text => localStorage["executor-work"]?.includes(text)', arg=text)


def run(page: Page, text: str, stdin: str = "") -> str:
    """Writes and runs a program to its end; what the page shows of its output."""
    write(page, text)
    page.locator("#stdin").fill(stdin)
    page.locator("#run").click()
    ended(page)
    return page.locator("#run-output").inner_text()


def ended(page: Page) -> str:
    """Waits for the end of a run; the words for it."""
    badge = page.locator("#run-result .badge")
    expect(page.locator("#stop")).to_be_disabled()
    expect(badge.first).to_be_visible()
    return page.locator("#run-result").inner_text()


def judge(page: Page) -> str:
    """Judges, and waits for the verdict; its words."""
    page.locator("#tab-judge").click()
    page.locator("#judge").click()
    expect(page.locator("#judge-result")).to_contain_text(re.compile("test cases passed"))
    return page.locator("#judge-result").inner_text()


def copied(page: Page, form: str) -> str:
    """What the page puts into the clipboard."""
    page.locator("#share summary").click()
    page.locator(f'[data-copy="{form}"]').click()
    expect(page.locator(f'[data-copy="{form}"]')).to_have_text("Copied")
    text: str = page.evaluate("() => navigator.clipboard.readText()")
    page.keyboard.press("Escape")
    return text
