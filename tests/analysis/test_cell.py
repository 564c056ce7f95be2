"""Values in tables: which is best, and how each format marks it."""

from __future__ import annotations

import math

import pytest

from invbench.analysis.cell import BEST, MARKS, OTHER, SECOND, Cell, ranks


def test_equal_values_share_a_rank_and_what_is_no_number_has_none() -> None:
    values = [3.0, 5.0, 5.0, 4.0, None, math.nan]
    assert ranks(True, values) == [OTHER, BEST, BEST, SECOND, OTHER, OTHER]
    assert ranks(False, values) == [BEST, OTHER, OTHER, SECOND, OTHER, OTHER]
    assert ranks(None, values) == [OTHER] * 6
    assert ranks(True, [math.inf, 1.0]) == [BEST, SECOND]


@pytest.mark.parametrize("how", MARKS)
def test_the_mark_of_a_rank_is_around_the_value_alone(how: str) -> None:
    best, second, other = (Cell("2.0", "[1, 3]", "(1 nan)", rank=rank).ranked(how) for rank in (BEST, SECOND, OTHER))
    assert other == "2.0 [1, 3] (1 nan)"
    for text, (before, after) in zip((best, second), (mark.split("{}") for mark in MARKS[how]), strict=True):
        assert text == f"{before}2.0{after} [1, 3] (1 nan)"


def test_a_word_says_what_the_rank_does_not() -> None:
    assert Cell("2", mark="best", rank=BEST).ranked("text") == "*2*"
    assert Cell("2", mark="tie", rank=BEST).ranked("text") == "*2* tie"
    assert Cell("2", mark="best", rank=SECOND).ranked("text") == "_2_ best"
