"""`executor-client problem import-polygon`: a package of Polygon becomes one with the same verdicts and points."""

import zipfile
from pathlib import Path

import pytest

from devtools.executor import Executor
from tests.client.test_problem_command import run

_TESTS = {
    "01": ("1", "1", 'sample="true" group="0" points="0"'),
    "02": ("2", "4", 'group="1" points="10"'),
    "03": ("3", "9", 'group="1" points="20"'),
    "04": ("10", "100", 'group="2" points="30"'),
    "05": ("20", "400", 'group="2" points="40"'),
}
_CHECKER = """
#include "testlib.h"
int main(int argc, char *argv[]) {
  registerTestlibCmd(argc, argv);
  if (ouf.readLong() != ans.readLong()) quitf(_wa, "another square");
  quitf(_ok, "the square");
}
"""
_GROUPS = """<groups><group name="1" points="30" points-policy="complete-group"/>
<group name="2" points-policy="each-test"><dependencies><dependency group="1"/></dependencies></group></groups>"""


def polygon(folder: Path, *, scored: bool) -> Path:
    tests = "".join(f'<test method="manual" {row[2] if scored else ""}/>' for row in _TESTS.values())
    (folder / "tests").mkdir(parents=True)
    for name, (given, answer, _) in _TESTS.items():
        (folder / "tests" / name).write_text(f"{given}\n")
        (folder / "tests" / f"{name}.a").write_text(f"{answer}\n")
    (folder / "problem.xml").write_text(f"""<?xml version="1.0" encoding="utf-8"?>
<problem revision="1" short-name="square" url="https://example.org/square">
<names><name language="english" value="Square"/></names>
<judging><testset name="tests"><time-limit>1000</time-limit><memory-limit>268435456</memory-limit>
<test-count>{len(_TESTS)}</test-count><input-path-pattern>tests/%02d</input-path-pattern>
<answer-path-pattern>tests/%02d.a</answer-path-pattern><tests>{tests}</tests>{_GROUPS if scored else ""}</testset></judging>
<assets><checker type="testlib"><source path="check.cpp" type="cpp.g++17"/></checker>
<solutions><solution tag="main"><source path="solutions/right.py" type="python.3"/></solution>
<solution tag="wrong-answer"><source path="solutions/wrong.py" type="python.3"/></solution></solutions></assets></problem>
""")
    (folder / "check.cpp").write_text(_CHECKER)
    (folder / "solutions").mkdir()
    (folder / "solutions/right.py").write_text("print(int(input()) ** 2)\n")
    (folder / "solutions/wrong.py").write_text("n = int(input())\nprint(n * n if n != 3 and n != 10 else 0)\n")
    return folder


def test_solutions_have_the_verdicts_of_their_tags_after_the_import(executor: Executor, tmp_path: Path) -> None:
    if "cpp" not in executor.languages():
        pytest.skip("no toolchain for cpp on this machine")
    source, target = polygon(tmp_path / "polygon", scored=False), tmp_path / "out"
    archive = tmp_path / "polygon.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for path in source.rglob("*"):
            made.write(path, path.relative_to(source))
    code, printed = run(executor, "import-polygon", archive, target)
    assert code == 0, printed
    code, printed = run(executor, "verify", target)
    assert code == 0, printed
    assert "accepted/right.py" in printed
    assert "wrong_answer/wrong.py" in printed


def test_groups_and_points_are_taken_over_and_what_is_not_is_said(executor: Executor, tmp_path: Path) -> None:
    if "cpp" not in executor.languages():
        pytest.skip("no toolchain for cpp on this machine")
    target = tmp_path / "out"
    code, printed = run(executor, "import-polygon", polygon(tmp_path / "polygon", scored=True), target)
    assert code == 0, printed
    assert "group 2 requires 1, which" in printed
    for name, points in (("right", 100), ("wrong", 40)):
        code, printed = run(executor, "judge", target, tmp_path / f"polygon/solutions/{name}.py")
        assert f"{points} points of 100" in printed, printed


# It tells a number and hears two; that they sum up to it is for the checker. Both have names in common.
_INTERACTOR = """
#include <chrono>
#include "testlib.h"
using namespace std;
int total;
int main(int argc, char *argv[]) {
  registerInteraction(argc, argv);
  total = inf.readInt();
  cout << total << endl;
  int a = ouf.readInt(-1000, 1000, "a"), b = ouf.readInt(-1000, 1000, "b");
  tout << a << " " << b << endl;
  quitf(_ok, "heard two numbers");
}
"""
_CHECKER_OF_SUMS = """
#include "testlib.h"
using namespace std;
int total;
int main(int argc, char *argv[]) {
  registerTestlibCmd(argc, argv);
  total = inf.readInt();
  int a = ouf.readInt(), b = ouf.readInt();
  if (a + b != total) quitf(_wa, "%d is not the sum", total);
  quitf(_ok, "the sum is right");
}
"""
_SPEAKERS = {
    "right.py": ("main", "n = int(input())\nprint(n - 3, 3, flush=True)\ninput_is_over = open(0).read()\n"),
    "wrong_sum.py": ("wrong-answer", "n = int(input())\nprint(n, 3 if n == 20 else 0)\n"),
    "too_large.py": ("wrong-answer", "n = int(input())\nprint(n + 5000, -5000)\n"),
    "no_number.py": ("wrong-answer", "input()\nprint('x y')\n"),
}


def speaking(folder: Path) -> Path:
    """The package with an interactor beside its checker, of style testlib both."""
    polygon(folder, scored=False)
    solutions = "".join(
        f'<solution tag="{tag}"><source path="solutions/{name}" type="python.3"/></solution>'
        for name, (tag, _) in _SPEAKERS.items()
    )
    xml = (folder / "problem.xml").read_text()
    begin, end = xml.index("<solutions>"), xml.index("</solutions>")
    interactor = '<interactor><source path="files/interactor.cpp" type="cpp.g++17"/></interactor>'
    (folder / "problem.xml").write_text(f"{xml[:begin]}{interactor}<solutions>{solutions}{xml[end:]}")
    (folder / "files").mkdir()
    (folder / "files/interactor.cpp").write_text(_INTERACTOR)
    (folder / "check.cpp").write_text(_CHECKER_OF_SUMS)
    for name, (_, text) in _SPEAKERS.items():
        (folder / "solutions" / name).write_text(text)
    return folder


def test_an_interactor_and_a_checker_judge_together_after_the_import(executor: Executor, tmp_path: Path) -> None:
    if "cpp" not in executor.languages():
        pytest.skip("no toolchain for cpp on this machine")
    target = tmp_path / "out"
    code, printed = run(executor, "import-polygon", speaking(tmp_path / "polygon"), target)
    assert code == 0, printed
    assert "left out" not in printed
    code, printed = run(executor, "verify", target)
    assert code == 0, printed
    for name in _SPEAKERS:
        assert name in printed


def test_a_checker_that_cannot_be_added_to_an_interactor_is_told(executor: Executor, tmp_path: Path) -> None:
    source = speaking(tmp_path / "polygon")
    xml = source / "problem.xml"
    xml.write_text(xml.read_text().replace("check.cpp", "check.py"))
    (source / "check.cpp").rename(source / "check.py")
    code, printed = run(executor, "import-polygon", source, tmp_path / "out")
    assert code == 0, printed
    assert "the checker check.py is left out" in printed


@pytest.mark.parametrize("kind", ["nothing", "no zip", "no xml", "taken"])
def test_what_is_no_package_of_polygon_is_one_line(executor: Executor, tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "polygon", tmp_path / "out"
    if kind == "no zip":
        source.write_text("x")
    elif kind != "nothing":
        polygon(source, scored=False)
    if kind == "no xml":
        (source / "problem.xml").write_text("<problem>")
    if kind == "taken":
        target.mkdir()
    code, printed = run(executor, "import-polygon", source, target)
    assert code != 0
    assert ("is there already" if kind == "taken" else "is no package of Polygon that can be read") in printed
