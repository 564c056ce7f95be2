"""A solver on tiny problems, called as the runner calls it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from invbench.errors import ConfigError, InvbenchError
from invbench.linops import BlockMean, Convolution, Identity
from invbench.meter import Meter
from invbench.operator import Operator
from invbench.prior import Prior
from invbench.problem import Measurement, Problem
from invbench.rng import Rng
from invbench.solver import Solver, Trainable, declared_mismatch
from invbench.testing.findings import NotApplicable
from invbench.testing.problems import BENCHMARK, SHAPE, SIGMA, TASK, Saturation, measure, tiny_prior
from invbench.testing.trainings import Blocks, one_step

SHORT = (10, 20, 50, 100)  # network calls, for solvers with such an option: the first that is not refused
IMAGES = ("a", "b", "c", "a")  # the last problem repeats the first, including its generator
ALL = (0, 1, 2, 3)
SWAPPED = (1, 0, 3, 2)
CLEAN = 1e-3  # the noise level of a nearly clean measurement


@dataclass(frozen=True)
class Case:
    """A problem that the solver takes, the state it prepared, and four measurements."""

    problem: Problem
    state: Any
    y: Tensor
    held: dict[str, Tensor]  # copies of inputs that the solver must not change, taken before it runs


@dataclass(frozen=True)
class Solved:
    """Reconstructions and their cost."""

    x_hat: Tensor
    forward: int  # evaluations that the runner counted
    backward: int
    evaluated: int  # evaluations that took place
    y_untouched: bool

    @property
    def calls(self) -> float:
        """Evaluations per image that the runner counted."""
        return self.forward / len(self.x_hat)


class SolverLab:
    """A solver at its defaults, shortened, with runs on ``device`` that several checks share."""

    def __init__(self, cls: type[Solver], device: torch.device | str = "cpu") -> None:
        self.solver, self.device = shortened(cls()), torch.device(device)
        self.prior, self.tally = tiny_prior(device=device)

    def on(self, device: torch.device) -> SolverLab:
        """A lab of the same solver on another device."""
        other = SolverLab(type(self.solver), device)
        other.solver = self.solver
        return other

    def case(self, A: Operator, sigma: float | None = SIGMA, noise: float = SIGMA) -> Case:
        """Prepare for a problem as the runner does; ``noise`` is the true level, ``sigma`` the solver's."""
        problem = Problem(A.to(self.device), sigma, TASK, BENCHMARK, BENCHMARK)
        reason = declared_mismatch(self.solver, problem) or self.solver.skip(problem, self.prior)
        if reason:
            raise NotApplicable(f"the solver skips the problem: {reason}")
        held = {name: tensor.clone() for name, tensor in tensors(problem, self.prior).items()}
        return Case(problem, self.prepare(problem), measure(A, IMAGES, noise)[1].to(self.device), held)

    def with_calls(self, calls: int) -> SolverLab | None:
        """A lab of the same solver with this number of network calls; None if it has no such option, or refuses it."""
        for name in ("nfe", "steps"):
            if isinstance(getattr(self.solver, name, None), int):
                other = SolverLab(type(self.solver))
                try:
                    other.solver = dataclasses.replace(self.solver, **{name: calls})  # type: ignore[type-var]
                except ConfigError:
                    return None
                return other
        return None

    def change(self, case: Case) -> float:
        """The largest change of reconstructions if the measurements of a bright and a dark image are exchanged."""
        swapped = dataclasses.replace(case, y=case.y[list(SWAPPED)])
        return float((self.run(case).x_hat - self.run(swapped).x_hat).abs().max())

    def trained(self) -> Case:
        """The main case after a training of one step, with its weights loaded if there are any."""
        solver, case, task = self.solver, self.main, Blocks()
        assert isinstance(solver, Trainable)
        parts = {"solver": solver, "task": task}
        with one_step(lambda t: solver.fit(task, self.prior, t), solver.options, SHAPE, self.device, parts) as weights:
            if not (weights.is_file() and hasattr(solver, "weights")):
                return case
            loaded = dataclasses.replace(solver, weights=str(weights))  # type: ignore[type-var]
            return dataclasses.replace(case, state=loaded.prepare(case.problem, self.prior))

    def prepare(self, problem: Problem) -> Any:
        """The solver's state, for a trainable one before training. If it raises DataError, it cannot be tested."""
        try:
            if isinstance(self.solver, Trainable):
                return self.solver.untrained(problem, self.prior)
            return self.solver.prepare(problem, self.prior)
        except InvbenchError as error:
            raise NotApplicable(f"the solver cannot be prepared here: {error}") from error

    @cached_property
    def cases(self) -> list[Case]:
        """The problems that the solver takes; most checks use the first."""
        cases, reasons = [], []
        box = Convolution(SHAPE, torch.full((3, 3), 1 / 9))
        for A in (BlockMean(SHAPE, 4), Identity(SHAPE), box, Saturation(SHAPE)):
            try:
                cases.append(self.case(A))
            except NotApplicable as reason:
                reasons.append(reason)
        if not cases:
            raise reasons[0]
        return cases

    @property
    def main(self) -> Case:
        """Super-resolution, if the solver takes it."""
        return self.cases[0]

    def run(
        self, case: Case, rows: Sequence[int] = ALL, seed: int = 0, truth: str = "decoy", inference: bool | None = None
    ) -> Solved:
        """Solve some rows of a case, with a decoy in place of the truth."""
        rows = list(rows)
        images, y = tuple(IMAGES[row] for row in rows), case.y[rows]
        x = Rng.for_images(images, purpose="truth", which=truth).randn(SHAPE)
        measured = Measurement(
            images, x, y, torch.full((len(y),) + (1,) * (y.ndim - 1), SIGMA), ("",) * len(y), case.problem.A
        )
        before = self.tally.rows
        inference = not self.solver.needs_grad if inference is None else inference
        x_hat, y, meter = solve_like_the_runner(self.solver, measured, case, self.prior, seed, inference)
        evaluated = self.tally.rows - before
        return Solved(x_hat, meter.forward, meter.backward, evaluated, torch.equal(y, measured.y))

    @cached_property
    def base(self) -> Solved:
        """All rows of the main case."""
        return self.run(self.main)

    @cached_property
    def everywhere(self) -> list[tuple[Case, Solved]]:
        """All rows of every case."""
        return [(self.main, self.base), *((case, self.run(case)) for case in self.cases[1:])]

    @cached_property
    def again(self) -> Solved:
        """The base run once more, after it has ended."""
        _ = self.base
        return self.run(self.main)

    @cached_property
    def alone(self) -> Solved:
        """The first row alone."""
        return self.run(self.main, rows=[0])

    @cached_property
    def halves(self) -> tuple[Solved, Solved]:
        """Two halves of the batch."""
        return self.run(self.main, rows=[0, 1]), self.run(self.main, rows=[2, 3])


def solve_like_the_runner(
    solver: Solver, measured: Measurement, case: Case, prior: Prior, seed: int, inference: bool
) -> tuple[Tensor, Tensor, Meter]:
    """One batch in a frame with the runner's variable names; returns x_hat, y afterwards, and the meter."""
    problem, state = case.problem, case.state
    rng = Rng.for_images(measured.images, purpose="solver", solver=solver.name, sample=0, seed=seed)
    y, meter = measured.y.clone(), Meter()
    metered = dataclasses.replace(problem, A=problem.A.metered(meter))
    with torch.inference_mode(inference):
        x_hat = solver.solve(y, metered, prior.metered(meter), state, rng)
    return x_hat.detach(), y, meter


def tensors(problem: Problem, prior: Prior) -> dict[str, Tensor]:
    """Tensors that a solver could modify in place, by a name for messages."""
    members = {f"the operator's {name}": value for name, value in vars(problem.A).items()}
    return {"prior.abar": prior.abar, **{name: value for name, value in members.items() if isinstance(value, Tensor)}}


def shortened(solver: Solver) -> Solver:
    """The solver with the least of SHORT that it takes for each of its numbers of calls and steps."""
    for field in dataclasses.fields(solver):  # type: ignore[arg-type]
        value = getattr(solver, field.name)
        if isinstance(value, int) and (field.name == "nfe" or field.name.endswith("steps")):
            solver = _fewer(solver, field.name, value)
    return solver


def _fewer(solver: Solver, name: str, value: int) -> Solver:
    for count in SHORT:
        if value > count:
            with contextlib.suppress(ConfigError):
                return dataclasses.replace(solver, **{name: count})  # type: ignore[type-var]
    return solver
