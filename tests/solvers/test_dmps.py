"""DMPS against the formula, with fixed and with learned variances, and where it is exact."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from dense import CASES, Case, Gaussian, Noise, agree, each_case
from references import slow_dmps
from solving import make, solve, white
from test_dps import Learned

import invbench as ib


@each_case
@pytest.mark.parametrize("lam", [1.0, 1.75])
def test_dmps_is_the_formula(case: Case, lam: float) -> None:
    agree(make("dmps", nfe=20, lam=lam), case, slow_dmps(case, 20, lam))


@pytest.mark.parametrize("v", [-1.0, 0.3])
def test_dmps_uses_a_learned_variance_of_the_respaced_process(v: float) -> None:
    case = CASES["means"]
    y, flat = case.measured()
    gaussian = Gaussian(16)
    expected = slow_dmps(case, 20, 1.75, v)(flat, gaussian, Noise())
    x = solve(make("dmps", nfe=20), y, case.A, 0.1, Learned(gaussian.prior((1, 4, 4)), v))
    np.testing.assert_allclose(x.flatten().numpy(), expected, rtol=0, atol=1e-4)


def test_under_a_flat_prior_samples_are_of_the_exact_posterior() -> None:
    """A prior of deviation 20 beside noise of 0.2: 1024 measured coefficients are N(0.8, 0.4^2), the others as before.

    Tolerances are four standard errors; 2 % of the deviation are the thousand steps'.
    """
    wide: ib.Shape = (1, 64, 64)
    A, prior, y = ib.BlockMean(wide, 2), ib.GmmPrior(white(4096, 20.0), wide), torch.full((1, 1, 32, 32), 0.4).double()
    w = A.Vt(solve(make("dmps", lam=1.0, clip=False), y, A, 0.2, prior))[0]
    assert w[:1024].mean().item() == pytest.approx(0.8, abs=4 * 0.4 / 32)
    assert w[:1024].std().item() == pytest.approx(0.4, rel=4 / math.sqrt(2 * 1024) + 0.02)
    assert w[1024:].std().item() == pytest.approx(20.0, rel=4 / math.sqrt(2 * 3072) + 0.02)


def test_an_operator_without_an_svd_gives_the_same() -> None:
    class Plain(ib.LinearOperator):
        def __init__(self, inner: ib.LinearOperator) -> None:
            self.inner, self.x_shape, self.y_shape = inner, inner.x_shape, inner.y_shape

        def _A(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x)

    case = CASES["means"]
    y, _ = case.measured()
    prior = Gaussian(16).prior((1, 4, 4))
    fast, slow = (solve(make("dmps", nfe=20), y, A, 0.1, prior) for A in (case.A, Plain(case.A)))
    torch.testing.assert_close(slow, fast, rtol=0, atol=1e-4)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ib.ConfigError, match="lam must not be negative; got -1"):
        make("dmps", lam=-1.0)
    with pytest.raises(ib.ConfigError, match="needs nfe of at least 20; got 19: longer steps overshoot"):
        make("dmps", nfe=19)


@pytest.mark.parametrize("nfe", [20, 100, 1000])
def test_the_measurement_is_explained_from_the_least_number_of_calls_on(nfe: int) -> None:
    """To about the noise, and nearer than unguided sampling by far: with ten calls it would be off 15-fold."""
    ids = [str(i) for i in range(8)]
    A, mixture = ib.BlockMean((3, 16, 16), 4), ib.patch_mixture()
    x = mixture.sample(ib.Rng.for_images(ids, use="truth")).float().reshape(-1, 3, 16, 16)
    y = A(x) + 0.05 * ib.Rng.for_images(ids, use="noise").randn(A.y_shape)
    x_hat = solve(make("dmps", nfe=nfe), y, A, 0.05, ib.GmmPrior(mixture, (3, 16, 16)), ids)
    assert 0.5 < float((A(x_hat) - y).square().mean().sqrt()) / 0.05 < 1.5
