"""Verdicts on ratios and on orders, by their definitions."""

from __future__ import annotations

import pytest

from invbench.paper.outcomes import (
    CONTRADICTED,
    REPRODUCED,
    UNDECIDED,
    WITHIN,
    Comparison,
    Estimate,
    Order,
    Ratio,
)


@pytest.mark.parametrize(
    ("value", "low", "high", "sure", "expected"),
    [
        (25.0, 20.0, 30.0, True, REPRODUCED),  # at the bound
        (25.0, 19.9, 30.0, True, WITHIN),
        (25.0, 22.0, 30.0, False, WITHIN),
        (19.0, 18.0, 20.0, True, UNDECIDED),  # its greatest is at the bound
        (19.0, 18.0, 19.9, True, CONTRADICTED),
        (19.0, 18.0, 19.9, False, UNDECIDED),
    ],
)
def test_a_ratio_is_judged_by_its_ends_where_they_say_something(
    value: float, low: float, high: float, sure: bool, expected: str
) -> None:
    assert Ratio(value, low, high, 5, sure, "cpu").verdict(20.0) == expected


def test_a_ratio_is_printed_with_its_spread_where_it_has_one() -> None:
    assert Ratio(2.5, 2.0, 3.0, 5, True, "").text == "2.5x [2, 3]"
    assert Ratio(2.5, 2.5, 2.5, 5, True, "").text == "2.5x"


def lead(by: float, p: float, n: int = 10) -> Comparison:
    return Comparison(Estimate(by, by - 1, by + 1, n), p, "")


@pytest.mark.parametrize(
    ("comparisons", "expected"),
    [
        ([lead(1, 0.01), lead(2, 0.001)], REPRODUCED),
        ([lead(1, 0.01), lead(2, 0.2)], WITHIN),
        ([lead(1, 0.01), lead(-2, 0.2)], UNDECIDED),
        ([lead(1, 0.9), lead(-2, 0.03)], UNDECIDED),  # Holm: 0.06 of two
        ([lead(1, 0.9), lead(-2, 0.02)], CONTRADICTED),
        ([lead(0, 1.0)], UNDECIDED),
    ],
)
def test_an_order_holds_where_each_leads_and_fails_where_one_is_surely_behind(
    comparisons: list[Comparison], expected: str
) -> None:
    assert Order(comparisons, len(comparisons)).verdict == expected


def test_what_speaks_most_against_an_order_is_named_and_its_images_are_the_fewest() -> None:
    order = Order([lead(3, 0.001, 8), lead(-1, 0.9, 9), lead(2, 0.001, 7)], 4)
    assert order.closest.lead == -1
    assert order.images == 7
    assert order.counted == "of 4 pairs 2 hold significantly, 0 the other way"
    assert not order.settled, "a pair is missing, and none is surely behind"
    against = Order([lead(-2, 1e-6), lead(-5, 0.9)], 3)
    assert against.closest.lead == -2, "what is surely behind comes before what only seems to be"
    assert against.settled
    assert Order([lead(1, 0.1)], 1).counted == ""
