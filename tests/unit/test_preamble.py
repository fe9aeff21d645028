"""Which header that was compiled ahead a C++ program starts with: one that it includes, whatever harmless comes before."""

from pathlib import Path

import pytest

from runtime.languages.preamble import start_with

_LIST = """\
bits/stdc++.h bits/stdc++.h , rep rep( min min( _GLIBCXX_DEBUG std
debug/bits/stdc++.h bits/stdc++.h ,_GLIBCXX_DEBUG min min( _GLIBCXX_DEBUG std
iostream iostream , std
vector vector , std
"""
_BITS = "#include <bits/stdc++.h>\n"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "headers").write_text(_LIST)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("sources", "header"),
    [
        ([_BITS], "bits/stdc++.h"),
        (["#include <cstdio>\n" + _BITS], "bits/stdc++.h"),
        (['#pragma GCC optimize("O3")\n#pragma GCC target("avx2")\n' + _BITS], "bits/stdc++.h"),
        (["// one\n/* two\n */ # include  <bits/stdc++.h>\n"], "bits/stdc++.h"),
        (["\ufeff" + _BITS.replace("\n", "\r\n")], "bits/stdc++.h"),
        (["#define ll \\\n  long long\n" + _BITS], "bits/stdc++.h"),
        (["#ifdef LOCAL\n#define X 1\n#endif\n" + _BITS], "bits/stdc++.h"),
        (["#include <bits/extc++.h>\n"], "bits/stdc++.h"),
        (["#define _GLIBCXX_DEBUG\n" + _BITS], "debug/bits/stdc++.h"),
        (["#include <vector>\n#include <iostream>\n"], "iostream"),
        ([_BITS, "#include <vector>\n" + _BITS], "bits/stdc++.h"),
        # What it would change, or what nobody here knows.
        (["#define rep(i, n) for (;;)\n" + _BITS], ""),
        (["#define min 1\n" + _BITS], ""),
        (["#define _GLIBCXX_DEBUG 1\n" + _BITS], ""),
        (["#ifdef LOCAL\n" + _BITS + "#endif\n"], ""),
        (['#include "my.h"\n' + _BITS], ""),
        (["#include <boost/any.hpp>\n" + _BITS], ""),
        (["#pragma GCC poison printf\n" + _BITS], ""),
        (["int x;\n" + _BITS], ""),
        (["/* " + _BITS], ""),
        (["#include <cstdio>\n"], ""),
        ([_BITS, "#include <vector>\n"], ""),
        ([], ""),
    ],
)
def test_a_program_starts_with_the_header_that_it_includes_anyway(folder: str, sources: list[str], header: str) -> None:
    assert start_with((folder,), sources) == (("-include", f"{folder}/{header}") if header else ())


def test_a_macro_without_arguments_matters_wherever_its_name_stands(folder: str) -> None:
    assert start_with((folder,), ["#define std(x) x\n" + _BITS])
    assert not start_with((folder,), ["#define std x\n" + _BITS])


def test_a_header_that_takes_long_to_read_again_has_another_in_its_place(folder: str) -> None:
    again = Path(folder, "bits/stdc++.h.again")
    again.mkdir(parents=True)
    assert start_with((folder,), [_BITS]) == ("-include", f"{folder}/bits/stdc++.h", "-isystem", str(again))
    assert start_with((folder,), ["#include <iostream>\n"]) == ("-include", f"{folder}/iostream")


def test_without_headers_that_were_compiled_ahead_a_program_stays_as_it_is(tmp_path: Path) -> None:
    assert start_with((str(tmp_path / "none"),), [_BITS]) == ()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["#define x\n" * (1 << 18), "/*" * (1 << 20), "\\\n" * (1 << 20), "# " * (1 << 20)])
def test_no_text_makes_the_search_slow(folder: str, text: str) -> None:
    start_with((folder,), [text])


@pytest.mark.parametrize(
    ("source", "header"),
    [
        ('#include "testlib.h"\n', "iostream"),
        ('#include <cstdio>\n#define ll long long\n#include "lib/testlib.h" // ours\n', "iostream"),
        ('#include "testlib.h"\n' + _BITS, "bits/stdc++.h"),
        ('#include "mylib.h"\n#include "testlib.h"\n', ""),
        ('#define std x\n#include "testlib.h"\n', ""),
        ('#ifdef X\n#include "testlib.h"\n#endif\n', ""),
    ],
)
def test_what_includes_testlib_starts_with_a_header_that_testlib_includes(folder: str, source: str, header: str) -> None:
    assert start_with((folder,), [source], testlib=True)[:2] == (("-include", f"{folder}/{header}") if header else ())
    assert start_with((folder,), [source]) == ()
