"""Images drawn from a prior have its distribution, and each is its own draw."""

from __future__ import annotations

import pytest
import torch

import invbench as ib
from invbench.priors.gmm import Covariance, GaussianMixture
from invbench.sampling import draw


def gaussian(mean: float, std: float) -> ib.GmmPrior:
    covariance = Covariance.full(std**2 * torch.eye(4, dtype=torch.float64))
    means = torch.full((1, 4), mean, dtype=torch.float64)
    return ib.GmmPrior(GaussianMixture(torch.ones(1, dtype=torch.float64), means, (covariance,)), (1, 2, 2))


def test_draws_have_the_mean_and_spread_of_a_gaussian() -> None:
    names = [str(i) for i in range(1000)]
    x = draw(gaussian(0.3, 0.1), ib.Rng.for_images(names), 100, torch.device("cpu"))
    assert x.shape == (1000, 1, 2, 2)
    assert x.mean().item() == pytest.approx(0.3, abs=0.01)  # 6 standard errors of 4000 pixels
    assert x.std().item() == pytest.approx(0.1, rel=0.1)


def test_a_draw_depends_on_its_name_alone_and_stays_in_range() -> None:
    prior, device = gaussian(0.9, 0.5), torch.device("cpu")
    both = draw(prior, ib.Rng.for_images(["a", "b"]), 5, device)
    torch.testing.assert_close(draw(prior, ib.Rng.for_images(["b"]), 5, device)[0], both[1])
    assert both.abs().max() <= 1
