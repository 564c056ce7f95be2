"""DDNM+ against the formula, and DDNM in its limit."""

from __future__ import annotations

import pytest
import torch
from dense import Case, agree, each_case
from references import slow_ddnm_plus
from solving import first_pixel, make, restore


@each_case
@pytest.mark.parametrize("eta", [0.85, 0.0])
@pytest.mark.parametrize("travel", [False, True])
def test_ddnm_plus_is_the_formula(case: Case, eta: float, travel: bool) -> None:
    steps = {"steps": 5, "travel_length": 2, "travel_repeat": 2} if travel else {"steps": 10}
    agree(make("ddnm_plus", eta=eta, **steps), case, slow_ddnm_plus(case, eta, travel))


def test_ddnm_plus_without_noise_is_ddnm() -> None:
    y = torch.tensor([0.3, -0.5]).double().reshape(2, 1, 1)
    plain, _ = restore(make("ddnm"), y, first_pixel(), 0.0)
    plus, _ = restore(make("ddnm_plus"), y, first_pixel(), 0.0)
    torch.testing.assert_close(plus, plain, rtol=0, atol=1e-7)
