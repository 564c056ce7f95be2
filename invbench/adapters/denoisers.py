"""Our priors as denoisers of deepinv, and our solvers as its reconstructors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from invbench.adapters.library import library
from invbench.adapters.physics import from_physics, own_measurement
from invbench.errors import ConfigError, UnsupportedProblem, unknown
from invbench.prior import Prior
from invbench.problem import Problem
from invbench.rng import Rng
from invbench.solver import Solver, declared_mismatch

RANGES = ("[0,1]", "[-1,1]")


class PriorDenoiser(nn.Module):
    """A prior as a denoiser of deepinv, D(u, sigma) of u = (x + 1) / 2 (B, C, H, W) with noise of that level.

    It is evaluated at the step with the nearest noise: level sigma on [0, 1] is sqrt(1 / abar_t - 1) / 2.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior
        self.levels = (1 / prior.abar - 1).sqrt() / 2

    def forward(self, u: Tensor, sigma: float | Tensor, **_: Any) -> Tensor:
        """The expected image: (B, C, H, W) -> (B, C, H, W); sigma is a number, or one for each row."""
        each = torch.as_tensor(sigma, dtype=torch.float64).flatten().cpu().expand(len(u))
        steps = (self.levels - each[:, None]).abs().argmin(1)
        t: int | Tensor = int(steps[0]) if (steps == steps[0]).all() else steps.to(u.device)
        abar = self.prior.abar.to(u)[steps.to(u.device)][:, None, None, None]
        return (self.prior.x0(abar.sqrt() * (2 * u - 1), t) + 1) / 2


def to_denoiser(prior: Prior) -> nn.Module:
    """A prior as a denoiser of deepinv: ``denoiser(u, sigma)``, images and level in [0, 1]."""
    return PriorDenoiser(prior)


class SolverReconstructor(nn.Module):
    """A solver as a reconstructor of deepinv, ``model(y, physics)``; see :func:`to_reconstructor`."""

    def __init__(self, solver: Solver, prior: Prior, span: str, seed: int) -> None:
        super().__init__()
        self.solver, self.prior, self.unit, self.seed = solver, prior, span == "[0,1]", seed

    def forward(self, y: Tensor, physics: Any, **_: Any) -> Tensor:
        """Restore a batch: y (B, ...) of ``physics`` -> (B, C, H, W) in the range of its images."""
        solver, prior = self.solver, self.prior
        here = physics if y.device.type == "cpu" else physics.clone().to("cpu")  # where operators are examined
        A, sigma = from_physics(here, prior.x_shape).to(y.device), _level(physics)
        linear = isinstance(physics, library().physics.LinearPhysics)
        if linear and self.unit:
            y, sigma = own_measurement(y, A), None if sigma is None else 2 * sigma
        problem = Problem(A, sigma, "own", "own")
        if reason := declared_mismatch(solver, problem) or solver.skip(problem, prior):
            raise UnsupportedProblem(f"solver {solver.name}: {reason}")
        rng = Rng.for_images([str(i) for i in range(len(y))], purpose="reconstruct", solver=solver.name, seed=self.seed)
        with torch.inference_mode(not solver.needs_grad):
            x = solver.solve(y, problem, prior, solver.prepare(problem, prior), rng)
        x = x.detach().clone()  # to be used outside of the mode
        return (x + 1) / 2 if self.unit else x


def to_reconstructor(solver: Solver, prior: Prior, range: str = "[0,1]", seed: int = 0) -> nn.Module:
    """A solver and a prior as a reconstructor of deepinv, ``x = model(y, physics)``, for images of ``prior.x_shape``.

    ``range`` is that of the physics' images: "[0,1]", the default of deepinv, or "[-1,1]", the prior's own range, such
    as for complex images. The noise level is that of the physics' Gaussian noise, if it has one. Row i of every batch
    draws the same numbers, given by ``seed``. Raises ConfigError for another range; the model raises UnsupportedProblem
    for a physics that the solver does not take, before any network call.
    """
    if range not in RANGES:
        raise ConfigError(unknown("range", range, RANGES))
    return SolverReconstructor(solver, prior, range, seed)


def _level(physics: Any) -> float | None:
    """Standard deviation of the physics' noise; None if it is not Gaussian. Raises ConfigError for several levels."""
    if not isinstance(physics.noise_model, library().physics.GaussianNoise):
        return None
    levels = torch.as_tensor(physics.noise_model.sigma).flatten()
    if not (levels == levels[0]).all():
        raise ConfigError("expected one level of noise for the batch; restore the rows of each level by themselves")
    return float(levels[0])
