"""Options of an I2SB training, and of its solvers, that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from bridges import I2SB

import invbench as ib


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "training.steps must be at least 1; got 0"),
        ({"lr": -1.0}, "training.lr must not be negative; got -1.0"),
        ({"ema": 1.0}, "training.ema, the decay of the average"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ib.ConfigError, match=message):
        I2SB.options(**options)
