"""Polygon's interactive problems have an interactor and a checker, and the package format has one program: made of both here.

The interactor speaks, and writes to testlib's `tout`. What it accepts, the checker judges by that.
"""

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

_VALIDATOR = Path("output_validators/interactor")
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<[^>\n]+>", re.MULTILINE)

# `exit` is how each of the two ends. In the place of an interactor that accepts, the same program goes on as the checker.
_BOTH = """#include <bits/stdc++.h>
#include "testlib.h"
#include <fcntl.h>
#include <unistd.h>
{includes}

#define main judge
namespace of_interactor {{
#include "interactor.inc"
}}
namespace of_checker {{
#include "checker.inc"
}}
#undef main

static const int accepted = 42;
static const char *const written = "interactor-output";
static char as_checker[] = "checker", **words;

static void go_on(int status, void *) {{
  if (status != accepted) return;
  if (tout.is_open()) tout.close();
  std::fflush(nullptr);
  dup2(open(written, O_RDONLY | O_CREAT, 0600), 0);
  dup2(open("/dev/null", O_WRONLY), 1);
  words[0] = as_checker;
  execv("/proc/self/exe", words);
  _exit(1);
}}

int main(int count, char **given) {{
  if (!std::strcmp(given[0], as_checker)) return of_checker::judge(count, given);
  words = given;
  on_exit(go_on, nullptr);
  tout.open(written, std::ios_base::out);
  return of_interactor::judge(count, given);
}}
"""


def with_checker(problem: ET.Element, source: Path, target: Path) -> list[str]:
    """Adds the checker to the validator that p2d has made of the interactor; a line where that cannot be.

    `problem` is the package's description, `source` the package, `target` what p2d has made of it.
    """
    interactor, checker = _path(problem, "interactor"), _path(problem, "checker")
    if not interactor or not checker or not (target / _VALIDATOR).is_dir():
        return []
    if not (interactor.endswith(".cpp") and checker.endswith(".cpp")):
        return [f"the checker {checker} is left out, and the interactor judges alone: not both of them are in C++"]
    folder = target / _VALIDATOR
    texts = {role: _read(source, path) for role, path in (("interactor", interactor), ("checker", checker))}
    for role, text in texts.items():
        (folder / f"{role}.inc").write_text(text, "utf-8")
    (folder / Path(interactor).name).unlink()
    includes = dict.fromkeys(found.strip() for text in texts.values() for found in _INCLUDE.findall(text))
    (folder / "both.cpp").write_text(_BOTH.format(includes="\n".join(includes)), "utf-8")
    return []


def _path(problem: ET.Element, role: str) -> str:
    found = problem.find(f"assets/{role}/source")
    return "" if found is None else found.get("path", "")


def _read(package: Path, path: str) -> str:
    if package.is_dir():
        return (package / path).read_text("utf-8")
    with zipfile.ZipFile(package) as archive:
        return archive.read(path).decode()
