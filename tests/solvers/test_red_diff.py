"""RED-diff against Adam on its loss, and where it ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from dense import CASES, Case, Gaussian, Noise, agree, each_case
from references import slow_red_diff
from solving import make, solve, white

import invbench as ib


@each_case
def test_red_diff_is_adam_on_the_printed_loss(case: Case) -> None:
    agree(make("red_diff", nfe=40, lam=0.5), case, slow_red_diff(case, 40, 0.5))


def test_red_diff_knows_the_balance_of_its_losses_and_not_their_scale() -> None:
    """Adam removes a common factor. For super-resolution sums are not a common factor: m is a quarter of n here."""
    case = CASES["means"]
    _, flat = case.measured()
    gaussian = Gaussian(16)
    means, scaled, sums = (
        slow_red_diff(case, 40, 0.5, scale, reduce)(flat, gaussian, Noise())
        for scale, reduce in ((1.0, "mean"), (1000.0, "mean"), (1.0, "sum"))
    )
    np.testing.assert_allclose(scaled, means, rtol=0, atol=1e-4)
    assert np.abs(sums - means).max() > 0.05


WIDE: ib.Shape = (1, 64, 64)  # 4096 pixels are 4096 draws
MU = 0.1


@pytest.mark.parametrize(("sigma", "near"), [(0.2, 0.8), (0.05, 0.3)])
def test_red_diff_ends_at_the_measurement_with_little_spread(sigma: float, near: float) -> None:
    """Its prior's weight, lam sigma_t, goes to 0, so that the last steps fit the data alone: H^+ y, which is the MAP
    only for little noise. Unmeasured coefficients keep half of the prior's spread: Adam's steps have the same length
    however small the gradient.
    """
    tau, A, y = 0.5, ib.BlockMean(WIDE, 2), torch.full((1, 1, 32, 32), 0.4).double()
    shrink = tau**2 / (tau**2 + (sigma / 0.5) ** 2)
    map_, std = 2 * MU + shrink * (0.8 - 2 * MU), tau * math.sqrt(1 - shrink)
    w = A.Vt(solve(make("red_diff"), y, A, sigma, ib.GmmPrior(white(4096, tau, MU), WIDE)))[0]
    assert w[:1024].mean().item() == pytest.approx(0.8, abs=0.005)
    assert abs(w[:1024].mean().item() - map_) < near * std
    assert w[:1024].std() < 0.15 * std
    assert w[1024:].std().item() / tau == pytest.approx(0.51, abs=0.04)
