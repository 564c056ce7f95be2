"""Restoring a user's measurement, whose truth is unknown."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from invbench.api.layout import Layout, layout
from invbench.api.measurements import Own, in_channels, noise_of, read_measurement
from invbench.api.parts import Parts, parts_of
from invbench.api.progress import bar
from invbench.api.restored import Restored
from invbench.device import choose_device, refuse_precision
from invbench.errors import ConfigError, SolverError, UnsupportedProblem
from invbench.guard import described
from invbench.meter import Meter
from invbench.noise import Sigma
from invbench.operator import Operator
from invbench.prior import Prior
from invbench.problem import Problem
from invbench.rng import Rng
from invbench.solver import Solver, declared_mismatch

TOO_FAR = 3.0  # rms of A x - y, in units of the noise level, above which something is wrong
TOO_NOISY = 2.0  # ratio of apparent to stated noise above which a warning is given
LEAST_TILE = 32
SMALLEST = 16  # smallest side of a picture whose noise is estimated


def restore(
    solver: str | Solver,
    y: Any,
    A: str | Operator,
    *,
    sigma: str | Sigma | None = None,
    prior: str | Prior = "",
    benchmark: str = "photos",
    samples: int = 1,
    seed: int = 0,
    tile: int = 0,
    size: str = "",
    device: str = "auto",
    batch_size: int = 4,
    progress: bool = True,
    **options: Any,
) -> Restored:
    """Restore a measurement of your own.

    - ``y``: a file, a PIL image, an array or a tensor (:func:`~invbench.api.measurements.read_measurement`)
    - ``A``: the name of a task, with its options as ``task__kernel="kernel.png"``, or an operator; ``size`` "HxW", or
      "CxHxW" of other than three channels, is that of the image where y is no picture
    - ``sigma``: the level of Gaussian noise with its unit, ``"0.02 [0,1]"``; other noise is given by
      ``task__noise="poisson 1.0"``, with the level that the solver assumes, ``assume="0.09 [-1,1]"``
    - ``solver``, ``prior``: names, with options as ``solver__eta=0.5``, or objects; by default the benchmark's prior
    - ``tile``: side of the tiles in which images above 512 pixels are restored; 0 chooses 256

    Presets and tuned settings of the benchmark apply as in a run. Sides are padded as the prior asks, blurred borders
    are faded out.
    Raises ConfigError, DataError or UnsupportedProblem for what does not fit, before any network call.

    >>> noisy = torch.zeros(3, 20, 30) + 0.1
    >>> restore("wiener", noisy, "denoise", sigma="0.1 [-1,1]", progress=False).samples.shape
    torch.Size([1, 3, 20, 30])
    """
    for key, value, least in (("samples", samples, 1), ("batch_size", batch_size, 1), ("seed", seed, 0)):
        _refuse_below(key, value, least)
    if tile < 0 or 0 < tile < LEAST_TILE:
        raise ConfigError(f"tile must be at least {LEAST_TILE} pixels, or 0 to choose it; got {tile}")
    parts, chosen = parts_of(solver, A, sigma, prior, benchmark, options), choose_device(device)
    refuse_precision(parts.source.precision, chosen)
    own = read_measurement(y)
    if own.picture and parts.own_operator is None and not size:
        own = in_channels(own, parts.channels)
    work = Restoration(parts, layout(parts, own, tile, size), own, chosen, seed)
    with bar(f"restore: {parts.solver.name}", progress) as on_progress:
        return work.run(samples, batch_size, on_progress)


def _refuse_below(key: str, value: object, least: int) -> None:
    """Raise ConfigError for a number that is not whole, or too small."""
    if not isinstance(value, Integral) or int(value) < least:
        raise ConfigError(f"{key} must be a whole number, at least {least}; got {value}")


@dataclass
class Restoration:
    """A measurement prepared for its operator, and the solver that restores it."""

    parts: Parts
    layout: Layout
    own: Own
    device: torch.device
    seed: int
    meter: Meter = field(default_factory=Meter)

    def run(self, samples: int, at_once: int, on_progress: Callable[[int, int], None]) -> Restored:
        """Restore every tile, and join them."""
        tiles = list(self.layout.tiles())
        self._look()
        begin, restored, squares, prepared = time.perf_counter(), [], [], None
        for i, (A, y) in enumerate(tiles):
            if prepared is None or A is not tiles[i - 1][0]:
                prepared = self._prepared(A)
            restored.append(self._solved(i, y, prepared, samples, at_once))
            residual = A(restored[-1]) - y.expand(len(restored[-1]), *y.shape[1:])
            squares.append(self.layout.inside(residual).abs().square().mean())
            on_progress(i + 1, len(tiles))
        misfit = float(torch.stack(squares).mean().sqrt())
        self._compare(misfit)
        image = self.layout.joined(restored).clamp(-1, 1)
        calls, seconds = self.meter.forward / samples / len(tiles), time.perf_counter() - begin
        grey = self._shared(tiles[0][0])
        return Restored(image, misfit, self.parts.sigma, calls, seconds, grey, self.own.alpha)

    def _prepared(self, A: Operator) -> tuple[Prior, Problem, Any]:
        """Prior, problem and the solver's state. Raises UnsupportedProblem where the solver does not take it."""
        problem, solver = self._given(self.parts.problem(A.to(self.device))), self.parts.solver
        if reason := declared_mismatch(solver, problem):
            raise UnsupportedProblem(f"solver {solver.name} {reason}")
        with described(f"prior {self.parts.source.name}"):
            prior = self.parts.prior(A.x_shape, self.device)
        with described(f"solver {solver.name}"):
            if reason := solver.skip(problem, prior):
                raise UnsupportedProblem(f"solver {solver.name}: {reason}")
            return prior, problem, solver.prepare(problem, prior)

    def _given(self, problem: Problem) -> Problem:
        """The problem; for a grey picture, with a noise level that counts its three equal channels once."""
        shared = self._shared(problem.A) and problem.sigma_y is not None
        return replace(problem, sigma_y=problem.sigma * math.sqrt(3)) if shared else problem

    def _shared(self, A: Operator) -> bool:
        """Whether y is a grey picture repeated in the channels of an operator that does not mix channels."""
        return self.own.grey and A.y_shape[0] == len(self.own.values)

    def _solved(self, i: int, y: Tensor, prepared: tuple[Prior, Problem, Any], samples: int, at_once: int) -> Tensor:
        """The samples of a tile: (K, C, h, w). Raises SolverError if they are not finite."""
        solver, (prior, problem, state) = self.parts.solver, prepared
        samples_done = []
        for first in range(0, samples, at_once):
            rows = range(first, min(first + at_once, samples))
            rng = Rng.for_images([f"{k}" for k in rows], purpose="restore", tile=i, solver=solver.name, seed=self.seed)
            many = y.expand(len(rows), *y.shape[1:]).to(self.device)
            with described(f"solver {solver.name}"), torch.inference_mode(not solver.needs_grad):
                x = solver.solve(many, problem, prior.metered(self.meter), state, rng)
            if not x.isfinite().all():
                raise SolverError(f"{solver.name} returned values that are not finite; try other options of it")
            samples_done.append(x.detach().float().cpu())
        return torch.cat(samples_done)

    def _look(self) -> None:
        """Warn if a picture looks noisier than stated."""
        sigma, picture = self.parts.sigma, self.own.values
        if not (sigma and self.own.picture and min(picture.shape[1:]) >= SMALLEST):
            return
        if (apparent := noise_of(picture)) > TOO_NOISY * sigma:
            warnings.warn(
                f"y looks noisier, {apparent:.2g} on [-1,1], than its sigma, {sigma:.2g}: a solver keeps what it takes "
                "for image",
                stacklevel=4,
            )

    def _compare(self, misfit: float) -> None:
        """Warn if the measurement of the restored image is far from y."""
        sigma = self.parts.sigma
        if sigma and math.isfinite(misfit) and misfit > TOO_FAR * sigma:
            warnings.warn(
                f"A x differs from y by {misfit:.2g} rms, {misfit / sigma:.1f} times the noise: y may not be a "
                "measurement by this operator, or sigma is too small",
                stacklevel=4,
            )
