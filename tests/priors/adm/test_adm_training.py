"""The losses of an ADM prior's training, and the denoising by which it is watched."""

from __future__ import annotations

import math

import pytest
import torch
from made_networks import small

from invbench import GmmPrior, Rng
from invbench.priors.adm.training import at_size, bounded, denoising_psnr
from invbench.priors.gmm import Covariance, GaussianMixture


def test_a_colour_error_counts_by_its_square_where_small_and_by_itself_where_large() -> None:
    assert bounded(torch.tensor([0.01])).item() == pytest.approx(0.01**2 / 2, rel=0.01)
    assert bounded(torch.tensor([1000.0])).item() == pytest.approx(999, rel=1e-3)
    assert bounded(torch.zeros(4)).item() == 0


@pytest.mark.parametrize("level", [0.2, 1.0])
def test_the_denoising_of_a_gaussian_is_its_wiener_filter(level: float) -> None:
    """Its error is s^2 tau^2 / (s^2 + tau^2); the level is that of the nearest of a thousand steps."""
    tau = 0.5
    mixture = GaussianMixture(
        torch.ones(1, dtype=torch.float64),
        torch.zeros(1, 256, dtype=torch.float64),
        (Covariance.full(tau**2 * torch.eye(256, dtype=torch.float64)),),
    )
    prior = GmmPrior(mixture, (1, 16, 16))
    x = tau * Rng.for_images(map(str, range(64)), use="truth").randn((1, 16, 16)).double()
    error = level**2 * tau**2 / (level**2 + tau**2)
    found = denoising_psnr(prior, x, level)  # type: ignore[arg-type]
    assert found == pytest.approx(10 * math.log10(4 / error), abs=0.1)


def test_a_prior_takes_images_of_another_size_and_stays_what_it_was() -> None:
    prior = small()
    other = at_size(prior, torch.zeros(1, 3, 8, 8))  # type: ignore[arg-type]
    assert (other.x_shape, prior.x_shape) == ((3, 8, 8), (3, 16, 32))
    assert other.net is prior.net
