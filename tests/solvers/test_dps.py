"""DPS against the formula, with fixed and with learned variances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dense import CASES, Case, Gaussian, Noise, agree, each_case
from references import slow_dps
from solving import PLANE, first_pixel, make, solve
from torch import Tensor

import invbench as ib


@each_case
def test_dps_is_the_formula(case: Case) -> None:
    clipped: list[int] = []
    agree(make("dps", nfe=12, zeta=0.003), case, slow_dps(case, 12, 0.003, clipped=clipped))
    assert any(clipped), "otherwise the clamp is not tried"


class Learned(ib.Prior):
    """A prior that also predicts the interpolation v of its variance."""

    def __init__(self, inner: ib.Prior, v: float) -> None:
        self.inner, self.v, self.x_shape, self.abar = inner, v, inner.x_shape, inner.abar

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        return self.inner.eps(x_t, t), torch.full_like(x_t, self.v)


@pytest.mark.parametrize("v", [-1.0, 0.3, 1.0])
def test_dps_uses_a_learned_variance_of_the_respaced_process(v: float) -> None:
    case = CASES["means"]
    y, flat = case.measured()
    gaussian = Gaussian(16)
    expected = slow_dps(case, 12, 0.003, v)(flat, gaussian, Noise())
    x = solve(make("dps", nfe=12, zeta=0.003), y, case.A, 0.1, Learned(gaussian.prior((1, 4, 4)), v))
    np.testing.assert_allclose(x.flatten().numpy(), expected, rtol=0, atol=1e-4)


def test_dps_holds_no_graph_between_steps() -> None:
    """Each step starts from a leaf: an image of the last step needs nothing of the first."""
    tensors: list[Tensor] = []
    prior = ib.GmmPrior(ib.planar_mixture(), PLANE)
    problem = ib.Problem(first_pixel(), 0.1, "task", "dataset")
    solver, rng = make("dps", nfe=5), ib.Rng.for_images(["0"])
    x_hat = solver.solve(torch.zeros(1, 1, 1), problem, prior, None, rng, lambda step: tensors.append(step["x0"]))
    assert len(tensors) == 5
    assert not any(x.requires_grad for x in [*tensors, x_hat])
