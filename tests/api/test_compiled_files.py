"""What was compiled goes into every run as it was made, whatever a run did to its own copy, and to nobody else."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from devtools.executor import Executor, running
from tests.attacks.places import on_host_as_user

# A megabyte of program: it goes as a descriptor. The other, of 16 kB, goes with its job.
_LARGE = "static char padding[1 << 20] = {1};\n"
_SMALL = "static char padding[1] = {1};\n"
_PROGRAM = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static char text[] = "original";
int main(int count, char **words) {
  padding[0] = 2;
  int change = getchar() == 'c';
  if (!change) { puts(text); return 0; }
  const char *names[] = {words[0], "/proc/self/exe"};
  for (int i = 0; i < 2; i++) {
    int file = open(names[i], O_RDWR);
    if (file >= 0) { puts("its own file is open for writing while it runs"); return 1; }
  }
  struct stat status;
  FILE *own = fopen(words[0], "rb");
  if (!own || fstat(fileno(own), &status)) { puts("its own file is not there"); return 1; }
  char *bytes = (char *)malloc(status.st_size);
  if (fread(bytes, 1, status.st_size, own) != (size_t)status.st_size) return 1;
  char *found = (char *)memmem(bytes, status.st_size, text, sizeof text);
  if (!found) { puts("its own file is another one"); return 1; }
  memcpy(found, "modified", 8);
  FILE *other = fopen("other", "wb");
  if (fwrite(bytes, 1, status.st_size, other) != (size_t)status.st_size || fclose(other)) return 1;
  if (chmod("other", 0755) || rename("other", words[0])) return 1;
  execv(words[0], words);
  return 1;
}
"""
_MAIN = '#include "lib/add.h"\n#include <stdio.h>\nint main(void) { printf("%d", add(40, 2)); }\n'
_DESCRIPTORS = r"""
#include <dirent.h>
#include <stdio.h>
#include <string.h>
int main(void) {
  padding[0] = 2;
  char line[4096];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps)) if (strstr(line, "memfd")) printf("mapped %s", line);
  int count = 0;
  DIR *folder = opendir("/proc/self/fd");
  while (folder && readdir(folder)) count++;
  puts("done");
}
"""


def _as_root() -> AbstractContextManager[Executor]:
    return running({"EXECUTOR_CONCURRENCY": "2"})


def _as_user() -> AbstractContextManager[Executor]:
    return on_host_as_user({"EXECUTOR_CONCURRENCY": "2"})


@pytest.fixture(scope="module", params=[_as_root, _as_user], ids=["uids of their own", "one uid"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to have both")
    with request.param() as executor:
        yield executor


@pytest.mark.parametrize("size", [_SMALL, _LARGE], ids=["small", "large"])
@pytest.mark.parametrize("language", ["c", "cpp"])
def test_a_program_that_replaces_its_own_file_changes_no_other_run(executor: Executor, language: str, size: str) -> None:
    code = "#define _GNU_SOURCE\n" * (language == "c") + size + _PROGRAM
    for stdin, output in (("", "original\n"), ("cx", "modified\n"), ("", "original\n"), ("cx", "modified\n")):
        run = executor.execute(language, code, stdin=stdin)
        assert (run["stdout"], run["code"]) == (output, 0), run
    cases = [
        {"id": "1", "input": "cx", "expected_output": "modified"},
        {"id": "2", "input": "", "expected_output": "original"},
    ]
    assert executor.judge(language, code, cases)["status"] == "accepted"


def test_two_runs_at_once_have_a_copy_each(executor: Executor) -> None:
    code = "#define _GNU_SOURCE\n" + _LARGE + _PROGRAM
    executor.execute("c", code)

    def run(number: int) -> tuple[int, Any]:
        return number, executor.execute("c", code, stdin="cx" if number % 2 else "")["stdout"]

    with ThreadPoolExecutor(2) as threads:
        results = dict(threads.map(run, range(12)))
    assert results == {number: "modified\n" if number % 2 else "original\n" for number in range(12)}


def test_a_program_finds_no_memory_of_the_server_s_in_its_process(executor: Executor) -> None:
    for _ in range(2):
        assert executor.execute("c", _LARGE + _DESCRIPTORS)["stdout"] == "done\n"


@pytest.mark.parametrize("kept_mb", ["0", "8"], ids=["nothing kept", "few kept"])
def test_the_server_lets_go_of_what_it_does_not_keep(kept_mb: str) -> None:
    with running({"EXECUTOR_COMPILE_CACHE_MB": kept_mb}) as executor:
        for number in range(8):
            run = executor.execute(
                "c", f'#include <stdio.h>\n{_LARGE}int main(void) {{ printf("%d", {number} + padding[0]); }}'
            )
            assert run["stdout"] == str(number + 1)
        names = [os.readlink(f"/proc/{executor.pid}/fd/{name}") for name in os.listdir(f"/proc/{executor.pid}/fd")]
        # Each has a descriptor, and one for its mapping.
        assert sum("memfd:compiled" in name for name in names) <= 2 * int(kept_mb)


@pytest.mark.skipif(not shutil.which("javac"), reason="needs javac")
def test_classes_of_every_size_are_what_the_compiler_made(executor: Executor) -> None:
    # A class of 300 kB beside small ones.
    texts = ",".join(f'"{number:05}{"x" * 600}"' for number in range(500))
    code = f"""
interface Words {{ String[] ALL = {{{texts}}}; }}
record Pair(int first, int second) {{ }}
public class Main {{
    public static void main(String[] arguments) {{
        System.out.println(Words.ALL.length + " " + Words.ALL[499].substring(0, 6) + new Pair(4, 2));
    }}
}}
"""
    for _ in range(2):
        run = executor.execute("java", code, timeout=10)
        assert run["stdout"] == "500 00499xPair[first=4, second=2]\n", run


def test_a_program_of_several_files_is_compiled_and_run_with_all_of_them(executor: Executor) -> None:
    files = [
        {
            "name": "main.c",
            "content": '#include "lib/add.h"\n#include <stdio.h>\nint main(void) { printf("%d", add(40, 2)); }\n',
        },
        {"name": "lib/add.h", "content": "int add(int a, int b);\n"},
        {"name": "lib/add.c", "content": _LARGE + "int add(int a, int b) { return a + b + padding[0] - 1; }\n"},
        {"name": "data.txt", "content": "7"},
    ]
    for _ in range(2):
        answer = executor.post({"language": "c", "files": files}).json()
        assert answer["run"]["stdout"] == "42", answer
