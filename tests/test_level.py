"""Noise levels carry a unit."""

from __future__ import annotations

import pytest

from invbench.noise import Sigma


def test_a_level_on_0_1_is_twice_as_large_on_minus_1_1() -> None:
    assert Sigma(0.05, "[-1,1]").pm1 == 0.05
    assert Sigma(0.05, "[0,1]").pm1 == 0.1
    assert Sigma(0.05, "[0,1]").both == "0.1 on [-1,1] = 0.05 on [0,1]"


@pytest.mark.parametrize("text", ["0.05 [0,1]", " 0.05  [0, 1] ", "5e-2 [0,1]", "0.05[0,1]"])
def test_a_level_is_read_from_text(text: str) -> None:
    assert Sigma.parse(text) == Sigma(0.05, "[0,1]")
