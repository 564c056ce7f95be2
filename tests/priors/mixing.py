"""A mixture of every kind of covariance, and an operator that is a matrix."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench import LinearOperator, Rng
from invbench.priors.gmm import Covariance, GaussianMixture


def draw(*shape: int, use: str = "x") -> Tensor:
    return Rng.single(use=use, seed=0).randn(shape)[0].double()


def spd(n: int, use: str) -> Tensor:
    root = draw(n, n, use=use) / math.sqrt(n)
    return root @ root.T + 0.1 * torch.eye(n).double()


def mixture3() -> GaussianMixture:
    """Three unequal components in three dimensions, one of each kind of covariance."""
    covs = (
        Covariance.full(0.3 * spd(3, "a")),
        Covariance.diagonal(torch.tensor([0.05, 0.2, 0.4])),
        Covariance.low_rank(0.5 * draw(3, 1, use="b"), 0.1),
    )
    means = torch.tensor([[0.5, 0.0, -0.5], [-0.8, 0.3, 0.6], [0.2, -0.9, 0.1]]).double()
    return GaussianMixture(torch.tensor([0.5, 0.3, 0.2]).double(), means, covs)


class Matrix(LinearOperator):
    """y = H x for an image of one row."""

    def __init__(self, H: Tensor) -> None:
        self.H, self.x_shape, self.y_shape = H, (1, 1, H.shape[1]), (len(H),)

    def _A(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.H.T
