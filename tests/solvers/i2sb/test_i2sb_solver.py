"""I2SB's chain against a recursion written anew, in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from bridges import I2SB, SHAPE, Told, draw, solve
from command import called
from recursions import LEVELS, linear, noise, recursion
from torch import Tensor

import invbench as ib


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["solver=i2sb", "task=colorize"], "i2sb: no weights are shipped for task 'colorize' of 'photos'; train them"),
        (["solver=cddb", "task=hdr"], "solver cddb needs an operator of type LinearOperator; task 'hdr' gives Clip"),
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
