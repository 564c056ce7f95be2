"""A mixture as a prior: its prediction is its score, and Tweedie's estimate the posterior mean."""

from __future__ import annotations

import math

import pytest
import torch
from mixing import Matrix, draw, mixture3

from invbench import GmmPrior, LinearGaussianPosterior
from invbench.priors.gmm import Covariance, GaussianMixture


@pytest.mark.parametrize("t", [0, 100, 500, 999])
def test_the_prior_predicts_noise_by_the_score(t: int) -> None:
    mixture, x = mixture3(), draw(4, 1, 1, 3)
    prior = GmmPrior(mixture, (1, 1, 3))
    abar = prior.alpha_bar(t)
    expected = -math.sqrt(1 - abar) * mixture.score(x.flatten(1), abar).reshape(x.shape)
    torch.testing.assert_close(prior.eps(x, t), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(prior.eps(x, torch.full((4,), t)), expected, rtol=1e-12, atol=1e-12)
    assert prior.eps_and_v(x, t)[1] is None
    assert prior.eps(x.float(), t).dtype == torch.float32


def test_the_prior_takes_another_time_step_per_row() -> None:
    prior, x, t = GmmPrior(mixture3(), (1, 1, 3)), draw(3, 1, 1, 3), torch.tensor([0, 400, 900])
    rows = torch.cat([prior.eps(x[i : i + 1], int(t[i])) for i in range(3)])
    torch.testing.assert_close(prior.eps(x, t), rows, rtol=1e-12, atol=1e-12)
    x0 = torch.cat([prior.x0(x[i : i + 1], int(t[i])) for i in range(3)])
    torch.testing.assert_close(prior.x0(x, t), x0, rtol=1e-12, atol=1e-12)


def test_one_gaussian_has_the_closed_form_of_the_noise() -> None:
    mu, tau, x = 0.3, 0.5, draw(4, 1, 2, 2)
    mixture = GaussianMixture(
        torch.ones(1).double(),
        torch.full((1, 4), mu, dtype=torch.float64),
        (Covariance.diagonal(torch.full((4,), tau**2)),),
    )
    prior = GmmPrior(mixture, (1, 2, 2))
    for t in (3, 300, 900):
        abar = prior.alpha_bar(t)
        expected = math.sqrt(1 - abar) * (x - math.sqrt(abar) * mu) / (abar * tau**2 + 1 - abar)
        torch.testing.assert_close(prior.eps(x, t), expected, rtol=1e-10, atol=1e-10)


def test_tweedie_is_the_posterior_mean_of_denoising() -> None:
    """x0(x_t, t) = E[x_0 | x_t]: the prior and the posterior are two formulas for one number."""
    mixture, t = mixture3(), 300
    prior, x_t = GmmPrior(mixture, (1, 1, 3)), draw(5, 1, 1, 3)
    abar = prior.alpha_bar(t)
    posterior = LinearGaussianPosterior(mixture, Matrix(math.sqrt(abar) * torch.eye(3).double()), math.sqrt(1 - abar))
    torch.testing.assert_close(prior.x0(x_t, t).flatten(1), posterior.mean(x_t.flatten(1)), rtol=1e-9, atol=1e-9)
