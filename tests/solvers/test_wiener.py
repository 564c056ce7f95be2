"""The Wiener filter against the normal equations, and in its limits."""

from __future__ import annotations

import math

import pytest
import torch
from dense import draw, each_operator, matrix_of
from invbench_solvers.pinv import PseudoInverse
from invbench_solvers.wiener import Wiener
from solving import unaided, white

import invbench as ib


@each_operator
@pytest.mark.parametrize("sigma", [0.05, 0.5])
def test_wiener_solves_the_normal_equations(A: ib.SVDOperator, sigma: float) -> None:
    y, H, rho = draw(2, *A.y_shape).double(), matrix_of(A), (sigma / 0.4) ** 2
    expected = torch.linalg.solve(H.T @ H + rho * torch.eye(H.shape[1]), H.T @ y.flatten(1).T).T
    x = unaided(Wiener(tau=0.4), A, y, sigma).flatten(1)
    torch.testing.assert_close(x, expected, rtol=1e-5, atol=1e-5)  # s is stored in float32


@each_operator
def test_wiener_is_the_posterior_mean_of_a_white_gaussian(A: ib.SVDOperator) -> None:
    n, tau, sigma = math.prod(A.x_shape), 0.7, 0.3
    y = draw(2, *A.y_shape).double()
    expected = ib.LinearGaussianPosterior(white(n, tau), A, sigma).mean(y.flatten(1))
    torch.testing.assert_close(unaided(Wiener(tau), A, y, sigma).flatten(1), expected, rtol=1e-5, atol=1e-5)


@each_operator
def test_wiener_without_noise_is_the_pseudo_inverse(A: ib.SVDOperator) -> None:
    y = draw(2, *A.y_shape)
    torch.testing.assert_close(unaided(Wiener(), A, y, 0.0), unaided(PseudoInverse(), A, y), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tau", [0.0, -1.0])
def test_wiener_needs_a_spread(tau: float) -> None:
    with pytest.raises(ib.ConfigError, match="tau must be positive"):
        Wiener(tau)
