"""High dynamic range: a gain and a cut, and what they undo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from nonlinear import CATALOG, draw, each_shape, operator
from torch import Tensor

import invbench as ib
from invbench.priors.gmm import Covariance, GaussianMixture


@each_shape
@pytest.mark.parametrize("gain", [2.0, 4.0, 0.5])
def test_hdr_is_a_gain_and_a_cut(x_shape: ib.Shape, gain: float) -> None:
    A, x = operator("hdr", x_shape, gain=gain), draw(x_shape)
    assert A.y_shape == x_shape
    assert np.array_equal(A(x), np.clip(gain * x.numpy(), -1, 1))
    assert torch.equal(A.guess(A(x)), A(x) / gain)


def test_hdr_doubles_by_default() -> None:
    x = torch.tensor([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0]).reshape(1, 1, 1, 7)
    y = operator("hdr", (1, 1, 7))(x)
    assert y.flatten().tolist() == [-1, -1, -0.5, 0, 0.5, 1, 1]


def test_hdr_is_monotone_saturates_and_is_inverted_where_it_does_not() -> None:
    ramp = torch.linspace(-1, 1, 201, dtype=torch.float64).reshape(1, 1, 1, 201)
    A = operator("hdr", (1, 1, 201))
    y = A(ramp)
    assert (y.diff() >= 0).all()
    assert torch.equal(y[ramp.abs() >= 0.5], ramp[ramp.abs() >= 0.5].sign())
    inside = ramp.abs() < 0.5
    torch.testing.assert_close(A.guess(y)[inside], ramp[inside], rtol=0, atol=1e-15)


def test_a_cut_value_has_no_gradient_and_the_others_the_gain() -> None:
    x = torch.tensor([-0.9, -0.2, 0.0, 0.4, 0.51]).reshape(1, 1, 1, 5).requires_grad_()
    (grad,) = torch.autograd.grad(operator("hdr", (1, 1, 5))(x).sum(), x)
    assert grad.flatten().tolist() == [0, 2, 2, 2, 0]


def psnr(x_hat: Tensor, x: Tensor) -> float:
    return float(10 * (4 / (x_hat.detach().clamp(-1, 1) - x).square().flatten(1).mean(1)).log10().mean())


def smooth_images() -> GaussianMixture:
    """8 x 8 images, bright or dark, whose neighbours are nearly equal."""
    i = torch.arange(8, dtype=torch.float64)
    near = torch.exp(-((i[:, None] - i) ** 2) / (2 * 3.0**2))
    covariance = Covariance.full(0.25**2 * torch.kron(near, near))
    means = torch.tensor([[0.4], [-0.4]], dtype=torch.float64).expand(2, 64)
    return GaussianMixture(torch.tensor([0.5, 0.5], dtype=torch.float64), means, (covariance, covariance))


@pytest.mark.parametrize(
    ("solver", "options", "gain"), [("dps", {"zeta": 0.1}, 3.0), ("red_diff", {"nfe": 300, "lam": 1.0}, 1.0)]
)
def test_hdr_is_restored_better_than_its_initial_estimate(solver: str, options: dict[str, Any], gain: float) -> None:
    """A third of the values are cut off; their neighbours and the prior tell how bright they were."""
    mixture, A, ids = smooth_images(), operator("hdr", (1, 8, 8)), [str(i) for i in range(16)]
    x = mixture.sample(ib.Rng.for_images(ids, use="truth")).float().reshape(-1, 1, 8, 8)
    y = A(x) + 0.05 * ib.Rng.for_images(ids, use="noise").randn_like(x)
    assert 0.2 < float((A(x).abs() == 1).float().mean()) < 0.5
    problem, rng = ib.Problem(A, 0.05, "hdr", "gmm"), ib.Rng.for_images(ids, use="solver")
    x_hat = CATALOG.get("solver", solver)(**options).solve(y, problem, ib.GmmPrior(mixture, (1, 8, 8)), None, rng)
    assert psnr(x_hat, x) > psnr(A.guess(y), x) + gain
