"""The mixtures that ship."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import invbench as ib
from invbench import Rng
from invbench.priors.gmm import Covariance, GaussianMixture


def dense_covariances(mixture: GaussianMixture) -> list[Tensor]:
    n = mixture.means.shape[1]
    return [cov.times(torch.eye(n).double()) for cov in mixture.covariances]


def grid(n: int, points: int, reach: float = 3.0) -> tuple[Tensor, float]:
    """Points (P, n) of a box [-reach, reach]^n and the volume of a cell: the rectangle rule, exact to 1e-6 here."""
    axis = torch.linspace(-reach, reach, points).double()
    x = torch.stack(torch.meshgrid(*[axis] * n, indexing="ij"), -1).reshape(-1, n)
    return x, (2 * reach / (points - 1)) ** n


N = 20_000
IDS = [str(i) for i in range(N)]


@pytest.mark.parametrize("mixture", [ib.patch_mixture(), ib.planar_mixture()], ids=["patch", "planar"])
def test_the_shipped_mixtures_are_mixtures(mixture: GaussianMixture) -> None:
    assert mixture.weights.sum().item() == pytest.approx(1, abs=1e-12)
    assert (mixture.weights > 0).all()
    assert len(mixture.weights) == len(mixture.means) == len(mixture.covariances)
    for cov in mixture.covariances:
        assert cov.n == mixture.means.shape[1]
        assert (cov.values + cov.floor > 0).all()
        for q in cov.factors:
            torch.testing.assert_close(q.T @ q, torch.eye(len(q)).double(), rtol=0, atol=1e-10)


def test_patch_covariances_are_the_declared_kronecker_products() -> None:
    """Pixel variance, colour correlation and decay with distance of the horizontal stripes."""
    (sigma,) = dense_covariances(GaussianMixture(*_only(ib.patch_mixture(), 10)))
    grid = sigma.reshape(3, 16, 16, 3, 16, 16)
    assert sigma[0, 0].item() == pytest.approx(0.18**2)
    assert (grid[0, 3, 5, 1, 3, 5] / 0.18**2).item() == pytest.approx(0.85)
    assert (grid[2, 3, 5, 2, 4, 5] / 0.18**2).item() == pytest.approx(math.exp(-1 / 2))
    assert (grid[2, 3, 5, 2, 3, 6] / 0.18**2).item() == pytest.approx(math.exp(-1 / 20))


def _only(mixture: GaussianMixture, k: int) -> tuple[Tensor, Tensor, tuple[Covariance, ...]]:
    return torch.ones(1).double(), mixture.means[k : k + 1], (mixture.covariances[k],)


def test_patches_mostly_stay_in_range() -> None:
    x = ib.patch_mixture().sample(Rng.for_images(IDS[:200], seed=0))
    assert (x.abs() > 1).double().mean().item() < 0.01
