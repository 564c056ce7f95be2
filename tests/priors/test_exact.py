"""The exact posterior of a mixture: where it is known, its parts, its variances, its quantiles."""

from __future__ import annotations

import pytest
import torch
from exact_setting import SHAPE, Setting, mixture
from torch import Tensor

import invbench as ib
from invbench.priors.exact import _cdf, _quantile

PARTS = ("range", "null")


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting()


def test_the_posterior_is_known_for_mixtures_and_linear_operators_with_gaussian_noise() -> None:
    class Square(ib.Operator):
        x_shape = y_shape = SHAPE

        def _A(self, x: Tensor) -> Tensor:
            return x.square()

    prior, linear = ib.GmmPrior(mixture(), SHAPE), ib.Identity(SHAPE)
    assert prior.posterior(ib.Problem(linear, None, "t", "d")) is None
    assert prior.posterior(ib.Problem(linear, 0.0, "t", "d")) is None
    assert prior.posterior(ib.Problem(Square(), 0.1, "t", "d")) is None


def test_range_and_null_space_are_those_of_the_operator(setting: Setting) -> None:
    assert setting.exact.dimension("null") == 6
    for inside in (setting.exact.bases["null"], setting.exact.directions("null")):
        assert setting.A(inside.T.reshape(-1, *SHAPE)).abs().max() < 1e-6


def test_variances_are_those_of_many_samples(setting: Setting) -> None:
    y = setting.y.flatten(1)
    directions = setting.exact.directions("range")
    z = setting.samples @ directions
    weights, means, variances = setting.exact._along(y, directions)
    mean = (weights[:, :, None] * means).sum(1)
    variance = (weights[:, :, None] * (variances + (means - mean[:, None]) ** 2)).sum(1)
    torch.testing.assert_close(z.mean(1), mean, rtol=0, atol=0.06)
    torch.testing.assert_close(z.var(1), variance, rtol=0.5, atol=0)
    for part in PARTS:
        scores = (setting.samples @ setting.exact.bases[part]).var(1).sum(1)
        torch.testing.assert_close(scores, setting.exact.variance(y, part), rtol=0.3, atol=0)


def test_a_quantile_inverts_the_distribution_function(setting: Setting) -> None:
    along = setting.exact._along(setting.y.flatten(1), setting.exact.directions("null"))
    levels = torch.tensor([0.01, 0.3, 0.5, 0.97], dtype=torch.float64)[None, :, None]
    scores = _cdf(_quantile(levels, *along), *along)
    torch.testing.assert_close(scores, levels.expand_as(scores), rtol=0, atol=1e-8)
