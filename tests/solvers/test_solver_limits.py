"""Several solvers in limits with a known answer: no measurement, a clean one, a Gaussian prior."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from dense import abar_of, even, stride
from solving import first_pixel, make, restore, solve, two_modes, white
from torch import Tensor

import invbench as ib

SHAPE: ib.Shape = (3, 4, 4)
Shares = Callable[[float, float], tuple[float, float]]  # abar_t, abar_s -> std of fresh and of predicted noise
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
    "dmps": ({"nfe": 20}, ANCESTRAL),
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


@pytest.mark.parametrize("name", ["ddnm", "ddnm_plus", "diffpir", "pigdm", "dps", "mcg", "fps", "dmps", "daps"])
def test_a_precise_measurement_is_met(name: str) -> None:
    """DPS steps by zeta along a unit vector here, one pixel being measured, so its step must be small."""
    y = torch.full((8, 1, 1), 0.3)
    options = {"dps": {"zeta": 0.03}, "mcg": {"zeta": 0.03}, "daps": {"steps": 30}}.get(name, {})
    x_hat, _ = restore(make(name, **options), y, first_pixel(), 0.01)
    assert (x_hat[:, 0, 0, 0] - 0.3).abs().max() < 0.06


@pytest.mark.parametrize("name", ["pigdm", "diffpir"])
def test_a_linear_operator_without_an_svd_gives_the_same_image(name: str) -> None:
    class Plain(ib.LinearOperator):
        """The same map with its decomposition hidden."""

        def __init__(self, A: ib.SVDOperator) -> None:
            self.inner, self.x_shape, self.y_shape = A, A.x_shape, A.y_shape

        def _A(self, x: Tensor) -> Tensor:
            return self.inner(x)

    A = ib.BlockMean((3, 16, 16), 4)
    y = A(ib.patch_mixture().sample(ib.Rng.for_images(["a", "b"])).float().reshape(2, 3, 16, 16))
    solver = make(name, nfe=10)
    fast, _ = restore(solver, y, A, 0.05, ib.patch_mixture())
    slow, _ = restore(solver, y, Plain(A), 0.05, ib.patch_mixture())
    assert (fast - slow).square().mean().sqrt() < 0.02, "they start from slightly different images"


# A Gaussian prior N(MU, tau^2 I), whose posterior is one line: 4096 pixels are 4096 draws.


WIDE: ib.Shape = (1, 64, 64)
MU = 0.1


def wide(tau: float) -> ib.GmmPrior:
    return ib.GmmPrior(white(4096, tau, MU), WIDE)


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
    x = solve(make(name, **options), torch.zeros(1, *WIDE).double(), ib.Identity(WIDE), 0.1, wide(tau))
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
    x = solve(make(name, **options), torch.full((1, 1, 32, 32), 0.4).double(), A, sigma, wide(tau))
    w = A.Vt(x)[0]
    assert (w[:1024].mean().item() - mean) / std == pytest.approx(expected.mean, abs=4 * expected.seen / 32)
    assert w[:1024].std().item() / std == pytest.approx(expected.seen, rel=4 / math.sqrt(2 * 1024))
    assert w[1024:].std().item() / tau == pytest.approx(expected.unseen, rel=4 / math.sqrt(2 * 3072))
    assert abs(w[1024:].mean().item()) < 4 * tau / math.sqrt(3072)
