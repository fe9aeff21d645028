"""steps.py LANGUAGE.TOML FILE [WORD...]: writes a script that does what GCC's driver does for one source of that language.

The driver reads its specs and looks through its folders anew for each program, and it starts the linker through another
program: a fifth of the time of a small C program. The script has the compiler's, assembler's and linker's words as the
driver says them, and leaves to the driver what it was not made for. The words beside those of the language may change only
what the linker does: the script is started with the language's own.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

_SOURCES, _AHEAD = "{sources}", "{ahead}"
# Of a name that no program's file has by chance, in the directory of the compile step.
_ASSEMBLY, _OBJECT = ".main.s", ".main.o"
# What dumps would be called, which there are none of, and the driver's own temporary files.
_WITH_A_VALUE = ("-dumpbase", "-dumpbase-ext", "-dumpdir", "-o")
_SCRIPT = """#!/usr/bin/dash
# Written by steps.py.
if [ "$#" {compare} {count} ] || [ "{given}" != {before} ]; then exec "$@"; fi
{narrow}
for source; do :; done
case "$source: $*" in -*|*" -Wl,"*|*" @"*) exec {driver} "$@"{after};; esac
# As the driver says it and ends.
ended() {{
  if [ "$2" -gt 128 ]; then
    echo "{name}: fatal error: signal $(($2 - 128)) terminated program $1" >&2
    echo 'compilation terminated.' >&2
    exit 1
  fi
  exit "$2"
}}
{compiler} "$@" -o {assembly} || ended {compiler_name} $?
{assembler} || ended as $?
{linker} || {{ status=$?; echo "collect2: error: ld returned $status exit status" >&2; exit 1; }}
"""


def main() -> None:
    """Raises SystemExit where the driver's words are not those of three programs."""
    file, to, *more = sys.argv[1:]
    language = tomllib.loads(Path(file).read_text("utf-8"))
    command = language["compile"]
    at = command.index(_SOURCES)
    before, after = [word for word in command[:at] if word != _AHEAD], command[at + 1 :]
    if after and _AHEAD in command:
        raise SystemExit(f"{file}: what follows {_SOURCES} cannot be told from what {_AHEAD} stands for")
    driver = _output("sh", "-c", f"command -v {before[0]}")
    before[0] = driver
    name = Path(driver).name
    source = f"source{language['extensions'][0]}"
    compiler, assembler, linker = _steps([*before, *more, source, *after], source)
    count = len(before)
    words = " ".join(f"${{{number}}}" for number in range(1, count + 1))
    script = _SCRIPT.format(
        compare="!=" if after else "-le",
        count=count + 1 + len(after) if after else count,
        given=" ".join((words, *(f"${{{count + 2 + number}}}" for number in range(len(after))))),
        before=shlex.quote(" ".join((*before, *after))),
        narrow=f'set -- "${{{count + 1}}}"' if after else f"shift {count}",
        driver=shlex.join(before),
        after="".join(f" {word}" for word in after),
        name=name,
        compiler=shlex.join(compiler),
        compiler_name=Path(compiler[0]).name,
        assembly=_ASSEMBLY,
        assembler=shlex.join(assembler),
        linker=shlex.join(linker),
    )
    Path(to).write_text(script)
    Path(to).chmod(0o755)


def _steps(command: list[str], source: str) -> tuple[list[str], list[str], list[str]]:
    """The compiler's words without its source and output, the assembler's and the linker's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, source).touch()
        told = subprocess.run((*command, "-###"), cwd=folder, capture_output=True, text=True, check=True).stderr
    steps = [shlex.split(line) for line in told.splitlines() if line.startswith(" ")]
    if [Path(step[0]).name.removesuffix("plus") for step in steps] != ["cc1", "as", "collect2"]:
        raise SystemExit(f"{command[0]} does not compile in three steps: {told}")
    compiler, assembler, linker = steps
    temporary = assembler[-1], assembler[assembler.index("-o") + 1]
    names = {temporary[0]: _ASSEMBLY, temporary[1]: _OBJECT}
    compiler = [word for number, word in enumerate(compiler) if not _is_dropped(compiler, number) and word != source]
    assembler[0] = _output("sh", "-c", f"command -v {_output(*command[:-1], '-print-prog-name=as')}")
    linker[0] = _output(*command[:-1], "-print-prog-name=ld")
    if not os.access(linker[0], os.X_OK):
        linker[0] = _output("sh", "-c", f"command -v {linker[0]}")
    return compiler, [names.get(word, word) for word in assembler], [names.get(word, word) for word in linker]


def _is_dropped(words: list[str], number: int) -> bool:
    return words[number] in _WITH_A_VALUE or words[number - 1] in _WITH_A_VALUE


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
