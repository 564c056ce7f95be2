"""Values as a paper's layout prints them, with what stands beside them."""

from __future__ import annotations

import math

import pytest
from judging import METRICS, cell_of

from invbench.paper.marks import Style

CELL = cell_of("ddrm", n=4, psnr=[20.0, 21.0, 22.0, 23.0])


@pytest.mark.parametrize(("spread", "text"), [("none", "21.50"), ("std", "21.50 ± 1.29")])
def test_a_mean_has_beside_it_what_is_wanted(spread: str, text: str) -> None:
    style = Style(METRICS, spread)  # type: ignore[arg-type]
    assert str(style.score(CELL, "psnr", 21.5)) == text


def test_an_interval_is_of_the_images_that_are_named() -> None:
    style = Style(METRICS, "interval")
    assert str(style.score(CELL, "psnr", 21.5)).startswith("21.50 [20.")
    assert str(style.score(CELL, "psnr", 20.0, ["0000"])) == "20.00", "one image has none"


def test_a_value_has_the_digits_of_its_metric_and_no_interval_of_no_length() -> None:
    style = Style(METRICS)
    assert str(style.printed("psnr", 25.456)) == "25.46"
    assert str(style.printed("psnr", 25.0, 24.0, 26.0)) == "25.00 [24.00, 26.00]"
    assert str(style.printed("psnr", 25.0, 25.0, 25.0)) == "25.00"
    assert str(style.printed("psnr", 25.0, math.nan, math.nan)) == "25.00"
