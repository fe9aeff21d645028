"""How a compiler gets the files of a submission: their names, their order, the main one among them; rows in sources.toml."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from runtime.execution.protocol import File
from runtime.languages.java import main_class, source_name
from runtime.languages.registry import load
from runtime.languages.sources import arranged, unmarked, with_made

_ROWS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("sources.toml").read_text("utf-8"))["submission"]
_LANGUAGES = {language.name: language for language in load()}


def _files(contents: dict[str, str]) -> tuple[File, ...]:
    return tuple(File(name, memoryview(content.encode())) for name, content in contents.items())


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row['language']}: {row['name']}") for row in _ROWS])
def test_a_compiler_gets_what_it_takes(row: dict[str, Any]) -> None:
    source = arranged(_LANGUAGES[row["language"]], _files(row["files"]))
    assert source.main.name == row.get("main", source.main.name)
    assert list(source.sources) == row.get("sources", [file.name for file in source.files])
    assert (source.unit, source.folder) == (row.get("unit", source.unit), row.get("folder", "."))


@pytest.mark.parametrize("language", ["php", "r", "java", "bash", "sql", "fortran"])
def test_a_byte_order_mark_is_taken_away_where_it_would_be_text(language: str) -> None:
    spoken = _LANGUAGES[language]
    suffix = spoken.file.rpartition(".")[2]
    sent = {spoken.file: "\ufeffmain", f"other.{suffix}": "\ufeffother", "data.csv": "\ufeffdata", f"bare.{suffix}": ""}
    contents = [bytes(file.content).decode() for file in unmarked(spoken, _files(sent))]
    assert contents == ["main", "other", "\ufeffdata", ""]


def test_a_byte_order_mark_stays_where_the_tools_know_it() -> None:
    files = _files({"main.py": "\ufeffprint(1)"})
    assert unmarked(_LANGUAGES["python"], files) == files


def test_what_was_sent_gives_way_to_what_was_made_of_it() -> None:
    sent = _files({"task": "package task;", "main": "x", "data/in.txt": "1"})
    made = _files({"task/Task.class": "", "main": "made"})
    source = arranged(_LANGUAGES["c"], sent)
    files, _ = with_made(_LANGUAGES["c"], sent, source, made)
    contents = {file.name: bytes(file.content) for file in files}
    assert contents == {"data/in.txt": b"1", "task/Task.class": b"", "main": b"made"}


@pytest.mark.parametrize(
    "content", [b"", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbe\0\0\0\x45\xff\xff\xff", b"no class", bytes(100)]
)
def test_a_class_file_that_is_none_leaves_the_name_of_the_source(content: bytes) -> None:
    assert main_class([("Main.class", memoryview(content))], "src/Task.java", "class Task { }") == "Task"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    ["\n" * (1 << 22), "static " * (1 << 19), "class " + "a" * (1 << 21) + " x" * (1 << 20), "class A { " * (1 << 18),
     "public " * (1 << 19), "class " * (1 << 19), "main (" * (1 << 18), "class A" + "\nstatic final" * (1 << 18),
     '"\\' * (1 << 20), '\\"' * (1 << 20), "'" * (1 << 20), "/*" * (1 << 20), "/" * (1 << 20), '"""' * (1 << 19),
     '"""' + "\\" * ((1 << 17) - 4), '"""\\' * (1 << 18), "}" * (1 << 21), "(" * (1 << 21)],
)  # fmt: skip
def test_no_text_makes_the_search_for_its_class_slow(text: str) -> None:
    source_name("Main.java", text)
    main_class([], "Main.java", text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    ["use " * (1 << 17), "\n \t" * (1 << 17), "module " * (1 << 16), "submodule (" * (1 << 16), "unit " * (1 << 17)],
)
@pytest.mark.parametrize("language", ["fortran", "pascal", "haskell"])
def test_no_text_makes_the_search_for_its_modules_slow(language: str, text: str) -> None:
    arranged(_LANGUAGES[language], _files({"a": text, f"b.{_LANGUAGES[language].file.rpartition('.')[2]}": text}))


_TESTLIB = "#ifndef _TESTLIB_H_\n#define _TESTLIB_H_\n#endif\n"


@pytest.mark.parametrize(
    ("files", "lean"),
    [
        ({"check.cpp": '#include "testlib.h"', "testlib.h": _TESTLIB}, True),
        ({"check.cpp": '#include "lib/testlib.h"', "lib/testlib.h": _TESTLIB, "note.txt": ""}, True),
        ({"check.cpp": '#include "testlib.h"', "testlib.h": "#pragma once"}, False),
        ({"check.cpp": '#include "testlib.h"', "testlib.h": _TESTLIB, "more.cpp": ""}, False),
        ({"check.cpp": "#include <testlib.h>"}, False),
    ],
)
def test_of_testlib_only_what_a_program_of_one_source_uses_is_compiled(files: dict[str, str], lean: bool) -> None:
    language = _LANGUAGES["cpp"]
    words = arranged(language, _files(files)).ahead
    assert (language.with_testlib == words[-len(language.with_testlib) :]) is lean
    assert lean or words == ()
