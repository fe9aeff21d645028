"""C and C++ programs of one file are compiled without GCC's driver, into what the driver would have made."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from devtools.docker import container
from devtools.executor import Executor
from runtime.languages.registry import load

_LANGUAGES = {language.name: language for language in load()}
_HEADERS = "/usr/local/lib/executor-gcc/ahead/bits/stdc++.h"
_MATHS = '#include <math.h>\n#include <stdio.h>\nint main(int n, char **w) { printf("%f", pow(n, 0.5)); }\n'
_OPENMP = '#include <stdio.h>\nint main(void) {\n#pragma omp parallel\n    puts("x");\n}\n'
#: A checker of this kind unwinds, formats numbers by a locale, and has threads.
_CHECKER = """
#include <fstream>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <thread>
int main(int, char **words) {
  int read = 0;
  std::thread([&] {
    std::ifstream output(words[2]);
    try { if (!(output >> read)) throw std::runtime_error("no number"); } catch (const std::exception &) { read = -1; }
  }).join();
  std::ostringstream text;
  text.imbue(std::locale("de_DE.UTF-8"));
  text << read;
  return text.str() == "1.234" ? 0 : 1;
}
"""
_MAP = "#include <bits/stdc++.h>\nint main() { std::map<int, std::string> m; std::cout << m.size(); }\n"


@pytest.fixture(scope="module")
def executor(image: str) -> Iterator[Executor]:
    with container(image) as executor:
        yield executor


def _compiled(executor: Executor, command: list[str], name: str, source: str) -> tuple[int, str, str]:
    """How a command ends in a new folder that has the source, what it says, and the digest of what it makes."""
    script = 'cd "$(mktemp -d)" && mkdir -p "$(dirname "$0")" && cat > "$0" && "$@"; echo $? >&2; sha256sum main'
    done = subprocess.run(
        ("docker", "exec", "-i", executor.container, "sh", "-c", script, name, *command),
        input=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    *words, code = done.stderr.replace("sha256sum: main: No such file or directory\n", "").splitlines()
    # The driver's own temporary files have other names each time.
    return int(code), re.sub(r"/tmp/cc\w+\.o", ".main.o", "\n".join(words)), done.stdout


def _command(language: str, name: str, ahead: tuple[str, ...]) -> list[str]:
    words: list[str] = []
    for word in _LANGUAGES[language].compile:
        words += ahead if word == "{ahead}" else [name if word == "{sources}" else word]
    return [f"/usr/bin/{words[0]}", *words[1:]]


@pytest.mark.parametrize(
    ("language", "name", "source", "ahead"),
    [
        ("c", "main.c", _MATHS, ()),
        ("c", "a folder/of its own.c", _OPENMP, ()),
        ("c", "main.c", "int main(void) { return missing_name; }\n", ()),
        ("c", "main.c", "extern int missing(void);\nint main(void) { return missing(); }\n", ()),
        ("c", "main.c", "#include <stdio.h>\nchar *gets(char *);\nint main(void) { char b[9]; gets(b); }\n", ()),
        ("c", "main.c", 'int main(void) { __asm__("no such instruction"); }\n', ()),
        ("c", "-x.c", "int main(void) { return 0; }\n", ()),
        ("cpp", "main.cpp", _MAP, ("-include", _HEADERS, "-isystem", f"{_HEADERS}.again")),
        ("cpp", "main.cpp", _MAP, ()),
        ("cpp", "main.cc", _MAP, ("-fwhole-program", "-O1")),
        ("cpp", "main.cpp", 'int main() {}\nextern "C" int __wrap_main() { return 3; }\n', ("-Wl,--wrap=main",)),
        ("cpp", "main.cpp", "int main() { return missing; }\n", ()),
    ],
)  # fmt: skip
def test_what_is_made_and_said_is_what_the_driver_makes_and_says(
    executor: Executor, language: str, name: str, source: str, ahead: tuple[str, ...]
) -> None:
    command, steps = _command(language, name, ahead), _LANGUAGES[language].steps
    assert _compiled(executor, [steps, *command], name, source) == _compiled(executor, command, name, source)
    # And where something does not agree with the words that it was made for.
    other = [command[0], "-O0", *command[1:]]
    assert _compiled(executor, [steps, *other], name, source)[2] == _compiled(executor, other, name, source)[2]


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_a_program_of_one_file_is_compiled_so_and_one_of_several_by_the_driver(executor: Executor, language: str) -> None:
    file = _LANGUAGES[language].file
    source = "extern int missing(int);\nint main(void) { return missing(1); }\n"
    one = executor.post({"language": language, "code": source}).json()["compile"]
    assert one["stderr"].startswith(".main.o:" + file), one
    assert one["stderr"].endswith("collect2: error: ld returned 1 exit status\n")
    other = {"name": f"other.{file.rpartition('.')[2]}", "content": "int other;\n"}
    several = executor.post({"language": language, "files": [{"name": file, "content": source}, other]}).json()["compile"]
    assert not several["stderr"].startswith(".main.o"), several
    assert several["stderr"].endswith("collect2: error: ld returned 1 exit status\n")


def test_a_checker_has_the_library_in_it(executor: Executor) -> None:
    command = (_LANGUAGES["cpp"].steps_of_checkers, *_command("cpp", "main.cpp", ()))
    script = 'cd "$(mktemp -d)" && cat > main.cpp && "$@" && readelf -d main'
    tell = ("docker", "exec", "-i", executor.container, "sh", "-c", script, "-", *command)
    needed = subprocess.run(tell, input=_CHECKER, capture_output=True, text=True, check=True).stdout
    assert "libc.so" in needed
    assert "libstdc++" not in needed
    checker = {"language": "cpp", "code": _CHECKER, "style": "testlib"}
    cases = [{"id": output, "input": output, "expected_output": ""} for output in ("1234", "1235", "x")]
    answer = executor.judge("python", "print(input())", cases, checker=checker)
    verdicts = [case["status"] for case in answer["test_results"]]
    assert verdicts == ["accepted", "wrong_answer", "wrong_answer"], answer
