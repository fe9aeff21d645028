"""Comparators: what counts as the same output."""

import pytest

from runtime.judging.comparators import exact, floats, lines, tokens


@pytest.mark.parametrize(
    ("output", "expected", "same"),
    [("a\n", "a", True), ("a \t\nb\n\n", "a\nb", True), ("\na", "a", False), ("a\r\nb", "a\nb", True), ("", "\n", True),
     ("a b", "a  b", False)],
)  # fmt: skip
def test_lines_ignores_white_space_at_the_end_of_lines_and_of_the_text(output: str, expected: str, same: bool) -> None:
    assert lines(output, expected) is same


@pytest.mark.parametrize(("output", "expected", "same"), [("a", "a", True), ("a\n", "a", False), ("a\r\n", "a\n", False)])
def test_exact_ignores_nothing(output: str, expected: str, same: bool) -> None:
    assert exact(output, expected) is same


@pytest.mark.parametrize(
    ("output", "expected", "same"), [("1\t2\n\n3 ", "1 2 3", True), ("12 3", "1 23", False), ("", " \n", True)]
)
def test_tokens_ignores_the_kind_and_amount_of_white_space(output: str, expected: str, same: bool) -> None:
    assert tokens(output, expected) is same


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
    assert floats(output, expected) is same
