"""CDDB's gradient steps against recursions written anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from bridges import CDDB, I2SB, SHAPE, Deep, Told, draw, solve
from command import called
from recursions import LEVELS, SLOPE, linear, noise, recursion

import invbench as ib


def test_cddb_takes_a_gradient_step_on_the_predicted_image() -> None:
    A, grid = ib.BlockMean(SHAPE, 2), [999, 666, 333, 0]
    y, x_0 = draw(1, 3, 2, 2).double(), draw(1, *SHAPE).double()
    start = A.guess(y).flatten().numpy()

    def correct(x0_hat: np.ndarray, a: int, share: float) -> np.ndarray:
        x = torch.from_numpy(x0_hat).reshape(1, *SHAPE).requires_grad_()
        (gradient,) = torch.autograd.grad((A(x) - y).square().sum(), x)
        return share * 0.7 * gradient.flatten().numpy()

    x_hat = solve(CDDB(nfe=3, rho=0.7, clip=False), y, A, Told(linear))
    np.testing.assert_allclose(x_hat.flatten().numpy(), recursion(start, grid, noise(), correct), rtol=0, atol=1e-6)
    assert x_0.shape == x_hat.shape
    without = solve(CDDB(nfe=3, rho=0.0, clip=False), y, A, Told(linear))
    torch.testing.assert_close(without, solve(I2SB(nfe=3), y, A, Told(linear)))


def test_deep_cddb_differentiates_through_the_network() -> None:
    """d x0_hat / d x_a of the linear network is 1 - sigma_f(a) SLOPE."""
    A, grid = ib.BlockMean(SHAPE, 2), [999, 666, 333, 0]
    y = draw(1, 3, 2, 2).double()

    def correct(x0_hat: np.ndarray, a: int, share: float) -> np.ndarray:
        misfit = A(torch.from_numpy(x0_hat).reshape(1, *SHAPE)) - y
        return 0.7 * (1 - LEVELS[a] * SLOPE) * 2 * A.T(misfit).flatten().numpy()

    x_hat = solve(Deep(nfe=3, rho=0.7, clip=False), y, A, Told(linear))
    expected = recursion(A.guess(y).flatten().numpy(), grid, noise(), correct)
    np.testing.assert_allclose(x_hat.flatten().numpy(), expected, rtol=0, atol=1e-6)


def test_cddb_is_not_trained_for_a_task_that_is_not_linear(tmp_path: Path) -> None:
    ran = called(["train", "solver=cddb", "task=hdr", "benchmark=gmm", "--dry-run"], tmp_path)
    assert ran.returncode == 2
    assert "solver cddb needs an operator of type LinearOperator; task 'hdr' gives" in ran.stderr
    assert "Traceback" not in ran.stderr
