"""Operators and Gaussian priors as matrices, and solvers compared with references that use them: one image, numpy."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from solving import solve
from torch import Tensor

import invbench as ib
from invbench.priors.gmm import Covariance, GaussianMixture

Vector = NDArray[Any]
ABAR = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))


def abar_of(t: int) -> float:
    return 1.0 if t == -1 else float(ABAR[t])


def even(nfe: int) -> list[int]:
    return [round(j * 999 / (nfe - 1)) for j in reversed(range(nfe))]


def stride(nfe: int) -> list[int]:
    return [j * (1000 // nfe) for j in reversed(range(nfe))]


class Noise:
    """The draws of the generator that ``solve`` gives its first row."""

    def __init__(self) -> None:
        self.rng = ib.Rng.for_images(["a"], use="fixture")

    def __call__(self, count: int) -> Vector:
        return self.rng.randn((count,))[0].double().numpy()


class Gaussian:
    """N(mu, C) diffused: predictions and their Jacobian as matrices."""

    def __init__(self, n: int) -> None:
        factor = ib.Rng.single(use="covariance").randn((n, n))[0].double().numpy()
        self.C = 0.3 * factor @ factor.T / n + 0.05 * np.eye(n)
        self.mu = np.linspace(-0.9, 0.9, n)

    def slope(self, t: int) -> Vector:
        """d eps / d x_t."""
        a = abar_of(t)
        return math.sqrt(1 - a) * np.linalg.inv(a * self.C + (1 - a) * np.eye(len(self.mu)))

    def eps(self, x: Vector, t: int) -> Vector:
        return self.slope(t) @ (x - math.sqrt(abar_of(t)) * self.mu)

    def x0(self, x: Vector, t: int) -> Vector:
        a = abar_of(t)
        return (x - math.sqrt(1 - a) * self.eps(x, t)) / math.sqrt(a)

    def jacobian(self, t: int) -> Vector:
        """d x0 / d x_t."""
        a = abar_of(t)
        return (np.eye(len(self.mu)) - math.sqrt(1 - a) * self.slope(t)) / math.sqrt(a)

    def prior(self, x_shape: ib.Shape) -> ib.GmmPrior:
        cov = Covariance.full(torch.from_numpy(self.C))
        return ib.GmmPrior(GaussianMixture(torch.ones(1).double(), torch.from_numpy(self.mu)[None], (cov,)), x_shape)


@dataclasses.dataclass(frozen=True)
class Case:
    """An operator, and the same as matrices: H (m, n) and the basis V (n, n) in the order its docstring promises."""

    A: ib.SVDOperator
    H: Vector
    V: Vector
    s: Vector
    sigma: float

    @property
    def U(self) -> Vector:
        return self.H @ self.V[:, : len(self.s)] / self.s

    def measured(self) -> tuple[Tensor, Vector]:
        y = 0.5 * ib.Rng.single(use="y").randn(self.A.y_shape).double()
        return y, y.flatten().numpy()


def block_means(sigma: float) -> Case:
    """2 x 2 means of a (1, 4, 4) image; V holds each block's four cosine patterns, pattern by pattern."""
    signs = np.array([[[1, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]]) / 2
    V = np.zeros((16, 16))
    for pattern in range(4):
        for block in range(4):
            image = np.zeros((4, 4))
            i, j = 2 * (block // 2), 2 * (block % 2)
            image[i : i + 2, j : j + 2] = signs[pattern]
            V[:, 4 * pattern + block] = image.flatten()
    return Case(ib.BlockMean((1, 4, 4), 2), 0.5 * V[:, :4].T, V, np.full(4, 0.5), sigma)


def kept_pixels(sigma: float) -> Case:
    """Pixels 4, 0 and 2 of a (3, 2, 3) image; V runs pixel by pixel, the channel fastest, missing pixels last."""
    keep, order = [4, 0, 2], [4, 0, 2, 1, 3, 5]
    H, V = np.zeros((9, 18)), np.zeros((18, 18))
    for c in range(3):
        for i, pixel in enumerate(keep):
            H[3 * c + i, 6 * c + pixel] = 1
        for rank, pixel in enumerate(order):
            V[6 * c + pixel, 3 * rank + c] = 1
    return Case(ib.Selection((3, 2, 3), torch.tensor(keep)), H, V, np.ones(9), sigma)


CASES = {"means": block_means(0.1), "pixels": kept_pixels(0.2), "means, noisy": block_means(0.6)}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def agree(solver: ib.Solver, case: Case, reference: Callable[[Vector, Gaussian, Noise], Vector]) -> None:
    y, flat = case.measured()
    gaussian = Gaussian(math.prod(case.A.x_shape))
    expected = reference(flat, gaussian, Noise())
    x = solve(solver, y, case.A, case.sigma, gaussian.prior(case.A.x_shape))
    np.testing.assert_allclose(x.flatten().numpy(), expected, rtol=0, atol=1e-4)


def draw(*shape: int, use: str = "y") -> Tensor:
    return ib.Rng.single(use=use).randn(shape)[0]


def matrix_of(A: ib.Operator) -> Tensor:
    """(m, n)."""
    n = math.prod(A.x_shape)
    return A(torch.eye(n, dtype=torch.float64).reshape(n, *A.x_shape)).flatten(1).T


OPERATORS: dict[str, ib.SVDOperator] = {
    "identity": ib.Identity((3, 4, 4)),
    "mean": ib.BlockMean((3, 4, 4), 2),
    "grey": ib.ChannelMix((3, 4, 4), torch.tensor([0.2, 0.5, 0.3])),
    "hole": ib.Selection((3, 4, 4), torch.tensor([0, 3, 7, 11])),
    "truncated": ib.Separable((3, 4, 4), *(draw(4, 4, use=u).double() for u in "rc"), threshold=1.0),
}
each_operator = pytest.mark.parametrize("A", OPERATORS.values(), ids=OPERATORS.keys())
