"""Every language of `full`, as `languages.toml` has it: what a course does with one, in the image as Azure runs it."""

import base64
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.docker import AS_ON_AZURE, container
from devtools.executor import ROOT, Executor
from runtime.languages.registry import load
from tests.image.built import built
from tests.warm.programs import run_cold, run_warm

_LANGUAGES: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("languages.toml").read_text("utf-8"))


def _programs(file: str) -> list[dict[str, Any]]:
    programs: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name(file).read_text("utf-8"))["program"]
    return programs


_JAVA = _programs("java.toml")
_CPP = _programs("cpp.toml")
_PREAMBLES = Path(__file__).with_name("preambles.txt").read_bytes().decode().removesuffix("\n").split("\n----\n")
# Half of what the longest of them take where nothing was compiled ahead, on a machine with other work to do.
_PREAMBLE_CPU_MS = 1500
_INPUT = "Grüße, 世界\nsecond line\n"
_MEMORY_MB = 256


@pytest.fixture(scope="module")
def full() -> Iterator[Executor]:
    # On a busy machine half a core is less than that, and some compilers take seconds on a whole one.
    with container(built("full"), *AS_ON_AZURE, settings={"EXECUTOR_COMPILE_TIMEOUT_SECONDS": "60"}) as executor:
        yield executor


def test_the_table_has_every_language(full: Executor) -> None:
    assert full.languages() == set(_LANGUAGES)


def _rows(program: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", [name for name, row in _LANGUAGES.items() if program in row])


def _run(full: Executor, name: str, program: str, **fields: Any) -> dict[str, Any]:
    return full.execute(name, _LANGUAGES[name][program], **{"timeout": 10, **fields})


@pytest.mark.parametrize("name", _LANGUAGES)
def test_hello(full: Executor, name: str) -> None:
    code = next(language.hello for language in load() if language.name == name)
    answer = full.post({"language": name, "code": code, "timeout": 10}).json()
    run = answer["run"]
    assert (run["stdout"], run["stderr"], run["code"], run["status"]) == ("hello\n", "", 0, "ok"), answer
    assert answer["version"]


@pytest.mark.parametrize("name", _LANGUAGES)
def test_the_playground_s_first_program_passes_its_test_cases(full: Executor, name: str) -> None:
    code = (ROOT / f"web/starters/{name}.txt").read_text("utf-8")
    cases = [
        {"id": "1", "input": "19 23\n", "expected_output": "42\n"},
        {"id": "2", "input": "-5 2\n", "expected_output": "-3\n"},
    ]
    answer = full.judge(name, code, cases)
    assert answer["status"] == "accepted", answer


@_rows("echo")
def test_it_reads_its_input_and_writes_other_letters_than_ascii(full: Executor, name: str) -> None:
    run = _run(full, name, "echo", stdin=_INPUT)
    assert (run["stdout"], run["stderr"]) == ("héllo, 世界\n" + _INPUT, ""), run


@_rows("arguments")
def test_arguments(full: Executor, name: str) -> None:
    run = _run(full, name, "arguments", args=_LANGUAGES[name].get("args", ["one", "two words", ""]))
    assert (run["stdout"], run["stderr"]) == ("one|two words||\n", ""), run


@_rows("compile_error")
def test_a_compile_error_is_the_compilers_words(full: Executor, name: str) -> None:
    run = _run(full, name, "compile_error")
    assert run["status"] == "compile_error", run
    assert _LANGUAGES[name]["says"] in run["stderr"], run


@_rows("runtime_error")
def test_a_run_time_error(full: Executor, name: str) -> None:
    run = _run(full, name, "runtime_error")
    assert (run["status"], run["code"]) == ("runtime_error", _LANGUAGES[name]["error_code"]), run


@_rows("time_limit")
def test_the_time_limit(full: Executor, name: str) -> None:
    run = _run(full, name, "time_limit", timeout=0.7)
    assert (run["status"], run["signal"]) == ("time_limit_exceeded", "SIGKILL"), run


@_rows("memory_limit")
def test_the_memory_limit(full: Executor, name: str) -> None:
    run = _run(full, name, "memory_limit", memory_limit_mb=_MEMORY_MB, timeout=10)
    assert run["status"] == "memory_limit_exceeded", run
    # By how much it is exceeded is a matter of how busy the machine is.
    assert run["memory"] < 2 * _MEMORY_MB << 20, run


def _java_body(program: dict[str, Any], **limits: Any) -> dict[str, Any]:
    fields = {name: program[name] for name in ("stdin", "args") if name in program}
    return {"language": "java", "code": program["code_text"], "timeout": 10} | fields | limits


@pytest.mark.parametrize("program", [pytest.param(program, id=program["name"]) for program in _JAVA])
def test_java_is_the_same_in_a_jvm_that_was_started_ahead(full: Executor, program: dict[str, Any]) -> None:
    expected: dict[str, Any] = {"code": 0, "stdout": "", "stderr": ""}
    expected |= {name: program[name] for name in expected if name in program}
    # No JVM waits with this limit.
    cold = run_cold(full, _java_body(program, memory_limit_mb=255))
    assert {name: cold[name] for name in expected} == expected
    warm = run_warm(full, _java_body(program))
    assert {name: warm[name] for name in expected} == expected


@pytest.mark.parametrize("program", [pytest.param(program, id=program["name"]) for program in _CPP])
def test_cpp_with_precompiled_headers(full: Executor, program: dict[str, Any]) -> None:
    files = [{"name": "main.cpp", "content": program["code_text"]}, *program.get("files", ())]
    answer = full.post({"language": "cpp", "files": files, "timeout": 10}).json()
    run = answer["run"]
    assert answer["compile"]["stderr"] == "", answer
    assert (run["stdout"], run["signal"] or run["code"]) == (program["stdout"], program.get("ended", 0)), answer
    if "stderr_says" in program:
        assert program["stderr_says"] in run["stderr"], answer
    else:
        assert run["stderr"] == "", answer


@pytest.mark.parametrize(
    "header",
    ["bits/stdc++.h", "debug/bits/stdc++.h", "chrono", "format", "regex", "iostream", "map", "string", "algorithm", "vector"],
)
def test_the_compiler_takes_the_precompiled_header(full: Executor, header: str) -> None:
    cpp = next(language for language in load() if language.name == "cpp")
    ahead = ("-include", f"{cpp.ahead}/{header}", "-H", "-x", "c++", "-")
    words = [part for word in cpp.compile for part in ({"{sources}": (), "{ahead}": ahead}.get(word, (word,)))]
    compiler = ("docker", "exec", "-i", "-w", "/tmp", full.container, *words)
    done = subprocess.run(compiler, input="int main() {}", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"! {cpp.ahead}/{header}.gch" in done.stderr.splitlines()[0]


@pytest.mark.parametrize("preamble", [pytest.param(text, id=str(number)) for number, text in enumerate(_PREAMBLES)])
def test_a_preamble_of_a_contest_compiles_in_the_time_that_its_own_lines_take(full: Executor, preamble: str) -> None:
    answer = full.post({"language": "cpp", "code": f'{preamble}\nsigned main() {{ puts("1"); }}\n#include <cstdio>\n'}).json()
    assert answer["run"]["stdout"] == "1\n", answer
    assert answer["compile"]["cpu_time"] < _PREAMBLE_CPU_MS, answer


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("class Main { \ufeff public static void main(String[] a) { } }", "illegal character: '\\ufeff'"),
        ("public class Main { }\npublic class Other { }", "class Other is public, should be declared in a file named Other"),
    ],
)
def test_what_javac_does_not_take_gets_its_words(full: Executor, code: str, says: str) -> None:
    run = full.execute("java", code)
    assert run["status"] == "compile_error"
    assert says in run["stderr"]


@pytest.mark.parametrize(
    "before",
    ["/*\npublic class Other { }\n*/", "// a class for testing", "/* class of things */", "@Deprecated", "class Text { }"],
)
def test_java_s_main_class_is_not_looked_for_in_comments_and_texts(full: Executor, before: str) -> None:
    body = 'String text = "\\"class is"; char c = \'"\'; String block = """\n class x""";'
    code = f"{before}\npublic class Right {{ {body} public static void main(final String[] a) {{ System.out.print(1); }} }}"
    for encoding, content in (
        ("utf8", code),
        ("base64", base64.b64encode(code.encode()).decode()),
        ("hex", code.encode().hex()),
    ):
        files = [{"content": content, "encoding": encoding}]
        run = full.post({"language": "java", "files": files}).json()["run"]
        assert (run["stdout"], run["stderr"]) == ("1", "")


@pytest.mark.parametrize(
    ("language", "files"),
    [
        ("go", {"main.go": "package foo\nfunc F() { }"}),
        ("go", {"main.go": "package main\nfunc main() { }", "main/data.txt": "x"}),
        ("rust", {"main.rs": '#![crate_type = "lib"]'}),
    ],
)
def test_a_compiler_that_makes_no_program_is_a_compile_error(full: Executor, language: str, files: dict[str, str]) -> None:
    body = {"language": language, "files": [{"name": name, "content": content} for name, content in files.items()]}
    answer = full.post(body).json()
    assert answer["run"]["status"] == answer["compile"]["status"] == "compile_error"
    assert answer["run"]["message"] == "the compiler made no program, or one of more than 64 MiB"


@pytest.mark.parametrize(
    ("language", "file", "code"),
    [
        ("pascal", "src/main.pas", "begin writeln(42); end."),
        ("sql", "my file.sql", "select 42;"),
        ("c", "src/main.c", '#include <stdio.h>\nint main(void) { puts("42"); }'),
        ("rust", "src/main.rs", 'fn main() { println!("42"); }'),
    ],
)
def test_the_main_file_may_lie_in_a_folder_and_have_a_space(full: Executor, language: str, file: str, code: str) -> None:
    run = full.post({"language": language, "files": [{"name": file, "content": code}]}).json()["run"]
    assert (run["status"], run["stdout"]) == ("ok", "42\n"), run


def test_go_changes_modes_and_times_of_its_files(full: Executor) -> None:
    code = """package main
import ("fmt"; "os"; "time")
func main() {
    os.WriteFile("f", nil, 0644)
    fmt.Println(os.Chmod("f", 0600), os.Chtimes("f", time.Unix(1, 0), time.Unix(2, 0)))
    s, _ := os.Stat("f")
    fmt.Println(s.Mode(), s.ModTime().Unix())
}"""
    assert full.execute("go", code)["stdout"] == "<nil> <nil>\n-rw------- 2\n"


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("cpp", "#include <vector>\nstd::vector<char*> a;\nint main() { for (;;) { a.push_back(new char[99999]); } }"),
        ("c", "#include <stdlib.h>\nint main(void) { for (;;) { volatile char *p = malloc(100000); p[0] = 1; } }"),
        ("c", "#include <string.h>\nint a[400000000]; int main(void) { memset(a, 1, sizeof a); return a[5]; }"),
        ("cpp", "#include <cstring>\nint a[400000000]; int main() { memset(a, 1, sizeof a); return a[5]; }"),
    ],
)  # fmt: skip
def test_memory_that_was_refused_is_the_verdict(full: Executor, language: str, code: str) -> None:
    run = full.execute(language, code, timeout=5)
    assert run["status"] == "memory_limit_exceeded", run


def test_java_may_take_longer_where_it_is_judged(full: Executor) -> None:
    code = "class Main { public static void main(String[] a) throws Exception { Thread.sleep(4100); System.out.print(1); } }"
    case = {"id": "1", "input": "", "expected_output": "1"}
    assert full.judge("java", code, [case], timeout=4)["status"] == "accepted"
    assert full.execute("java", code, timeout=4)["status"] == "time_limit_exceeded"


def test_go_has_its_standard_library_and_folders_of_its_own(full: Executor) -> None:
    files = [
        {"name": "main.go", "content": 'package main\nimport "task/words"\nfunc main() { println(words.Hello()) }'},
        {
            "name": "words/words.go",
            "content": 'package words\nimport "strings"\nfunc Hello() string { return strings.Title("x") }',
        },
        {"name": "go.mod", "content": "module task\n"},
    ]
    assert full.post({"language": "go", "files": files}).json()["run"]["stderr"] == "X\n"


def test_packages_for_courses_are_there_for_programs_only(full: Executor) -> None:
    assert full.execute("python", "import numpy; print(numpy.arange(3).sum())", timeout=10)["stdout"] == "3\n"
    service = ("docker", "exec", full.container, "/opt/executor/venv/bin/python", "-c", "import numpy")
    assert b"No module named 'numpy'" in subprocess.run(service, capture_output=True, check=False).stderr
