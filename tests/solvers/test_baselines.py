"""The solvers that call no network, against formulas of linear algebra and against PIL."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from invbench_solvers.bicubic import Bicubic
from invbench_solvers.pinv import PseudoInverse
from invbench_solvers.wiener import Wiener
from PIL import Image
from torch import Tensor

from invbench import (
    BlockMean,
    ChannelMix,
    ConfigError,
    GmmPrior,
    Hadamard,
    Identity,
    LinearGaussianPosterior,
    Operator,
    Problem,
    Rng,
    Selection,
    Separable,
    Solver,
    SVDOperator,
    patch_mixture,
)
from invbench.priors.gmm import Covariance, GaussianMixture

PRIOR = GmmPrior(patch_mixture(), (3, 16, 16))
OPERATORS: dict[str, SVDOperator] = {
    "identity": Identity((3, 4, 4)),
    "mean": BlockMean((3, 4, 4), 2),
    "grey": ChannelMix((3, 4, 4), torch.tensor([0.2, 0.5, 0.3])),
    "hole": Selection((3, 4, 4), torch.tensor([0, 3, 7, 11])),
    "truncated": Separable((3, 4, 4), *(Rng.single(use=u).randn((4, 4))[0].double() for u in "rc"), threshold=1.0),
}
each_operator = pytest.mark.parametrize("A", OPERATORS.values(), ids=OPERATORS.keys())


def draw(*shape: int, use: str = "y") -> Tensor:
    return Rng.single(use=use).randn(shape)[0]


def restore(solver: Solver, A: Operator, y: Tensor, sigma: float = 0.3) -> Tensor:
    problem = Problem(A, sigma, "task", "data")
    assert solver.skip(problem, PRIOR) is None
    state = solver.prepare(problem, PRIOR)
    return solver.solve(y, problem, PRIOR, state, Rng.for_images([str(i) for i in range(len(y))], seed=0))


def dense(A: Operator) -> Tensor:
    n = math.prod(A.x_shape)
    return A(torch.eye(n, dtype=torch.float64).reshape(n, *A.x_shape)).flatten(1).T


@each_operator
def test_pinv_is_the_pseudo_inverse(A: SVDOperator) -> None:
    y = draw(2, *A.y_shape).double()
    expected = y.flatten(1) @ torch.linalg.pinv(dense(A), rtol=1e-5).T
    torch.testing.assert_close(restore(PseudoInverse(), A, y).flatten(1), expected, rtol=1e-5, atol=1e-5)


@each_operator
@pytest.mark.parametrize("sigma", [0.05, 0.5])
def test_wiener_solves_the_normal_equations(A: SVDOperator, sigma: float) -> None:
    y, H, rho = draw(2, *A.y_shape).double(), dense(A), (sigma / 0.4) ** 2
    expected = torch.linalg.solve(H.T @ H + rho * torch.eye(H.shape[1]), H.T @ y.flatten(1).T).T
    x = restore(Wiener(tau=0.4), A, y, sigma).flatten(1)
    torch.testing.assert_close(x, expected, rtol=1e-5, atol=1e-5)  # s is stored in float32


@each_operator
def test_wiener_is_the_posterior_mean_of_a_white_gaussian(A: SVDOperator) -> None:
    n, tau, sigma = math.prod(A.x_shape), 0.7, 0.3
    white = GaussianMixture(
        torch.ones(1).double(), torch.zeros(1, n).double(), (Covariance.diagonal(torch.full((n,), tau).double() ** 2),)
    )
    y = draw(2, *A.y_shape).double()
    expected = LinearGaussianPosterior(white, A, sigma).mean(y.flatten(1))
    torch.testing.assert_close(restore(Wiener(tau), A, y, sigma).flatten(1), expected, rtol=1e-5, atol=1e-5)


@each_operator
def test_wiener_without_noise_is_the_pseudo_inverse(A: SVDOperator) -> None:
    y = draw(2, *A.y_shape)
    torch.testing.assert_close(restore(Wiener(), A, y, 0.0), restore(PseudoInverse(), A, y), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tau", [0.0, -1.0])
def test_wiener_needs_a_spread(tau: float) -> None:
    with pytest.raises(ConfigError, match="tau must be positive"):
        Wiener(tau)


@pytest.mark.parametrize(("h", "w"), [(4, 4), (4, 6)])
def test_bicubic_is_that_of_pil(h: int, w: int) -> None:
    A = BlockMean((1, 4 * h, 4 * w), 4)
    levels = Rng.single(use="grey").integers(256, (h, w))[0].byte()
    y = levels.float()[None, None] / 127.5 - 1
    x = restore(Bicubic(), A, y)[0, 0]
    exact = Image.fromarray(y[0, 0].numpy()).resize((4 * w, 4 * h), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(x, np.asarray(exact), rtol=0, atol=1e-5)
    # In 8 bits PIL rounds twice, once per axis, and the weights of the second axis can add up to 1.27.
    rounded = Image.fromarray(levels.numpy()).resize((4 * w, 4 * h), Image.Resampling.BICUBIC)
    np.testing.assert_allclose((x.clamp(-1, 1) + 1) * 127.5, np.asarray(rounded), rtol=0, atol=1.2)


def test_bicubic_repeats_a_grey_measurement_and_returns_one_of_full_size() -> None:
    grey = draw(2, 1, 16, 16)
    x = restore(Bicubic(), ChannelMix((3, 16, 16), torch.ones(3) / 3), grey)
    assert torch.equal(x, grey.repeat(1, 3, 1, 1))
    full = draw(2, 3, 16, 16)
    assert torch.equal(restore(Bicubic(), Identity((3, 16, 16)), full), full)


@pytest.mark.parametrize(
    "A",
    [Selection((3, 4, 4), torch.arange(8)), Hadamard((3, 4, 4), torch.arange(16), 4)],
    ids=["selection", "hadamard"],
)
def test_bicubic_skips_measurements_that_are_no_images(A: Operator) -> None:
    reason = Bicubic().skip(Problem(A, 0.1, "some_task", "data"), PRIOR)
    assert reason is not None
    assert "measurement of some_task has shape" in reason
    assert str(A.y_shape) in reason


@pytest.mark.parametrize("solver", [PseudoInverse(), Wiener(), Bicubic()], ids=lambda s: s.name)
def test_rows_do_not_interact(solver: Solver) -> None:
    A, y = BlockMean((3, 8, 8), 2), draw(3, 3, 4, 4)
    singles = torch.cat([restore(solver, A, y[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(restore(solver, A, y), singles, rtol=1e-6, atol=1e-6)
