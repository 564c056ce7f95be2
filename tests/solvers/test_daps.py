"""DAPS against the formula, and where it ends with a Gaussian prior and on a nonlinear operator."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from dense import ABAR, Case, agree, each_case
from references import slow_daps
from solving import CATALOG, first_pixel, make, restore, solve, white
from torch import Tensor

import invbench as ib
from invbench.solver import declared_mismatch

SIGMAS = np.sqrt((1 - ABAR) / ABAR)


@each_case
@pytest.mark.parametrize(("steps", "ode_steps", "langevin"), [(8, 3, 5), (3, 1, 20), (1, 5, 4)])
def test_daps_is_the_formula(case: Case, steps: int, ode_steps: int, langevin: int) -> None:
    solver = make("daps", steps=steps, ode_steps=ode_steps, langevin_steps=langevin, tau=0.5, lr=0.7)
    agree(solver, case, slow_daps(case, steps, ode_steps, langevin, 0.5, 0.7))


def test_the_levels_are_those_of_the_official_code() -> None:
    """Its 201 points from 100 to 0.1 without the last, each with an ODE down to the prior's lowest level, 0.01."""
    prior = ib.GmmPrior(ib.planar_mixture(), (1, 1, 2))
    paths = make("daps").prepare(ib.Problem(first_pixel(), 0.1, "task", "dataset"), prior)
    assert len(paths) == 200
    starts = SIGMAS[[path[0] for path in paths]]
    wanted = np.linspace(100 ** (1 / 7), 0.1 ** (1 / 7), 201)[:-1] ** 7
    np.testing.assert_allclose(starts, wanted, rtol=0.02)  # the prior's levels are at most 4 % apart there
    for path in paths:
        assert len(path) == 6
        assert path[-1] == 0
        assert all(a > b for a, b in pairwise(path))


def scalars(s: float, y: float, mu: float, spread: float, sigma: float, options: dict[str, Any]) -> tuple[float, float]:
    """Mean and standard deviation of a coefficient measured with singular value s: every step is linear."""
    steps, tau, lr = options["steps"], options["tau"], options["lr"]

    def spaced(high: float, low: float, n: int) -> list[float]:
        roots = np.linspace(high ** (1 / 7), low ** (1 / 7), n + 1)
        return [float(SIGMAS[np.abs(SIGMAS - level).argmin()]) for level in roots**7]

    levels, beta = spaced(100.0, 0.1, steps)[:-1], tau * sigma
    mean, var = 0.0, levels[0] ** 2
    for i, (level, below) in enumerate(zip(levels, [*levels[1:], 0.0], strict=True)):
        gain = 1.0
        for a, b in pairwise(spaced(level, 0.01, options["ode_steps"])):
            gain *= 1 + (b - a) * a / (spread**2 + a**2)
        mean, var = mu + gain * (mean - mu), gain**2 * var
        eta = lr * beta**2 * (1 - 0.99 * i / steps)
        keep = 1 - eta * (s**2 / beta**2 + 1 / level**2)
        share, pull, fresh = 1.0, 0.0, 0.0
        for _ in range(options["langevin_steps"]):
            share, pull = keep * share + eta / level**2, keep * pull + eta * s * y / beta**2
            fresh = keep**2 * fresh + 2 * eta
        mean, var = share * mean + pull, share**2 * var + fresh + below**2
    return mean, math.sqrt(var)


MU, SPREAD, SIGMA = 0.1, 0.5, 0.2


@pytest.mark.parametrize("tau", [0.2, 1.0])
def test_samples_of_a_gaussian_have_the_mean_and_spread_of_the_recursion(tau: float) -> None:
    """y = 0.4 everywhere, of 2 x 2 means: 1024 measured coefficients and 3072 others. Four standard errors."""
    wide: ib.Shape = (1, 64, 64)
    options = {"steps": 30, "ode_steps": 4, "langevin_steps": 12, "tau": tau, "lr": 0.8}
    A, prior = ib.BlockMean(wide, 2), ib.GmmPrior(white(4096, SPREAD, MU), wide)
    x = solve(make("daps", **options), torch.full((1, 1, 32, 32), 0.4).double(), A, SIGMA, prior)
    w = A.Vt(x)[0]
    for got, (s, mu) in ((w[:1024], (0.5, 2 * MU)), (w[1024:], (0.0, 0.0))):
        mean, std = scalars(s, 0.4, mu, SPREAD, SIGMA, options)
        assert got.mean().item() == pytest.approx(mean, abs=4 * std / math.sqrt(len(got)))
        assert got.std().item() == pytest.approx(std, rel=4 / math.sqrt(2 * len(got)))


@pytest.mark.parametrize(
    ("tau", "off", "seen", "unseen"), [(0.2, 0.65, 0.39, 1.10), (1.0, 0.24, 1.10, 1.33)], ids=["published", "tau=1"]
)
def test_what_its_docstring_says_of_the_exact_posterior(tau: float, off: float, seen: float, unseen: float) -> None:
    options = {"steps": 200, "ode_steps": 5, "langevin_steps": 100, "tau": tau, "lr": 1.0}
    shrink = SPREAD**2 / (SPREAD**2 + (SIGMA / 0.5) ** 2)
    exact, std = 2 * MU + shrink * (0.8 - 2 * MU), SPREAD * math.sqrt(1 - shrink)
    mean, measured = scalars(0.5, 0.4, 2 * MU, SPREAD, SIGMA, options)
    assert ((mean - exact) / std, measured / std) == pytest.approx((off, seen), abs=0.01)
    assert scalars(0.0, 0.4, 0.0, SPREAD, SIGMA, options)[1] / SPREAD == pytest.approx(unseen, abs=0.01)


class Square(ib.Operator):
    """y = x^2, which does not tell the sign."""

    def __init__(self, x_shape: ib.Shape) -> None:
        self.x_shape = self.y_shape = x_shape

    def _A(self, x: Tensor) -> Tensor:
        return x.square()


def test_a_nonlinear_measurement_is_explained_by_samples_of_both_signs() -> None:
    """y = 0.25 with noise 0.02: |x| is 0.5 to a deviation of 0.02 / (2 x 0.5), and the prior is even."""
    shape: ib.Shape = (1, 8, 32)
    prior, y = ib.GmmPrior(white(256, 0.5), shape), torch.full((1, *shape), 0.25).double()
    options = {"steps": 40, "ode_steps": 3, "langevin_steps": 40, "tau": 1.0, "lr": 0.2, "decay": 1.0}
    x = solve(make("daps", **options), y, Square(shape), 0.02, prior)
    assert x.abs().mean().item() == pytest.approx(0.5, abs=0.01)
    assert x.abs().std().item() < 0.05
    assert (x > 0).double().mean().item() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(256))


def test_daps_needs_a_noise_level() -> None:
    solver, prior = make("daps"), ib.GmmPrior(ib.planar_mixture(), (1, 1, 2))
    clean, hidden = (ib.Problem(first_pixel(), sigma, "task", "dataset") for sigma in (0.0, None))
    assert solver.skip(clean, prior) == "needs a noise level above 0"
    assert "noise" in (declared_mismatch(solver, hidden) or "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1; got 0"),
        ({"ode_steps": -1}, "ode_steps must be at least 1; got -1"),
        ({"langevin_steps": 0}, "langevin_steps must be at least 1"),
        ({"tau": 0.0}, r"tau > 0, lr > 0 and decay in \[0, 1\]; got 0\.0, 1\.0 and 0\.01"),
        ({"lr": math.nan}, "lr > 0"),
        ({"decay": 1.5}, "decay in"),
        ({"sigma_min": 200.0}, r"0 < sigma_min < sigma_max; got 200\.0 and 100\.0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ib.ConfigError, match=message):
        make("daps", **options)


def test_its_cost_is_the_product_of_its_steps() -> None:
    solver = make("daps", steps=7, ode_steps=3, langevin_steps=2)
    _, meter = restore(solver, torch.zeros(2, 1, 1), first_pixel(), 0.1)
    assert (meter.forward / 2, meter.backward) == (21, 0)


def test_the_presets_have_the_official_codes_values_at_its_noise() -> None:
    from invbench.settings import settings

    cls = CATALOG.get("solver", "daps")
    for task, lr in (("sr4", 1e-4), ("deblur", 1e-4), ("inpaint", 5e-5), ("phase_retrieval", 5e-5), ("hdr", 2e-5)):
        values = settings(cls, "ffhq256", task).values
        beta = values["tau"] * 0.05
        assert (beta, values["lr"] * beta**2) == pytest.approx((0.01, lr))
