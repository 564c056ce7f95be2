"""DDRM against a per-coefficient loop, its limits, and the exact posterior of a Gaussian."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from invbench_solvers.ddrm import DDRM
from references import slow_ddrm
from torch import Tensor

from invbench import (
    BlockMean,
    ChannelMix,
    ConfigError,
    GmmPrior,
    Identity,
    LinearGaussianPosterior,
    Prior,
    Problem,
    Rng,
    Selection,
    Separable,
    SVDOperator,
)
from invbench.meter import Meter
from invbench.priors.gmm import Covariance, GaussianMixture

SHAPE = (3, 4, 4)


def names(count: int) -> list[str]:
    return [str(i) for i in range(count)]


def draw(*shape: int, use: str = "x") -> Tensor:
    return Rng.single(use=use).randn(shape)[0].double()


def gaussian(n: int, mean: float, tau: float) -> GaussianMixture:
    means = torch.full((1, n), mean, dtype=torch.float64)
    return GaussianMixture(
        torch.ones(1).double(), means, (Covariance.diagonal(torch.full((n,), tau, dtype=torch.float64) ** 2),)
    )


def two_modes(n: int) -> GaussianMixture:
    covs = (
        Covariance.full(0.1 * draw(n, n, use="c").T.cov() + 0.02 * torch.eye(n)),
        Covariance.diagonal(torch.full((n,), 0.1)),
    )
    return GaussianMixture(torch.tensor([0.6, 0.4]).double(), 0.5 * draw(2, n, use="m"), covs)


PRIOR = GmmPrior(two_modes(48), SHAPE)


def solve(
    A: SVDOperator, y: Tensor, prior: Prior, sigma: float, ids: list[str] | None = None, **options: float
) -> Tensor:
    rng = Rng.for_images(ids or names(len(y)), seed=0)
    return DDRM(**options).solve(y, Problem(A, sigma, "task", "data"), prior, None, rng)


SMALL: dict[str, SVDOperator] = {
    "identity": Identity((1, 4, 4)),
    "mean": BlockMean((1, 4, 4), 2),
    "grey": ChannelMix((2, 4, 4), torch.tensor([0.3, 0.7])),
    "hole": Selection((1, 4, 4), torch.tensor([0, 1, 5, 9, 15])),
    # a matrix of full rank whose small singular values are cut: zeros among the measured coefficients
    "truncated": Separable((1, 4, 4), draw(4, 4, use="r"), draw(4, 4, use="c"), threshold=0.8),
}
SIGMA_500 = math.sqrt(1 / PRIOR.alpha_bar(500) - 1)


@pytest.mark.parametrize(
    ("sigma_y", "eta", "eta_b"),
    [
        (0.05, 0.85, 1.0),
        (0.5, 0.85, 1.0),
        (0.3, 0.4, 0.6),
        (0.3, 0.0, 0.0),
        (0.3, 1.0, 1.0),
        (SIGMA_500, 0.85, 1.0),
        (300.0, 0.85, 1.0),
    ],
    ids=["low", "high", "mixed", "eta0", "eta1", "tie", "blind"],
)
@pytest.mark.parametrize("A", SMALL.values(), ids=SMALL.keys())
def test_ddrm_is_the_printed_recursion(A: SVDOperator, sigma_y: float, eta: float, eta_b: float) -> None:
    prior = GmmPrior(two_modes(math.prod(A.x_shape)), A.x_shape)
    y = A(draw(1, *A.x_shape)) + sigma_y * draw(1, *A.y_shape, use="n")
    expected = slow_ddrm(A, y, prior, sigma_y, eta, eta_b, nfe=10)
    x = solve(A, y, prior, sigma_y, eta=eta, eta_b=eta_b, nfe=10)
    # s is float32 there; y / s and 1 / sigma_y amplify its rounding
    np.testing.assert_allclose(x[0], expected, rtol=1e-4, atol=1e-4)


def test_a_truncated_operator_has_zeros_among_the_measured_coefficients() -> None:
    """Otherwise the recursion above would not meet that branch."""
    s = SMALL["truncated"].s
    assert 0 < (s == 0).sum() < len(s)


@pytest.mark.parametrize("sigma_y", [0.0, 0.1])
def test_a_coefficient_with_s_zero_is_not_read(sigma_y: float) -> None:
    A = SMALL["truncated"]
    prior, y, extra = GmmPrior(two_modes(16), A.x_shape), draw(1, *A.y_shape), draw(1, 16, use="e")
    moved = y + A.U(extra.where(A.s == 0, extra.new_zeros(())))
    assert (moved - y).abs().max() > 0.1
    torch.testing.assert_close(solve(A, moved, prior, sigma_y), solve(A, y, prior, sigma_y), rtol=0, atol=1e-9)


def test_without_noise_denoising_returns_the_measurement_denoised_by_the_last_step() -> None:
    """The last state is y + 0.01 z, and x_0 its posterior mean: the error is at most 0.01 in the mean square.

    5 % is four standard errors of that mean over 3072 values.
    """
    y = PRIOR.mixture.sample(Rng.for_images(names(64), use="truth")).reshape(-1, *SHAPE)
    error = (solve(Identity(SHAPE), y, PRIOR, 0.0) - y).square().mean().sqrt().item()
    assert 0.005 < error < 0.0105


@pytest.mark.parametrize("sigma_y", [0.0, 0.1])
@pytest.mark.parametrize("eta", [0.0, 0.85])
def test_with_a_null_operator_it_is_unconditional_ddim(eta: float, sigma_y: float) -> None:
    """Noise eta sqrt(1 - abar_s) z and sqrt(1 - eta^2) sqrt(1 - abar_s) eps, from sqrt(1 - abar_T) z."""
    A = Identity(SHAPE)
    A.s = torch.zeros_like(A.s)
    prior, rng, grid = PRIOR, Rng.for_images(names(2), seed=0), list(range(950, -1, -50))
    x = math.sqrt(1 - prior.alpha_bar(grid[0])) * rng.randn((48,)).double().reshape(2, *SHAPE)
    for t, t_next in pairwise(grid):
        eps, x0, abar = prior.eps(x, t), prior.x0(x, t), prior.alpha_bar(t_next)
        z = rng.randn((48,)).double().reshape(2, *SHAPE)
        x = math.sqrt(abar) * x0 + math.sqrt(1 - abar) * (eta * z + math.sqrt(1 - eta**2) * eps)
    expected = prior.x0(x, 0)
    y = draw(2, *SHAPE, use="y")
    torch.testing.assert_close(solve(A, y, prior, sigma_y, eta=eta), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("nfe", [2, 5, 20])
def test_each_row_costs_nfe_forward_evaluations_and_no_gradient(nfe: int) -> None:
    meter = Meter()
    solve(BlockMean(SHAPE, 2), draw(3, 3, 2, 2), PRIOR.metered(meter), 0.1, nfe=nfe)
    assert meter.forward == 3 * nfe
    assert meter.backward == 0


def test_steps_are_reported() -> None:
    steps: list[dict[str, object]] = []
    rng = Rng.for_images(["0"], seed=0)
    x = DDRM().solve(draw(1, *SHAPE), Problem(Identity(SHAPE), 0.1, "task", "data"), PRIOR, None, rng, steps.append)
    assert [step["t"] for step in steps] == list(range(950, -1, -50))
    assert torch.equal(x, steps[-1]["x0"])


def test_rows_do_not_interact() -> None:
    A, y = BlockMean(SHAPE, 2), draw(3, 3, 2, 2).float()
    batch = solve(A, y, PRIOR, 0.1)
    singles = torch.cat([solve(A, y[i : i + 1], PRIOR, 0.1, ids=[str(i)]) for i in range(3)])
    torch.testing.assert_close(batch, singles, rtol=0, atol=1e-5)  # float32 steps, products of another size


@pytest.mark.parametrize("value", [0.2, 0.8])
def test_on_a_white_gaussian_the_mean_is_near_the_exact_one(value: float) -> None:
    """Everything is linear there, so the mean of the draws is the recursion without its noise, here in scalars.

    The exact posterior mean is missed by a third of the posterior's spread at most, towards the prior's mean.
    """
    mean, tau, sigma_y, rows = 0.2, 0.5, 0.2, 4000
    prior = GmmPrior(gaussian(4, mean, tau), (1, 2, 2))
    A, y = Identity((1, 2, 2)), torch.full((rows, 1, 2, 2), value)
    x = solve(A, y, prior, sigma_y)

    def x0(bar: float, sigma: float) -> float:
        return mean + tau**2 / (tau**2 + sigma**2) * (bar - mean)

    sigmas = [math.sqrt(1 / prior.alpha_bar(t) - 1) for t in range(950, -1, -50)]
    bar = value
    for sigma, after in pairwise(sigmas):
        clean = x0(bar, sigma)
        bar = value if after > sigma_y else clean + math.sqrt(1 - 0.85**2) * after * (value - clean) / sigma_y
    standard_error = x.std().item() / math.sqrt(x.numel())
    assert x.mean().item() == pytest.approx(x0(bar, sigmas[-1]), abs=4 * standard_error)

    posterior = LinearGaussianPosterior(prior.mixture, A, sigma_y)
    exact = posterior.mean(y[:1].flatten(1).double()).mean().item()
    spread = posterior.covariances()[0, 0, 0].sqrt().item()
    assert x.mean().item() - exact == pytest.approx(0.12 * (mean - value), abs=4 * standard_error)
    assert abs(x.mean().item() - exact) < 0.4 * spread
    assert 0.8 * spread < x.std().item() < 0.9 * spread  # overconfident


@pytest.mark.parametrize("options", [{"eta": -0.1}, {"eta": 1.1}, {"eta_b": 2.0}, {"eta": math.nan}])
def test_shares_of_noise_lie_between_0_and_1(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"must lie in \[0, 1\]"):
        DDRM(**options)


@pytest.mark.parametrize("nfe", [0, 1001])
def test_an_impossible_number_of_steps_is_refused(nfe: int) -> None:
    with pytest.raises(ConfigError, match="between 1 and 1000 steps"):
        DDRM(nfe=nfe)
