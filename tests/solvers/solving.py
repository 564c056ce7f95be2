"""Solvers by name, and two ways to run one on measurements made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import invbench as ib
from invbench.meter import Meter
from invbench.plugins import load_catalog
from invbench.priors.gmm import Covariance, GaussianMixture

CATALOG = load_catalog()
PLANE: ib.Shape = (1, 1, 2)


def make(name: str, **options: Any) -> ib.Solver:
    return CATALOG.get("solver", name)(**options)


def solve(
    solver: ib.Solver, y: Tensor, A: ib.Operator, sigma: float, prior: ib.Prior, ids: Sequence[str] = ("a",)
) -> Tensor:
    problem, rng = ib.Problem(A, sigma, "task", "dataset"), ib.Rng.for_images(ids, use="fixture")
    assert solver.skip(problem, prior) is None
    with torch.inference_mode(not solver.needs_grad):
        return solver.solve(y, problem, prior, solver.prepare(problem, prior), rng).detach()


def restore(
    solver: ib.Solver, y: Tensor, A: ib.Operator, sigma: float, mixture: GaussianMixture | None = None
) -> tuple[Tensor, Meter]:
    """Solve with the planar prior, or another, and count; generators are named by row."""
    prior, meter = ib.GmmPrior(mixture or ib.planar_mixture(), A.x_shape), Meter()
    problem = ib.Problem(A, sigma, "task", "dataset")
    rng = ib.Rng.for_images([str(i) for i in range(len(y))], use="solver")
    with torch.inference_mode(not solver.needs_grad):
        return solver.solve(y, problem, prior.metered(meter), solver.prepare(problem, prior), rng).detach(), meter


def unaided(solver: ib.Solver, A: ib.Operator, y: Tensor, sigma: float = 0.3) -> Tensor:
    """Solve with a prior that is there and not used."""
    return solve(solver, y, A, sigma, ib.GmmPrior(ib.patch_mixture(), (3, 16, 16)), [str(i) for i in range(len(y))])


def first_pixel() -> ib.Selection:
    return ib.Selection(PLANE, torch.tensor([0]))


def white(n: int, tau: float, mean: float = 0.0) -> GaussianMixture:
    """N(mean, tau^2 I) in n dimensions."""
    covariance = Covariance.diagonal(torch.full((n,), tau**2, dtype=torch.float64))
    return GaussianMixture(torch.ones(1).double(), torch.full((1, n), mean, dtype=torch.float64), (covariance,))


def two_modes(n: int) -> GaussianMixture:
    covariance = Covariance.diagonal(torch.full((n,), 0.09, dtype=torch.float64))
    means = torch.stack([torch.linspace(-0.7, 0.5, n), torch.linspace(0.6, -0.6, n)]).double()
    return GaussianMixture(torch.tensor([0.7, 0.3], dtype=torch.float64), means, (covariance, covariance))
