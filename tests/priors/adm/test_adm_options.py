"""Options of an ADM prior's training that make no sense."""

from __future__ import annotations

import math

import pytest

from invbench import ConfigError
from invbench.priors.adm.options import AdmOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "training.steps must be at least 1; got 0"),
        ({"low_snr": 0.5}, "training.low_snr must be at least 1; got 0.5"),
        ({"lr": 0.0}, "training.lr must be positive; got 0"),
        ({"clip": math.inf}, "training.clip must be positive; got inf"),
        ({"bound": math.nan}, "training.bound must not be negative; got nan"),
        ({"ema": 1.0}, "training.ema is a decay, from 0 to below 1; got 1"),
        ({"last": 1.1}, "training.last is a share of the steps, 0 to 1; got 1.1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float], message: str) -> None:
    AdmOptions(ema=0.0, last=1.0, bound=0.0)
    with pytest.raises(ConfigError, match=message):
        AdmOptions(**options)  # type: ignore[arg-type]
