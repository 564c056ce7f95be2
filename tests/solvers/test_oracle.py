"""The exact posterior as a solver."""

from __future__ import annotations

import pytest
import torch
from invbench_solvers.oracle import Oracle
from torch import Tensor

from invbench import (
    BlockMean,
    ConfigError,
    GmmPrior,
    LinearGaussianPosterior,
    Prior,
    Problem,
    Rng,
    Selection,
    patch_mixture,
    planar_mixture,
)

SHAPE = (3, 16, 16)
PRIOR = GmmPrior(patch_mixture(), SHAPE)
PROBLEM = Problem(BlockMean(SHAPE, 4), 0.1, "sr4", "gmm")
IDS = [str(i) for i in range(6)]


class Zero(Prior):
    """No mixture."""

    x_shape, abar = SHAPE, PRIOR.abar

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, None]:
        return torch.zeros_like(x_t), None


def measured() -> tuple[Tensor, Tensor]:
    x = PRIOR.mixture.sample(Rng.for_images(IDS, use="truth")).reshape(-1, *SHAPE)
    y = PROBLEM.A(x)
    return x, (y + 0.1 * Rng.for_images(IDS, use="noise").randn_like(y)).float()


@pytest.mark.parametrize("output", ["sample", "mean"])
def test_the_oracle_is_the_exact_posterior(output: str) -> None:
    _, y = measured()
    solver, flat = Oracle(output), y.flatten(1).double()
    x = solver.solve(y, PROBLEM, PRIOR, solver.prepare(PROBLEM, PRIOR), Rng.for_images(IDS, seed=0))
    posterior = LinearGaussianPosterior(PRIOR.mixture, PROBLEM.A, 0.1)
    exact = {"mean": posterior.mean(flat), "sample": posterior.sample(flat, Rng.for_images(IDS, seed=0))}
    assert x.dtype == y.dtype
    assert torch.equal(x, exact[output].float().reshape(x.shape))


def test_the_mean_has_the_least_squared_error_and_a_sample_twice_that() -> None:
    """E|sample - x|^2 = 2 E|mean - x|^2: truth and sample are two independent draws from the posterior."""
    x, y = measured()
    errors = {}
    for output in ("mean", "sample"):
        solver = Oracle(output)
        x_hat = solver.solve(y, PROBLEM, PRIOR, solver.prepare(PROBLEM, PRIOR), Rng.for_images(IDS, seed=0))
        errors[output] = (x_hat - x).square().mean().item()
    assert errors["sample"] / errors["mean"] == pytest.approx(2, rel=0.15)
    least = (PROBLEM.A.pinv(y) - x).square().mean().item()
    assert errors["mean"] < least


def test_the_oracle_works_in_the_plane() -> None:
    prior = GmmPrior(planar_mixture(), (1, 1, 2))
    problem = Problem(Selection((1, 1, 2), torch.tensor([1])), 0.2, "inpaint_random", "gmm2d")
    solver = Oracle("mean")
    y = torch.tensor([[[0.6]], [[-0.2]]])
    x = solver.solve(y, problem, prior, solver.prepare(problem, prior), Rng.for_images("ab", seed=0))
    assert x.shape == (2, 1, 1, 2)
    assert x[0, 0, 0, 0].abs() < 0.1  # y near the round mode at (0, 0.6)
    assert x[0, 0, 0, 1] == pytest.approx(0.59, abs=0.05)


def test_the_oracle_skips_what_has_no_closed_form() -> None:
    no_mixture = Oracle().skip(PROBLEM, Zero())
    assert no_mixture is not None
    assert "Gaussian mixture" in no_mixture
    silent = Oracle().skip(Problem(PROBLEM.A, 0.0, "sr4", "gmm"), PRIOR)
    assert silent is not None
    assert "noise level above 0" in silent
    assert Oracle().skip(PROBLEM, PRIOR) is None


def test_an_unknown_output_is_refused() -> None:
    with pytest.raises(ConfigError, match="output must be 'sample' or 'mean'; got 'median'"):
        Oracle("median")
