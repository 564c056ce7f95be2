"""I2SB's and CDDB's chains against recursions written anew, in float64."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from bridges import CDDB, I2SB, SHAPE, Deep, Told, draw, solve
from command import called
from torch import Tensor

import invbench as ib

SLOPE = 0.3  # of the network in closed form
BETAS = np.concatenate([(half := np.linspace(0.01, math.sqrt(3e-4), 1000)[:500] ** 2), half[::-1]])
LEVELS = np.sqrt(np.cumsum(BETAS))


def linear(x: Tensor, t: Tensor) -> Tensor:
    return SLOPE * x + t / 2000


def recursion(
    x: np.ndarray, grid: list[int], noise: Callable[[], np.ndarray], correct: Callable[..., np.ndarray] | None = None
) -> np.ndarray:
    """Algorithm 2, an image as a vector; DDPM's posterior in variances, as the paper has it."""
    for a, b in itertools.pairwise(grid):
        net = SLOPE * x + (0.1 + a / 999 * 999.9) / 2000
        x0_hat = x - LEVELS[a] * net
        var, delta = LEVELS[b] ** 2, LEVELS[a] ** 2 - LEVELS[b] ** 2
        after = (delta * x0_hat + var * x) / (delta + var)
        if b > 0:
            after = after + math.sqrt(delta * var / (delta + var)) * noise()
        x = after if correct is None else after - correct(x0_hat, a, delta / (delta + var))
    return x


def noise() -> Callable[[], np.ndarray]:
    rng = ib.Rng.for_images(["0"], use="solve")
    return lambda: rng.randn((math.prod(SHAPE),))[0].double().numpy()


def test_a_chain_is_algorithm_2() -> None:
    y, grid = draw(1, *SHAPE).double(), [999, 749, 500, 250, 0]
    net = Told(linear)
    x_hat = solve(I2SB(nfe=4), y, ib.Identity(SHAPE), net)
    expected = recursion(y.flatten().numpy(), grid, noise())
    np.testing.assert_allclose(x_hat.flatten().numpy(), expected, rtol=0, atol=1e-6)
    assert net.times == pytest.approx([1000, 749.77, 500.55, 250.32], abs=0.02)


@pytest.mark.parametrize("nfe", [1, 7, 999])
def test_a_perfect_network_restores_the_image_in_any_number_of_calls(nfe: int) -> None:
    x_0 = draw(1, *SHAPE).double()
    table = torch.from_numpy(LEVELS)

    def perfect(x: Tensor, t: Tensor) -> Tensor:
        return (x - x_0) / table[((t - 0.1) / 999.9 * 999).round().long()]

    net = Told(perfect)
    x_hat = solve(I2SB(nfe=nfe), draw(1, *SHAPE, image="y").double(), ib.Identity(SHAPE), net)
    assert len(net.times) == nfe
    left = (LEVELS[0] / LEVELS[999]) ** 2  # the last step ends at index 0, whose level is not 0
    assert (x_hat - x_0).abs().max() <= 4 * left + 5 * LEVELS[0] * (nfe > 1)


def test_clip_limits_predicted_images() -> None:
    seen: list[Tensor] = []
    y, net = 3 * draw(1, *SHAPE), Told(linear)
    problem, rng = ib.Problem(ib.Identity(SHAPE), None, "t", "d"), ib.Rng.for_images(["0"])
    I2SB(nfe=3, clip=True).solve(y, problem, net, net, rng, lambda step: seen.append(step["x0"]))
    assert len(seen) == 3
    assert all(x.abs().max() == 1 for x in seen)


def test_measured_pixels_stay_as_they_are_in_the_official_form_of_inpainting() -> None:
    A = ib.Selection(SHAPE, torch.arange(8))
    y = draw(1, 3, 8)
    net = Told(linear)
    assert torch.equal(A(solve(I2SB(nfe=3, masked=True), y, A, net)), y)
    assert not torch.equal(A(solve(I2SB(nfe=3), y, A, net)), y)


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["solver=i2sb", "task=colorize"], "i2sb: no weights are shipped for task 'colorize' of 'photos'; train them"),
        (["solver=i2sb", "task=sr4", "solver.nfe=1000"], "i2sb: nfe must be 1 to 999, the steps of the bridge; got"),
        (["solver=cddb", "task=sr4", "solver.rho=-1"], "cddb: the step size rho must not be negative; got -1.0"),
        (["solver=i2sb", "task=sr4", "solver.weights=no.safetensors"], "no weights at no.safetensors; train them with"),
    ],
)
def test_what_cannot_run_is_one_clear_line(tmp_path: Path, words: list[str], message: str) -> None:
    ran = called(["run", "benchmark=photos", "n=1", *words], tmp_path)
    assert ran.returncode != 0
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


def test_cddb_is_not_trained_for_a_task_that_is_not_linear(tmp_path: Path) -> None:
    ran = called(["train", "solver=cddb", "task=hdr", "benchmark=gmm", "--dry-run"], tmp_path)
    assert ran.returncode == 2
    assert "solver cddb needs an operator of type LinearOperator; task 'hdr' gives" in ran.stderr
    assert "Traceback" not in ran.stderr
