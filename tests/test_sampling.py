"""Images drawn from a prior have its distribution, and each is its own draw."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import invbench as ib
from invbench.priors.gmm import Covariance, GaussianMixture
from invbench.sampling import draw
from invbench.schedule import ddim_split, stride_grid


def gaussian(mean: float, std: float) -> ib.GmmPrior:
    covariance = Covariance.full(std**2 * torch.eye(4, dtype=torch.float64))
    means = torch.full((1, 4), mean, dtype=torch.float64)
    return ib.GmmPrior(GaussianMixture(torch.ones(1, dtype=torch.float64), means, (covariance,)), (1, 2, 2))


def test_draws_have_the_mean_and_the_spread_that_the_steps_of_ddim_give_a_gaussian() -> None:
    """Each step maps a Gaussian affinely to another, whose variance follows."""
    prior, mean, tau, calls = gaussian(0.3, 0.1), 0.3, 0.1, 20
    variance = 1.0
    for t, s in pairwise([*stride_grid(calls), -1]):
        a, b = prior.alpha_bar(t), prior.alpha_bar(s)
        fresh, kept = ddim_split(a, b, 1.0)
        gain = a**0.5 * tau**2 / (a * tau**2 + 1 - a)  # of x_t in the estimate of the image
        slope = b**0.5 * gain + kept * (1 - a**0.5 * gain) / (1 - a) ** 0.5
        variance = slope**2 * variance + fresh**2
    x = draw(prior, ib.Rng.for_images(map(str, range(2000))), calls, torch.device("cpu"))
    assert x.shape == (2000, 1, 2, 2)
    assert x.mean().item() == pytest.approx(mean, abs=0.005)  # 6 standard errors of 8000 pixels
    assert x.std().item() == pytest.approx(variance**0.5, rel=0.04)  # 5 standard errors


def test_a_draw_depends_on_its_name_alone_and_stays_in_range() -> None:
    prior, device = gaussian(0.9, 0.5), torch.device("cpu")
    both = draw(prior, ib.Rng.for_images(["a", "b"]), 5, device)
    torch.testing.assert_close(draw(prior, ib.Rng.for_images(["b"]), 5, device)[0], both[1])
    assert both.abs().max() <= 1
