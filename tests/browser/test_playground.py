"""The playground, as people use it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from devtools import docker
from devtools.executor import ROOT, Executor, running
from tests.browser import playground
from tests.image.built import built

pytestmark = pytest.mark.xdist_group("browser")
Shot = Callable[[str], None]
_PACKAGE = ROOT / "tests/problems/packages/pairs"
# 1 by 1, from the format's specification: a header, one row of one pixel, an end.
_PICTURE = """
import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
rows = b"".join(b"\\0" + b"\\x0b\\x57\\xa4" * 60 for _ in range(40))
with open("plot.png", "wb") as file:
    file.write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60, 40, 8, 2, 0, 0, 0))
               + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
"""


def test_a_first_visit_ends_in_a_judged_program_without_reading_anything(page: Page, shot: Shot) -> None:
    playground.visit(page)
    page.get_by_role("button", name="Run", exact=True).click()
    assert playground.ended(page).startswith("Finished")
    expect(page.locator("#run-output")).to_have_text(re.compile("42"))
    assert playground.judge(page) == "Accepted 2 of 2 test cases passed."
    shot("judged")
    # And one of their own.
    page.get_by_role("button", name="Add a test case").click()
    page.keyboard.type("1 1")
    page.keyboard.press("Tab")
    page.keyboard.type("3")
    assert playground.judge(page) == "Wrong answer 2 of 3 test cases passed."
    page.set_viewport_size({"width": 1100, "height": 800})
    shot("wrong")
    wrong = page.get_by_label("Test case 3", exact=True)
    expect(wrong.locator(".missing")).to_contain_text("3")
    # The end of the last line is shown only where it counts.
    expect(wrong.locator(".extra")).to_have_text(re.compile("came: 2$"))
    page.locator("#comparator").select_option("exact")
    assert playground.judge(page) == "Wrong answer 2 of 3 test cases passed."
    expect(wrong.locator(".extra")).to_contain_text("2⏎")


def test_it_works_in_the_image_too(browser: Browser) -> None:
    with docker.container(built(), *docker.CONFINED) as executor:
        page = browser.new_page(base_url=executor.url)
        page.set_default_timeout(60_000)
        playground.visit(page)
        assert playground.judge(page) == "Accepted 2 of 2 test cases passed."
        page.close()


def test_output_comes_while_the_program_runs_and_what_is_typed_reaches_it(page: Page, shot: Shot) -> None:
    playground.visit(page)
    playground.write(page, 'print("name?")\nprint("hello", input())\nimport sys\nprint(len(sys.stdin.read()))')
    page.locator("#stdin").fill("")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#run-output")).to_contain_text("name?")
    expect(page.locator("#typed")).to_be_focused()
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    expect(page.locator("#run-output")).to_contain_text("hello Ada")
    shot("live")
    page.locator("#end-input").click()
    assert playground.ended(page).startswith("Finished")
    expect(page.locator("#typed")).to_be_hidden()


def test_every_typed_line_stands_after_its_question(page: Page) -> None:
    playground.visit(page)
    playground.write(page, "for number in range(5): print('and', input(f'{number}? '))")
    page.locator("#stdin").fill("")
    page.locator("#run").click()
    for number in range(5):
        expect(page.locator("#run-output")).to_contain_text(f"{number}?")
        page.locator("#typed").fill(f"answer {number}")
        page.keyboard.press("Enter")
    playground.ended(page)
    lines = [line for number in range(5) for line in (f"{number}? answer {number}", f"and answer {number}")]
    assert page.locator("#run-output").inner_text().split("\n")[:10] == lines


def test_a_line_that_is_typed_too_late_starts_nothing(browser: Browser) -> None:
    with running({"EXECUTOR_MAX_TIMEOUT_SECONDS": "2", "EXECUTOR_DEFAULT_TIMEOUT_SECONDS": "2"}) as executor:
        page = browser.new_page(base_url=executor.url)
        playground.visit(page)
        playground.write(page, "input('name? ')")
        page.locator("#stdin").fill("")
        page.locator("#run").click()
        expect(page.locator("#run-result")).to_contain_text("stopped after 2 s")
        expect(page.locator("#typed")).to_be_focused()
        page.keyboard.type("Ada")
        assert playground.ended(page).startswith("Time limit exceeded")
        page.keyboard.press("Enter")
        expect(page.locator("#run-output .output")).to_be_focused()
        expect(page.locator("#run")).to_be_enabled()
        expect(page.locator("#run-result")).to_contain_text("Time limit exceeded")
        page.close()


def test_of_much_output_the_end_is_shown(page: Page) -> None:
    playground.visit(page)
    playground.run(page, "for number in range(60_000): print(number, number * 7)")
    shown = page.locator("#run-output .output")
    below = "node => node.scrollHeight - node.scrollTop - node.clientHeight"
    page.wait_for_function(f"({below})(document.querySelector('#run-output .output')) < 60")
    expect(shown).to_contain_text("59999 419993")


def test_a_verdict_on_what_has_changed_since_says_so(page: Page) -> None:
    playground.visit(page)
    page.locator("#tab-judge").click()
    page.locator("#judge").click()
    expect(page.locator("#judge-result .badge")).to_be_visible()
    expect(page.locator("#judge-result")).not_to_contain_text("have changed")
    page.get_by_label("Expected output, test case 1").fill("another")
    expect(page.locator("#judge-result")).to_contain_text("have changed since; judge again")
    page.locator("#judge").click()
    expect(page.locator("#judge-result .badge")).to_have_text("Wrong answer")
    expect(page.locator("#judge-result")).not_to_contain_text("have changed")


def test_a_judgement_that_an_own_run_may_hold_up_says_so(page: Page) -> None:
    playground.visit(page)
    playground.write(page, "import time\nprint('begun', flush=True)\nif not input(): time.sleep(600)")
    page.locator("#stdin").fill("")
    page.locator("#run").click()
    expect(page.locator("#run-output")).to_contain_text("begun")
    page.locator("#tab-judge").click()
    page.get_by_label("Input, test case 1").fill("\n")
    page.locator("#judge").click()
    expect(page.locator("#judge-result")).to_contain_text("Your program under Run is still on")
    page.locator("#stop-judge").click()
    expect(page.locator("#judge-result")).to_contain_text("Stopped")
    page.locator("#tab-run").click()
    page.locator("#stop").click()
    playground.ended(page)


def test_a_running_program_can_be_stopped(page: Page) -> None:
    playground.visit(page)
    playground.write(page, 'print("begun", flush=True)\nwhile True: pass')
    page.locator("#run").click()
    expect(page.locator("#run-output")).to_contain_text("begun")
    page.locator("#stop").click()
    assert playground.ended(page).startswith("Stopped")
    assert "7" in playground.run(page, "print(7)")


def test_a_link_has_the_whole_work_and_leaves_the_reader_s_own_alone(page: Page, context: BrowserContext) -> None:
    playground.visit(page)
    playground.write(page, "print('shared ü')")
    page.locator("#tab-judge").click()
    page.get_by_label("Input, test case 1").fill("one of theirs")
    link = playground.copied(page, "link")
    assert "#" in link
    reader = context.browser.new_context() if context.browser else context
    other = reader.new_page()
    playground.visit(other, link.partition("#")[0])
    playground.write(other, "print('mine')")
    playground.kept(other, "mine")
    other.goto("about:blank")
    playground.visit(other, link)
    expect(other.locator(".cm-content")).to_contain_text("shared ü")
    # A question opens where its test cases are.
    expect(other.get_by_label("Input, test case 1")).to_have_value("one of theirs")
    expect(other.get_by_label("Input, test case 1")).to_be_visible()
    other.get_by_role("button", name="Back to my own program").click()
    expect(other.locator(".cm-content")).to_contain_text("mine")
    expect(other.locator("#panel-run")).to_be_visible()
    reader.close()


@pytest.mark.parametrize("fragment", ["x", "!!!", "AAAA", "eyJ9"])
def test_a_link_that_is_broken_is_told_and_the_own_program_shown(page: Page, fragment: str) -> None:
    playground.visit(page)
    playground.write(page, "print('mine')")
    playground.kept(page, "mine")
    page.goto("about:blank")
    playground.visit(page, f"/#{fragment}")
    expect(page.locator("#notice")).to_contain_text("This link cannot be read")
    expect(page.locator(".cm-content")).to_contain_text("mine")


def test_what_is_typed_is_there_after_a_reload(page: Page) -> None:
    playground.visit(page)
    playground.write(page, "kept = 1")
    page.locator("#stdin").fill("kept too")
    page.reload()
    expect(page.locator(".cm-content")).to_contain_text("kept = 1")
    expect(page.locator("#stdin")).to_have_value("kept too")


def test_several_files_and_arguments_go_to_the_program(page: Page) -> None:
    playground.visit(page)
    playground.write(page, "import sys, other\nprint(other.word, sys.argv[1:])")
    page.get_by_role("button", name="Add a file").click()
    page.get_by_label("Name of the open file").fill("other.py")
    page.get_by_label("Name of the open file").press("Enter")
    playground.write(page, "word = 'two files'")
    page.get_by_label("Arguments").fill("a 'b c'")
    page.get_by_role("button", name="main.py").click()
    page.locator("#run").click()
    playground.ended(page)
    expect(page.locator("#run-output")).to_contain_text("two files ['a', 'b c']")


def test_an_error_is_a_link_to_its_line(page: Page) -> None:
    playground.visit(page)
    playground.run(page, "x = 1\n\nraise ValueError('here')")
    page.locator("#run-output .place").last.click()
    expect(page.locator(".cm-activeLine")).to_have_text("raise ValueError('here')")


def test_a_picture_that_a_program_writes_is_shown(page: Page, shot: Shot) -> None:
    playground.visit(page)
    playground.run(page, _PICTURE)
    image = page.get_by_role("img", name="Picture plot.png")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") == 60
    shot("picture")


def test_expected_outputs_are_taken_from_a_teacher_s_program(page: Page) -> None:
    playground.visit(page)
    playground.write(page, "print(int(input().split()[0]) * 100)")
    page.locator("#tab-judge").click()
    page.locator("#generate").click()
    expect(page.locator("#judge-result")).to_contain_text("2 expected outputs were taken")
    expect(page.get_by_label("Expected output, test case 1")).to_have_value("1900\n")
    assert playground.judge(page) == "Accepted 2 of 2 test cases passed."
    playground.write(page, "print(5)")
    page.locator("#generate").click()
    expect(page.get_by_label("Expected output, test case 1")).to_have_value("5\n")
    page.get_by_role("button", name="Bring back the ones before").click()
    expect(page.get_by_label("Expected output, test case 1")).to_have_value("1900\n")


def test_what_was_started_over_can_be_brought_back(page: Page) -> None:
    playground.visit(page)
    playground.write(page, "print('mine')")
    page.locator("#more summary").click()
    page.locator("#start-over").click()
    expect(page.locator(".cm-content")).to_contain_text("Prints the sum")
    page.get_by_role("button", name="Bring back the one before").click()
    expect(page.locator(".cm-content")).to_contain_text("mine")


def test_a_problem_package_judges_with_its_groups_and_points(page: Page, shot: Shot, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "pairs"), "zip", _PACKAGE)
    playground.visit(page)
    solution = _PACKAGE / "submissions/partially_accepted/distinct.py"
    playground.write(page, solution.read_text("utf-8"))
    page.locator("#tab-judge").click()
    page.locator(".settings summary").click()
    page.locator("#package").set_input_files(archive)
    expect(page.locator("#judge-result")).to_contain_text("test cases. Judge uses them now")
    expect(page.locator("#problem")).to_have_value(re.compile("sha256:[0-9a-f]{64}"))
    words = playground.judge(page)
    assert re.search(r"passed, \d+ of \d+ points", words)
    assert page.locator(".groups > li").count() >= 2
    assert page.locator("#cases > .only").count() > 2
    expect(page.get_by_label("Input, test case 1")).to_be_hidden()
    shot("package")
    page.locator("#package").set_input_files({"name": "x.zip", "mimeType": "application/zip", "buffer": b"no zip"})
    expect(page.locator("#judge-result")).to_contain_text("Correct the package where the answer names it")


def test_a_compile_error_is_shown_once_with_its_line(page: Page, served: Executor) -> None:
    if "c" not in served.languages():
        pytest.skip("no toolchain for c on this machine")
    playground.visit(page)
    page.locator("#language").select_option("c")
    expect(page.locator(".cm-content")).to_contain_text("scanf")
    playground.write(page, "int main(void) {\n  return nothing;\n}")
    page.locator("#run").click()
    assert "Compile error" in playground.ended(page)
    page.locator("#run-result .place").first.click()
    expect(page.locator(".cm-activeLine")).to_contain_text("return nothing")
    page.locator("#tab-judge").click()
    page.locator("#judge").click()
    expect(page.locator("#judge-compiler")).to_contain_text("nothing")


@pytest.mark.parametrize("form", ["curl", "python", "json"])
def test_what_is_copied_does_the_same_elsewhere(page: Page, served: Executor, form: str) -> None:
    playground.visit(page)
    playground.write(page, "print('it\\'s', input(), \"$HOME `x` \\\\ ü\")")
    page.locator("#stdin").fill("a 'quoted' line")
    text = playground.copied(page, form)
    if form == "json":
        answer = served.post(json.loads(text)).json()
    else:
        command = ("sh", "-c", text) if form == "curl" else (sys.executable, "-c", text)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout)
    assert answer["run"]["stdout"] == "it's a 'quoted' line $HOME `x` \\ ü\n"


def test_a_frame_for_a_course_has_a_template_and_lines_that_cannot_be_changed(browser: Browser) -> None:
    with running({"EXECUTOR_FRAME_ORIGINS": "http://localhost:*"}) as executor:
        page = browser.new_page(base_url=executor.url, permissions=["clipboard-read", "clipboard-write"])
        playground.visit(page)
        playground.write(page, "def double(number):\n    return 0\n# end")
        page.keyboard.press("Control+Home")
        page.locator("#more summary").click()
        page.locator("#template").fill("{{code}}\nprint(double(21))")
        page.locator("#lock").click()
        expect(page.locator(".cm-line.locked")).to_have_count(1)
        page.keyboard.press("Escape")
        frame = playground.copied(page, "embed")
        assert frame.startswith('<iframe src="http')
        address = re.findall(r'src="([^"]+)"', frame)[0]
        assert "?embed#" in address
        page.goto("about:blank")
        playground.visit(page, address)
        expect(page.locator("header")).to_be_hidden()
        page.locator(".cm-line").first.click()
        page.keyboard.press("End")
        page.keyboard.type("broken")
        expect(page.locator(".cm-line").first).to_have_text("def double(number):")
        expect(page.locator("#notice")).to_contain_text("This line is locked")
        page.locator(".cm-line").nth(1).click()
        page.keyboard.press("End")
        page.keyboard.press("Backspace")
        page.keyboard.type("2 * number")
        page.locator("#stdin").fill("x")
        page.locator("#run").click()
        playground.ended(page)
        expect(page.locator("#run-output")).to_have_text("42\n")
        page.close()


def test_a_key_is_asked_for_used_and_gone_with_the_tab(browser: Browser) -> None:
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"  # of "secret"
    with running({"EXECUTOR_API_KEYS": f"teacher:{digest}"}) as executor:
        context = browser.new_context(base_url=executor.url)
        page = context.new_page()
        page.goto("/")
        expect(page.locator("#key")).to_be_focused()
        page.keyboard.type("wrong")
        page.keyboard.press("Tab")
        page.locator("#run").click()
        expect(page.locator("#run-result")).to_contain_text("Enter a key that this executor accepts")
        expect(page.locator(".cm-content")).to_contain_text("print(first + second)")
        page.locator("#key").fill("secret")
        page.locator("#key").press("Tab")
        expect(page.locator("#version")).to_have_text(re.compile(r"3\.\d+"))
        page.locator("#run").click()
        assert playground.ended(page).startswith("Finished")
        assert playground.judge(page).startswith("Accepted")
        kept = page.evaluate("() => JSON.stringify(localStorage) + document.cookie")
        assert "secret" not in kept
        other = context.new_page()
        other.goto("/")
        expect(other.locator("#key")).to_have_value("")
        context.close()


def _signalled_in_the_middle(browser: Browser, executor: Executor, number: signal.Signals) -> Page:
    """A page with an endless program that has begun, as its server gets the signal."""
    page = browser.new_page(base_url=executor.url)
    playground.visit(page)
    playground.write(page, 'print("begun", flush=True)\nwhile True: pass')
    page.locator("#run").click()
    expect(page.locator("#run-output")).to_contain_text("begun")
    assert executor.pid
    os.kill(executor.pid, number)
    return page


def test_a_replica_that_goes_in_the_middle_of_a_run_is_told_and_the_text_kept(browser: Browser) -> None:
    with running() as executor:
        page = _signalled_in_the_middle(browser, executor, signal.SIGTERM)
        # It finishes what it has; the next one is refused.
        page.locator("#stop").click()
        playground.ended(page)
    page.locator("#run").click()
    expect(page.locator("#run-result .trouble")).to_contain_text("could not be reached")
    expect(page.locator(".cm-content")).to_contain_text("begun")
    page.close()


def test_a_connection_that_is_lost_in_the_middle_of_a_run_is_told_and_the_text_kept(browser: Browser) -> None:
    with running(exit_code=-signal.SIGKILL) as executor:
        page = _signalled_in_the_middle(browser, executor, signal.SIGKILL)
        expect(page.locator("#run-result .trouble")).to_contain_text("The connection was lost in the middle of the run")
        expect(page.locator("#run-output")).to_contain_text("begun")
        expect(page.locator(".cm-content")).to_contain_text("begun")
        expect(page.locator("#run")).to_be_enabled()
    page.close()


def test_a_language_that_this_host_lacks_is_told_and_the_text_kept(page: Page) -> None:
    playground.visit(page)
    playground.write(page, "DISPLAY 'kept'")
    expect(page.locator(".cm-content")).to_contain_text("kept")
    playground.kept(page, "kept")
    page.evaluate("""() => { const work = JSON.parse(localStorage["executor-work"]); work.language = "cobol";
      localStorage["executor-work"] = JSON.stringify(work); }""")
    page.reload()
    expect(page.locator("#notice")).to_contain_text("This executor has no cobol")
    expect(page.locator(".cm-content")).to_contain_text("kept")
    page.locator("#run").click()
    expect(page.locator("#run-result .trouble")).to_contain_text("unknown language 'cobol'. Available: ")
