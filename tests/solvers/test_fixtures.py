"""Solvers against slow references on dense matrices, in their limits, on a Gaussian prior, and what they hold on to.

The references are written from the formulas of the algorithm spec (sections 0 and 3) with matrices, and draw the
same numbers in the same order. What the other files of this folder test is not repeated: DDRM's recursion and limits.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import sys
import weakref
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import invbench as ib
from invbench.plugins import load_catalog
from invbench.priors.gmm import Covariance, GaussianMixture
from invbench.run.solving import declared_mismatch

CATALOG = load_catalog()
Vector = NDArray[Any]
ABAR = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))


def abar_of(t: int) -> float:
    return 1.0 if t == -1 else float(ABAR[t])


def make(name: str, **options: Any) -> ib.Solver:
    return CATALOG.get("solver", name)(**options)


def solve(
    solver: ib.Solver, y: Tensor, A: ib.Operator, sigma: float, prior: ib.Prior, ids: Sequence[str] = ("a",)
) -> Tensor:
    problem, rng = ib.Problem(A, sigma, "task", "dataset"), ib.Rng.for_images(ids, use="fixture")
    assert solver.skip(problem, prior) is None
    with torch.inference_mode(not solver.needs_grad):
        return solver.solve(y, problem, prior, solver.prepare(problem, prior), rng).detach()


# Slow references: one image, dense matrices, numpy.


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


@each_case
def test_the_matrices_are_those_of_the_operators(case: Case) -> None:
    eye = torch.eye(len(case.V), dtype=torch.float64).reshape(-1, *case.A.x_shape)
    np.testing.assert_allclose(case.A(eye).flatten(1).T, case.H, atol=1e-12)
    np.testing.assert_allclose(case.V.T @ case.V, np.eye(len(case.V)), atol=1e-12)
    np.testing.assert_allclose(case.U * case.s @ case.V[:, : len(case.s)].T, case.H, atol=1e-12)


def even(nfe: int) -> list[int]:
    return [round(j * 999 / (nfe - 1)) for j in reversed(range(nfe))]


def stride(nfe: int) -> list[int]:
    return [j * (1000 // nfe) for j in reversed(range(nfe))]


def slow_dps(
    case: Case,
    nfe: int,
    zeta: float,
    v: float | None = None,
    project: bool = False,
    clipped: list[int] | None = None,
    matched: bool = False,
) -> Callable[[Vector, Gaussian, Noise], Vector]:
    """Spec 3.3 and, with ``project``, 3.4, where y is diffused to the level of the state it is compared with."""

    def run(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H = len(gaussian.mu), case.H
        x = noise(n)
        for t, s in pairwise([*even(nfe), -1]):
            a_t, a_s = abar_of(t), abar_of(s)
            raw = gaussian.x0(x, t)
            x0, inside = raw.clip(-1, 1), np.abs(raw) <= 1
            if clipped is not None:
                clipped.append(int((~inside).sum()))
            r = y - H @ x0
            gradient = -gaussian.jacobian(t).T @ (inside * (H.T @ r)) / np.linalg.norm(r)
            beta = 1 - a_t / a_s
            mean = beta * math.sqrt(a_s) / (1 - a_t) * x0 + (1 - a_s) * math.sqrt(1 - beta) / (1 - a_t) * x
            small, share = beta * (1 - a_s) / (1 - a_t), 0.0 if v is None else (v + 1) / 2
            std = math.sqrt(beta**share * small ** (1 - share)) if s >= 0 else 0.0
            x = mean + std * noise(n) - zeta * 1000 / nfe * gradient
            if project:
                z = H @ noise(n) if matched else noise(len(y))
                y_s = math.sqrt(a_s) * y + math.sqrt(1 - a_s) * z
                x = x - np.linalg.pinv(H) @ (H @ x - y_s)
        return x

    return run


@each_case
@pytest.mark.parametrize("name", ["dps", "mcg"])
def test_dps_and_mcg_are_the_formulas(case: Case, name: str) -> None:
    clipped: list[int] = []
    agree(make(name, nfe=12, zeta=0.003), case, slow_dps(case, 12, 0.003, project=name == "mcg", clipped=clipped))
    assert any(clipped), "otherwise the clamp is not tried"


@each_case
def test_mcg_can_match_the_noise_of_a_diffused_measurement(case: Case) -> None:
    slow = slow_dps(case, 12, 0.003, project=True, matched=True)
    agree(make("mcg", nfe=12, zeta=0.003, matched=True), case, slow)


class Learned(ib.Prior):
    """A prior that also predicts the interpolation v of its variance."""

    def __init__(self, inner: ib.Prior, v: float) -> None:
        self.inner, self.v, self.x_shape, self.abar = inner, v, inner.x_shape, inner.abar

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        return self.inner.eps(x_t, t), torch.full_like(x_t, self.v)


@pytest.mark.parametrize("v", [-1.0, 0.3, 1.0])
def test_dps_uses_a_learned_variance_of_the_respaced_process(v: float) -> None:
    case = CASES["means"]
    y, flat = case.measured()
    gaussian = Gaussian(16)
    expected = slow_dps(case, 12, 0.003, v)(flat, gaussian, Noise())
    x = solve(make("dps", nfe=12, zeta=0.003), y, case.A, 0.1, Learned(gaussian.prior((1, 4, 4)), v))
    np.testing.assert_allclose(x.flatten().numpy(), expected, rtol=0, atol=1e-4)


@each_case
@pytest.mark.parametrize(("eta", "noisy"), [(1.0, True), (0.3, True), (1.5, True), (1.0, False)])
def test_pigdm_is_the_formula(case: Case, eta: float, noisy: bool) -> None:
    """Spec 3.5 with kappa = sqrt(abar_s abar_t)."""

    def reference(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H, sigma = len(gaussian.mu), case.H, case.sigma if noisy else 0.0
        grid = stride(10)
        a = abar_of(grid[0])
        x = math.sqrt(a) * np.linalg.pinv(H) @ y + math.sqrt(1 - a) * noise(n)
        for t, s in pairwise([*grid, -1]):
            a_t, a_s = abar_of(t), abar_of(s)
            eps, x0, r2 = gaussian.eps(x, t), gaussian.x0(x, t), 1 - a_t
            pull = r2 * H.T @ np.linalg.solve(r2 * H @ H.T + sigma**2 * np.eye(len(y)), y - H @ x0)
            g = gaussian.jacobian(t).T @ pull
            c1 = eta * math.sqrt((1 - a_t / a_s) * (1 - a_s) / (1 - a_t))
            c2 = math.sqrt(max(1 - a_s - c1**2, 0))
            x = math.sqrt(a_s) * x0 + c1 * noise(n) + c2 * eps + math.sqrt(a_s * a_t) * g
        return x

    agree(make("pigdm", nfe=10, eta=eta, noisy=noisy), case, reference)


@each_case
@pytest.mark.parametrize(("lam", "zeta"), [(1.75, 0.3), (7.0, 0.3), (1.0, 1.0), (2.0, 0.0)])
def test_diffpir_is_the_formula(case: Case, lam: float, zeta: float) -> None:
    """Spec 3.6 with eta = 0, one scale of noise, and the last prediction as the result."""

    def reference(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H = len(gaussian.mu), case.H
        grid = [999 - min(999, math.floor(1000 * math.sqrt(j / 9))) for j in range(10)]
        assert grid == [999, 666, 528, 422, 333, 254, 183, 118, 57, 0]
        a = abar_of(grid[0])
        x = math.sqrt(a) * np.linalg.pinv(H) @ y + math.sqrt(1 - a) * noise(n)
        for t, s in pairwise(grid):
            a_t, a_s = abar_of(t), abar_of(s)
            x0 = gaussian.x0(x, t).clip(-1, 1)
            rho = lam * case.sigma**2 / ((1 - a_t) / a_t)
            x0_hat = np.linalg.solve(H.T @ H + rho * np.eye(n), H.T @ y + rho * x0)
            eps_hat = (x - math.sqrt(a_t) * x0_hat) / math.sqrt(1 - a_t)
            fresh = noise(n)
            x = math.sqrt(a_s) * x0_hat + math.sqrt(1 - a_s) * (math.sqrt(1 - zeta) * eps_hat + math.sqrt(zeta) * fresh)
        return gaussian.x0(x, 0).clip(-1, 1)

    agree(make("diffpir", nfe=10, lam=lam, zeta=zeta), case, reference)


def slow_red_diff(
    case: Case, nfe: int, lam: float, scale: float = 1.0, reduce: str = "mean"
) -> Callable[[Vector, Gaussian, Noise], Vector]:
    """Spec 3.7 as a loss handed to torch's Adam, both of its terms times ``scale``."""

    def run(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H, target = len(gaussian.mu), torch.from_numpy(case.H), torch.from_numpy(y)
        mu = torch.from_numpy(np.linalg.pinv(case.H) @ y).requires_grad_()
        adam = torch.optim.Adam([mu], lr=0.1, betas=(0.9, 0.99))
        for t in stride(nfe):
            a = abar_of(t)
            eps = noise(n)
            x_t = math.sqrt(a) * mu.detach().numpy() + math.sqrt(1 - a) * eps
            disagreement = torch.from_numpy(gaussian.eps(x_t, t) - eps)
            w = lam * math.sqrt((1 - a) / a)
            misfit, prior = 0.5 * (target - H @ mu).square(), disagreement * mu
            terms = (misfit.mean(), prior.mean()) if reduce == "mean" else (misfit.sum(), prior.sum())
            adam.zero_grad()
            (scale * (terms[0] + w * terms[1])).backward()
            adam.step()
        return mu.detach().numpy()

    return run


@each_case
def test_red_diff_is_adam_on_the_printed_loss(case: Case) -> None:
    agree(make("red_diff", nfe=40, lam=0.5), case, slow_red_diff(case, 40, 0.5))


def test_red_diff_knows_the_balance_of_its_losses_and_not_their_scale() -> None:
    """Adam removes a common factor. For super-resolution sums are not a common factor: m is a quarter of n here."""
    case = CASES["means"]
    _, flat = case.measured()
    gaussian = Gaussian(16)
    means, scaled, sums = (
        slow_red_diff(case, 40, 0.5, scale, reduce)(flat, gaussian, Noise())
        for scale, reduce in ((1.0, "mean"), (1000.0, "mean"), (1.0, "sum"))
    )
    np.testing.assert_allclose(scaled, means, rtol=0, atol=1e-4)
    assert np.abs(sums - means).max() > 0.05


WALK = [4, 3, 2, 3, 4, 3, 2, 1, 0, 1, 2, 1, 0, -1]  # five steps, travel of length 2, twice: from 2 to 4, from 0 to 2


@each_case
@pytest.mark.parametrize("eta", [0.85, 0.0])
@pytest.mark.parametrize("travel", [False, True])
def test_ddnm_plus_is_the_formula(case: Case, eta: float, travel: bool) -> None:
    """The table of spec 3.2, component by component, with V Lambda V^T H^+ as a matrix."""

    def reference(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H, V = len(gaussian.mu), case.H, case.V
        s = np.concatenate([case.s, np.zeros(n - len(case.s))])
        grid = [*(200 * j for j in range(5)), -1] if travel else [*(100 * j for j in range(10)), -1]
        x, x0 = noise(n), np.zeros(n)
        for i, j in pairwise(WALK if travel else [*range(9, -1, -1), -1]):
            a, sigma = math.sqrt(abar_of(grid[j])), math.sqrt(1 - abar_of(grid[j]))
            if j > i:
                x = a * x0 + sigma * noise(n)
                continue
            eps, x0 = gaussian.eps(x, grid[i]), gaussian.x0(x, grid[i])
            if j == -1:
                return x0
            lam, d1, d2 = np.ones(n), np.full(n, eta * sigma), np.full(n, math.sqrt(1 - eta**2) * sigma)
            for k in range(len(case.s)):
                spread = a * case.sigma / s[k]
                strong = sigma > spread
                lam[k] = 1 if strong else sigma * math.sqrt(1 - eta**2) / spread
                d1[k] = math.sqrt(sigma**2 - spread**2) if strong else eta * sigma
                d2[k] = 0
            x_hat = x0 - V @ np.diag(lam) @ V.T @ np.linalg.pinv(H) @ (H @ x0 - y)
            x = a * x_hat + V @ (d1 * noise(n)) + V @ (d2 * (V.T @ eps))
        raise AssertionError("the walk ends at -1")

    steps = {"steps": 5, "travel_length": 2, "travel_repeat": 2} if travel else {"steps": 10}
    agree(make("ddnm_plus", eta=eta, **steps), case, reference)


@each_case
@pytest.mark.parametrize(("c", "clip"), [(0.95, True), (0.5, False)])
def test_fps_is_the_formula(case: Case, c: float, clip: bool) -> None:
    """Spec 3.8 with one particle, begun at index 998 and conditioned on y_s; covariances are n x n matrices."""

    def reference(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H, V = len(gaussian.mu), case.H, case.V
        I = np.eye(n)  # noqa: E741
        HtH = H.T @ H

        def root(M: Vector) -> Vector:
            """Symmetric square root, by V, which diagonalises every matrix here."""
            return V @ np.diag(np.sqrt(np.diag(V.T @ M @ V)))

        kappa = case.sigma**2 * abar_of(998)
        y_s = H @ V @ noise(n)
        shrink = np.linalg.inv(I + HtH / kappa)
        x = shrink @ H.T @ y_s / kappa + root(shrink) @ noise(n)
        for t in range(998, 0, -1):
            a_t, a_s = abar_of(t), abar_of(t - 1)
            x0 = gaussian.x0(x, t)
            x0 = x0.clip(-1, 1) if clip else x0
            y_s = math.sqrt(a_s) * y + math.sqrt((1 - c) * (1 - a_s) / (1 - a_t)) * (y_s - math.sqrt(a_t) * y)
            y_s = y_s + math.sqrt(c * (1 - a_s)) * H @ V @ noise(n)
            mu = math.sqrt(a_s) * x0 + math.sqrt((1 - c) * (1 - a_s)) * gaussian.eps(x, t)
            v, kappa = c * (1 - a_s), case.sigma**2 * a_s
            shrink = np.linalg.inv(I + v / kappa * HtH)
            x = shrink @ (mu + v / kappa * H.T @ y_s) + math.sqrt(v) * root(shrink) @ noise(n)
        x0 = gaussian.x0(x, 0)
        return x0.clip(-1, 1) if clip else x0

    agree(make("fps", c=c, clip=clip), case, reference)


# Limits.


SHAPE: ib.Shape = (3, 4, 4)
Shares = Callable[[float, float], tuple[float, float]]  # abar_t, abar_s -> std of fresh and of predicted noise


def two_modes(n: int) -> GaussianMixture:
    covariance = Covariance.diagonal(torch.full((n,), 0.09, dtype=torch.float64))
    means = torch.stack([torch.linspace(-0.7, 0.5, n), torch.linspace(0.6, -0.6, n)]).double()
    return GaussianMixture(torch.tensor([0.7, 0.3], dtype=torch.float64), means, (covariance, covariance))


PRIOR = ib.GmmPrior(two_modes(48), SHAPE)


def null() -> ib.Identity:
    A = ib.Identity(SHAPE)
    A.s = torch.zeros_like(A.s)
    return A


def ddim(a_t: float, a_s: float) -> tuple[float, float]:
    """Spec 0.5 with eta = 1, which is ancestral sampling."""
    c1 = math.sqrt((1 - a_t / a_s) * (1 - a_s) / (1 - a_t))
    return c1, math.sqrt(1 - a_s - c1**2)


def ddnm(a_t: float, a_s: float) -> tuple[float, float]:
    """DDNM's eta, a share of the standard deviation, at 0.85."""
    return 0.85 * math.sqrt(1 - a_s), math.sqrt((1 - 0.85**2) * (1 - a_s))


def of_variance(share: float) -> Shares:
    """A share of the variance is fresh, as in FPS (c) and in DiffPIR (zeta)."""
    return lambda a_t, a_s: (math.sqrt(share * (1 - a_s)), math.sqrt((1 - share) * (1 - a_s)))


@dataclasses.dataclass(frozen=True)
class Sampler:
    """An unconditional sampler: its grid, its noise, where it starts and what it clips."""

    grid: list[int]
    shares: Shares
    level: bool = False  # starts at the level of its first index, not with variance 1
    clip: bool = False
    implied: bool = False  # the predicted noise is what x_t and the clipped image imply
    place: Callable[[int], int] = lambda k: k  # which draw is the k-th of the state: others are the measurement's

    def run(self, rng: ib.Rng) -> Tensor:
        draws = [rng.randn(SHAPE).double() for _ in range(self.place(len(self.grid)) + 1)]
        x = draws[self.place(0)] * (math.sqrt(1 - abar_of(self.grid[0])) if self.level else 1)
        for k, (t, s) in enumerate(pairwise([*self.grid, -1]), start=1):
            a_t, a_s = abar_of(t), abar_of(s)
            eps = PRIOR.eps(x, t)
            x0 = (x - math.sqrt(1 - a_t) * eps) / math.sqrt(a_t)
            x0 = x0.clamp(-1, 1) if self.clip else x0
            if s == -1:
                return x0
            eps = (x - math.sqrt(a_t) * x0) / math.sqrt(1 - a_t) if self.implied else eps
            fresh, predicted = self.shares(a_t, a_s)
            x = math.sqrt(a_s) * x0 + fresh * draws[self.place(k)] + predicted * eps
        raise AssertionError("the grid ends at -1")


ANCESTRAL = Sampler(even(20), ddim, clip=True, implied=True)
SAMPLERS: dict[str, tuple[dict[str, Any], Sampler]] = {
    "ddnm": ({"steps": 20}, Sampler(stride(20), ddnm)),
    "ddnm_plus": ({"steps": 20}, Sampler(stride(20), ddnm)),
    "pigdm": ({"nfe": 20}, Sampler(stride(20), ddim, level=True)),
    "diffpir": ({"nfe": 4}, Sampler([999, 422, 183, 0], of_variance(0.3), level=True, clip=True, implied=True)),
    "fps": ({}, Sampler(list(range(998, -1, -1)), of_variance(0.95), clip=True, place=lambda k: 2 * k + 1)),
    "dps": ({"nfe": 20}, ANCESTRAL),
    "mcg": ({"nfe": 20}, dataclasses.replace(ANCESTRAL, place=lambda k: max(0, 2 * k - 1))),
}


@pytest.mark.parametrize("sigma", [0.0, 0.1])
@pytest.mark.parametrize("name", SAMPLERS)
def test_with_a_null_operator_a_solver_is_its_unconditional_sampler(name: str, sigma: float) -> None:
    options, sampler = SAMPLERS[name]
    if name == "fps" and sigma == 0:
        pytest.skip("fps needs noise")
    y = ib.Rng.for_images(["y", "z"]).randn(SHAPE).double()
    x = solve(make(name, **options), y, null(), sigma, PRIOR, ["a", "b"])
    expected = sampler.run(ib.Rng.for_images(["a", "b"], use="fixture"))
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "sigma", "rms"),
    [("ddnm_plus", 0.0, 1e-6), ("diffpir", 0.0, 0.01), ("pigdm", 0.0, 1e-3), ("fps", 1e-3, 0.011)],
)
def test_a_clean_measurement_of_everything_is_returned(name: str, sigma: float, rms: float) -> None:
    """To the noise of 0.01 that the last state of some holds. (FPS needs a sigma above 0.)"""
    y = PRIOR.mixture.sample(ib.Rng.for_images("abcd", use="truth")).reshape(4, *SHAPE).clamp(-1, 1)
    x = solve(make(name), y, ib.Identity(SHAPE), sigma, PRIOR, "abcd")
    assert (x - y).square().mean().sqrt() <= rms


# A Gaussian prior N(MU, tau^2 I), whose posterior is one line: 4096 pixels are 4096 draws.


WIDE: ib.Shape = (1, 64, 64)
MU = 0.1


def white(tau: float) -> ib.GmmPrior:
    n = math.prod(WIDE)
    covariance = Covariance.diagonal(torch.full((n,), tau**2, dtype=torch.float64))
    means = torch.full((1, n), MU, dtype=torch.float64)
    return ib.GmmPrior(GaussianMixture(torch.ones(1).double(), means, (covariance,)), WIDE)


@pytest.mark.parametrize("t", [0, 300, 999])
def test_the_noise_prediction_of_a_gaussian_is_the_closed_form(t: int) -> None:
    """Spec 7, item 7."""
    x, a = ib.Rng.for_images(["x"]).randn(WIDE).double(), abar_of(t)
    expected = math.sqrt(1 - a) * (x - math.sqrt(a) * MU) / (a * 0.2**2 + 1 - a)
    torch.testing.assert_close(white(0.2).eps(x, t), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "options", "grid", "eta"),
    [
        ("ddim", {"nfe": 1000, "eta": 0.0}, stride(1000), 0.0),
        ("ddim", {"nfe": 1000, "eta": 1.0}, stride(1000), 1.0),
        ("ddim", {"nfe": 50, "eta": 1.0}, stride(50), 1.0),
        ("dps", {"nfe": 1000, "zeta": 0.0}, even(1000), 1.0),
    ],
)
def test_unconditional_sampling_reproduces_mean_and_spread(
    name: str, options: dict[str, Any], grid: list[int], eta: float
) -> None:
    """Every step is linear, so mean and variance follow a recursion of scalars, which 1000 steps bring to the prior's.

    Tolerances are four standard errors of 4096 draws.
    """
    tau, m, v = 0.2, 0.0, 1.0
    for t, s in pairwise([*grid, -1]):
        a_t, a_s = abar_of(t), abar_of(s)
        c1 = eta * math.sqrt((1 - a_t / a_s) * (1 - a_s) / (1 - a_t))
        slope = math.sqrt(1 - a_t) / (a_t * tau**2 + 1 - a_t)  # d eps / d x_t
        gain = math.sqrt(a_s / a_t) * (1 - math.sqrt(1 - a_t) * slope) + math.sqrt(1 - a_s - c1**2) * slope
        rest = (math.sqrt(a_s * (1 - a_t) / a_t) - math.sqrt(1 - a_s - c1**2)) * slope * math.sqrt(a_t) * MU
        m, v = gain * m + rest, gain**2 * v + c1**2
    if len(grid) == 1000:
        assert m == pytest.approx(MU, abs=0.002)
        assert math.sqrt(v) == pytest.approx(tau, rel=0.02)
    x = solve(make(name, **options), torch.zeros(1, *WIDE).double(), ib.Identity(WIDE), 0.1, white(tau))
    assert x.mean().item() == pytest.approx(m, abs=4 * tau / 64)
    assert x.std().item() == pytest.approx(math.sqrt(v), rel=4 / math.sqrt(2 * 4096))


@dataclasses.dataclass(frozen=True)
class Found:
    """Against the exact posterior: error of the mean in its standard deviations, and ratios of standard deviations.

    ``seen`` are the 1024 measured coefficients of 2 x 2 means, ``unseen`` the other 3072.
    """

    mean: float
    seen: float
    unseen: float


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("oracle", {}, Found(0.0, 1.0, 1.0)),
        ("fps", {"clip": False}, Found(0.0, 0.72, 0.78)),
        ("ddrm", {}, Found(-0.13, 0.61, 0.75)),
        ("pigdm", {}, Found(0.67, 0.48, 0.95)),
        ("diffpir", {"lam": 1.0}, Found(0.03, 0.84, 0.88)),
        ("diffpir", {"lam": 7.0}, Found(-0.77, 1.27, 0.90)),
        ("diffpir", {}, Found(-0.20, 0.99, 0.90)),
    ],
)
def test_samplers_beside_the_exact_posterior(name: str, options: dict[str, Any], expected: Found) -> None:
    """tau = 0.5, sigma_y = 0.2, y = 0.4 everywhere: the measured coefficients are N(0.566, 0.312^2).

    FPS and DDRM are near in the mean and too sure of it; PiGDM goes too far to the measurement, since the weight of its
    guidance, sqrt(abar_s abar_t), is more than that of an exact DDIM step; DiffPIR depends on lam. The figures are
    those of the formulas above; tolerances are four standard errors of 1024 and of 3072 draws.
    """
    tau, sigma, A = 0.5, 0.2, ib.BlockMean(WIDE, 2)
    shrink = tau**2 / (tau**2 + (sigma / 0.5) ** 2)
    mean, std = 2 * MU + shrink * (0.4 / 0.5 - 2 * MU), tau * math.sqrt(1 - shrink)
    x = solve(make(name, **options), torch.full((1, 1, 32, 32), 0.4).double(), A, sigma, white(tau))
    w = A.Vt(x)[0]
    assert (w[:1024].mean().item() - mean) / std == pytest.approx(expected.mean, abs=4 * expected.seen / 32)
    assert w[:1024].std().item() / std == pytest.approx(expected.seen, rel=4 / math.sqrt(2 * 1024))
    assert w[1024:].std().item() / tau == pytest.approx(expected.unseen, rel=4 / math.sqrt(2 * 3072))
    assert abs(w[1024:].mean().item()) < 4 * tau / math.sqrt(3072)


def test_the_guidance_of_pigdm_is_exact_for_a_prior_of_variance_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """x0_hat plus the bracket of spec 3.5 is E[x_0 | x_t, y] where tau = 1.

    One step of a schedule with abar = 1/2 ends in x0_hat + sqrt(1/2) sqrt(1/2) bracket, as d x0_hat / d x_t is
    sqrt(1/2); the exact mean is that of a Gaussian seen twice, as x_t and as y.
    """
    case, sigma, n = CASES["means"], 0.6, 16
    y, flat = case.measured()
    covariance = Covariance.diagonal(torch.ones(n, dtype=torch.float64))
    mu = np.linspace(-0.9, 0.9, n)
    prior = ib.GmmPrior(
        GaussianMixture(torch.ones(1).double(), torch.from_numpy(mu)[None], (covariance,)), case.A.x_shape
    )
    prior.abar = torch.full((1000,), 0.5, dtype=torch.float64)
    solver = make("pigdm")
    monkeypatch.setattr(sys.modules[type(solver).__module__], "stride_grid", lambda nfe: [0])
    x = solve(solver, y, case.A, sigma, prior).flatten().numpy()
    x_t = math.sqrt(0.5) * np.linalg.pinv(case.H) @ flat + math.sqrt(0.5) * Noise()(n)
    x0_hat = mu + math.sqrt(0.5) * (x_t - math.sqrt(0.5) * mu)
    precision = np.eye(n) + np.eye(n) + case.H.T @ case.H / sigma**2  # of the prior, of x_t, of y
    exact = np.linalg.solve(precision, mu + x_t / math.sqrt(0.5) + case.H.T @ flat / sigma**2)
    np.testing.assert_allclose(x0_hat + 2 * (x - x0_hat), exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("sigma", "near"), [(0.2, 0.8), (0.05, 0.3)])
def test_red_diff_ends_at_the_measurement_with_little_spread(sigma: float, near: float) -> None:
    """Its prior's weight, lam sigma_t, goes to 0, so that the last steps fit the data alone: H^+ y, which is the MAP
    only for little noise. Unmeasured coefficients keep half of the prior's spread: Adam's steps have the same length
    however small the gradient.
    """
    tau, A, y = 0.5, ib.BlockMean(WIDE, 2), torch.full((1, 1, 32, 32), 0.4).double()
    shrink = tau**2 / (tau**2 + (sigma / 0.5) ** 2)
    map_, std = 2 * MU + shrink * (0.8 - 2 * MU), tau * math.sqrt(1 - shrink)
    w = A.Vt(solve(make("red_diff"), y, A, sigma, white(tau)))[0]
    assert w[:1024].mean().item() == pytest.approx(0.8, abs=0.005)
    assert abs(w[:1024].mean().item() - map_) < near * std
    assert w[:1024].std() < 0.15 * std
    assert w[1024:].std().item() / tau == pytest.approx(0.51, abs=0.04)


# Rows, for every solver.


def problems() -> list[tuple[str, ib.Operator]]:
    clip = CATALOG.get("task", "hdr")().operator((1, 4, 4), ib.Rng.single())
    return [("means", ib.BlockMean((1, 4, 4), 2)), ("identity", ib.Identity((1, 4, 4))), ("clip", clip)]


def short(name: str) -> ib.Solver:
    cls = CATALOG.plugins["solver"][name].cls
    return cls(**{f.name: 20 for f in dataclasses.fields(cls) if f.name in ("nfe", "steps")})


@pytest.mark.parametrize(("label", "A"), problems(), ids=[label for label, _ in problems()])
@pytest.mark.parametrize("name", sorted(CATALOG.plugins["solver"]))
def test_twins_in_a_batch_are_equal_to_each_other_and_to_one_alone(name: str, label: str, A: ib.Operator) -> None:
    """In float64: a processor may sum the rows of a batch in another order, by its kernels, and a sampler amplifies
    that. MCG of 20 steps does so 1500-fold (1e-4 in float32, 1e-12 here); 1e-7 is also what a float32 result rounds to.
    """
    if issubclass(CATALOG.plugins["solver"][name].cls, ib.Trainable):
        pytest.skip("needs training")
    solver, prior = short(name), ib.GmmPrior(two_modes(16), (1, 4, 4))
    problem = ib.Problem(A, 0.1, label, "gmm")
    if reason := declared_mismatch(solver, problem) or solver.skip(problem, prior):
        pytest.skip(reason)
    y = 0.5 * ib.Rng.for_images(["y"]).randn(A.y_shape).double()
    twins = solve(solver, y.repeat(2, 1, 1, 1), A, 0.1, prior, ["a", "a"])
    alone = solve(solver, y, A, 0.1, prior, ["a"])
    torch.testing.assert_close(twins[0], twins[1], rtol=0, atol=1e-7)
    torch.testing.assert_close(twins[:1], alone, rtol=0, atol=1e-7)


# Memory.


class Watch(ib.Prior):
    """A prior whose graph keeps x_t, and which counts, at every call, the tensors of earlier calls still alive."""

    def __init__(self) -> None:
        self.x_shape, self.abar = (1, 4, 4), torch.from_numpy(ABAR)
        self.seen: list[weakref.ref[Tensor]] = []
        self.alive: list[int] = []
        self.histories = 0  # how often x_t came with a graph behind it

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, None]:
        self.alive.append(sum(ref() is not None for ref in self.seen))
        self.histories += x_t.grad_fn is not None
        eps = x_t.sin()  # saves its argument for the backward pass
        self.seen += [weakref.ref(x_t), weakref.ref(eps)]
        return eps, None


def watched(solver: ib.Solver) -> tuple[int, int]:
    """Most tensors alive at any call, and the number of calls with a history."""
    watch, A = Watch(), ib.BlockMean((1, 4, 4), 2)
    gc.collect()
    gc.disable()  # what only the collector frees counts as held
    try:
        solve(solver, torch.zeros(1, 1, 2, 2), A, 0.1, watch)
    finally:
        gc.enable()
    return max(watch.alive), watch.histories


@pytest.mark.parametrize("name", ["dps", "mcg", "pigdm", "red_diff"])
def test_memory_does_not_grow_with_the_number_of_steps(name: str) -> None:
    (few, some_history), (many, more_history) = (watched(make(name, nfe=nfe)) for nfe in (20, 60))
    assert few == many <= 2, "x_t and eps of the step before, until they are replaced"
    assert some_history == more_history == 0, "every step starts from a leaf"


def test_the_count_sees_a_graph_that_is_held() -> None:
    @dataclasses.dataclass(frozen=True)
    class Leaky(ib.Solver):
        name = "leaky"
        needs_grad = True
        nfe: int = 20

        def solve(
            self, y: Tensor, problem: ib.Problem, prior: ib.Prior, state: Any, rng: ib.Rng, on_step: Any = None
        ) -> Tensor:
            x_t = rng.randn_like(y.new_empty(1, 1, 4, 4)).requires_grad_()
            for t in stride(self.nfe):
                x_t = 0.9 * x_t + 0.1 * prior.eps(x_t, t)  # not detached
            return x_t

    for nfe in (20, 60):
        alive, histories = watched(Leaky(nfe))
        assert alive >= nfe - 1
        assert histories == nfe - 1
