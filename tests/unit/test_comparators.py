"""Comparators: what counts as the same output."""

import time
import tomllib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.judging import words
from runtime.judging.comparators import PARAMETERS, Comparator, ExpectedOutputError


@pytest.mark.parametrize(
    ("output", "expected", "same"),
    [("a\n", "a", True), ("a \t\nb\n\n", "a\nb", True), ("\na", "a", False), ("a\r\nb", "a\nb", True), ("", "\n", True),
     ("a b", "a  b", False)],
)  # fmt: skip
def test_lines_ignores_white_space_at_the_end_of_lines_and_of_the_text(output: str, expected: str, same: bool) -> None:
    assert Comparator("lines").same(output, expected) is same


@pytest.mark.parametrize(("output", "expected", "same"), [("a", "a", True), ("a\n", "a", False), ("a\r\n", "a\n", False)])
def test_exact_ignores_nothing(output: str, expected: str, same: bool) -> None:
    assert Comparator("exact").same(output, expected) is same


@pytest.mark.parametrize(
    ("output", "expected", "same"), [("1\t2\n\n3 ", "1 2 3", True), ("12 3", "1 23", False), ("", " \n", True)]
)
def test_tokens_ignores_the_kind_and_amount_of_white_space(output: str, expected: str, same: bool) -> None:
    assert Comparator("tokens").same(output, expected) is same


@pytest.mark.parametrize(
    ("output", "expected", "same"),
    [
        ("1.0000001", "1", True), ("1.00001", "1", False), ("1e9", "1000000100", True), ("1e-7", "0", True),
        ("1e-5", "0", False), ("a 1.0", "a 1", True), ("b 1.0", "a 1", False), ("1 2", "1", False),
        ("inf", "inf", True), ("inf", "1e308", False), ("1e999", "5", False), ("nan", "1", False), ("-0", "0", True),
        ("0x10", "16", False), ("1_000", "1000", False), ("1_000", "1_000", True),
    ],
)  # fmt: skip
def test_float_compares_numbers_within_the_tolerance_and_the_rest_as_words(output: str, expected: str, same: bool) -> None:
    assert Comparator("float").same(output, expected) is same


_NUMBERS = tomllib.loads(Path(__file__).with_name("numbers.toml").read_text("utf-8"))["case"]


@pytest.mark.parametrize("case", _NUMBERS, ids=[case["name"] for case in _NUMBERS])
def test_float_decides_what_is_a_number(case: dict[str, list[tuple[str, str, bool]]]) -> None:
    wrong = [row for row in case["rows"] if Comparator("float").same(row[0], row[1]) is not row[2]]
    assert wrong == []


@pytest.mark.parametrize("name", ["exact", "lines", "tokens", "case_insensitive"])
def test_elsewhere_a_number_is_a_word_like_every_other(name: str) -> None:
    for output, expected in (("-0", "0"), ("1.0", "1"), ("٣", "3"), ("1e400", "1E+400")):
        assert not Comparator(name).same(output, expected)


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \t\r\n\x1c\u3000"), max_size=12))
def test_lines_are_the_same_one_by_one_and_in_one_piece(text: str) -> None:
    stripped = [line.rstrip() for line in text.split("\n")]
    while stripped and not stripped[-1]:
        stripped.pop()
    assert list(words.lines(text)) == stripped
    assert words.without_line_ends(text) == "\n".join(stripped)
    assert words.line_count(text) == len(stripped)


@pytest.mark.parametrize("text", ["1 ", "12\n", "  \n", "[],", "x"])
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_large_output_takes_no_more_memory_than_a_few_times_itself(name: str, text: str) -> None:
    output = text * ((4 << 20) // len(text))
    output = f"[{output.removesuffix(',')}]" if text == "[]," else output
    tracemalloc.start()
    try:
        assert Comparator(name).same(output, "12") is False
        assert tracemalloc.get_traced_memory()[1] < 4 * len(output)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("comparator", "output", "expected", "same"),
    [
        (Comparator("case_insensitive"), "YES no", "yes  NO\n", True), (Comparator("case_insensitive"), "yes", "ye s", False),
        (Comparator("lines", case_sensitive=False), "Yes\n", "YES", True),
        (Comparator("space_change_sensitive"), "a  b", "a b", False),
        (Comparator("space_change_sensitive"), "a b\n", "a b\n", True),
        (Comparator("space_change_sensitive"), "a b", "a b\n", False),
        (Comparator("float", absolute=0.5, relative=0), "1.4 2", "1 2.0", True),
        (Comparator("float", absolute=0.5), "1.6", "1", False),
        (Comparator("float", absolute=0, relative=0.1), "109", "100", True),
        (Comparator("float", absolute=0, relative=0.1), "112", "100", False),
        (Comparator("float", absolute=0, relative=0), "1.0", "1", True),
        (Comparator("float", space_change_sensitive=True), "1.0000001 2", "1 2", True),
        (Comparator("float", space_change_sensitive=True), "1.0  2", "1 2", False),
        (Comparator("float", case_sensitive=False), "Case 1.0", "case 1", True),
        (Comparator("unordered_lines"), "b\na \n\n", "a\nb\n", True),
        (Comparator("unordered_lines"), "a\na\nb", "a\nb\nb", False),
        (Comparator("regex"), "answer 42 \n", "answer [0-9]+", True),
        (Comparator("regex"), "answer 42!", "answer [0-9]+", False),
        (Comparator("regex"), "a\nb\n", "(?s)a.b", True), (Comparator("regex"), "a\nb", "a.b", False),
    ],
)  # fmt: skip
def test_parameters_change_what_is_the_same(comparator: Comparator, output: str, expected: str, same: bool) -> None:
    assert comparator.same(output, expected) is same


@pytest.mark.parametrize(
    ("comparator", "output", "expected", "same"),
    [
        (Comparator("json"), '{"b": [1, 2.0], "a": null}', '{"a":null,"b":[1.0,2]}', True),
        (Comparator("json"), "[1, 2]", "[2, 1]", False), (Comparator("json", unordered=True), "[1, 2]", "[2, 1]", True),
        (Comparator("json"), "[0.1, 0.30000000000000004]", "[0.1, 0.3]", True), (Comparator("json"), "1.1", "1.0", False),
        (Comparator("json", absolute=0.2), "1.1", "1.0", True), (Comparator("json"), "true", "1", False),
        (Comparator("json"), "0", "false", False), (Comparator("json"), "null", "0", False),
        (Comparator("json"), "1000000000001", "1000000000000", False), (Comparator("json"), '"1"', "1", False),
        (Comparator("json"), '{"a": 1}', '{"a": 1, "b": 2}', False), (Comparator("json"), "", "1", False),
        (Comparator("json"), "[1] 2", "[1]", False), (Comparator("json"), "NaN", "1", False),
        (Comparator("json", unordered=True), '[[2, 1], {"a": [3, 4]}, "x"]', '[{"a": [4, 3]}, [1, 2], "x"]', True),
        (Comparator("json", unordered=True), "[1, 1, 2]", "[1, 2, 2]", False),
        (Comparator("json"), "[" * 900 + "]" * 900, "[]", False), (Comparator("json"), "[" * 100_000, "[]", False),
        (Comparator("json"), "1" + "0" * 5000 + ".5", "1.0", False), (Comparator("json"), "9" * 400, "1.0", False),
    ],
)  # fmt: skip
def test_json_compares_values(comparator: Comparator, output: str, expected: str, same: bool) -> None:
    assert comparator.same(output, expected) is same


@pytest.mark.parametrize(
    ("pattern", "output"),
    [
        ("(a+)+b", "a" * 200_000),
        ("(.*)(.*)(.*)(.*)x", "a" * 100_000),
        ("(a|aa)+$b", "a" * 200_000),
        ("x", " " * 200_000 + "x\ny"),
    ],
)
def test_no_pattern_can_take_more_than_linear_time(pattern: str, output: str) -> None:
    started = time.process_time()
    assert Comparator("regex").same(output, pattern) is False
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("name", "expected", "message"),
    [
        ("regex", "(", "is no regular expression: missing"), ("regex", "(?=a)", "is no regular expression"),
        ("regex", "((a{1,900}){1,900}){1,900}", "is no regular expression"), ("json", "{", "is no JSON"),
        ("json", "[" * 900 + "]" * 900, "nested more than 100 levels deep"), ("json", "", "is no JSON"),
    ],
)  # fmt: skip
def test_an_expected_output_that_nothing_could_be_compared_with_is_said_to_be_so(
    name: str, expected: str, message: str
) -> None:
    with pytest.raises(ExpectedOutputError, match=message):
        Comparator(name).check(expected)


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_comparator_finds_an_output_to_be_itself(name: str) -> None:
    comparator = Comparator(name)
    comparator.check("12")
    assert comparator.same("12", "12")
    assert not comparator.same("12", "13")
