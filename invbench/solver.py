"""Solvers: y, the problem and a prior in; a reconstruction out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from invbench.artifacts import Artifact
from invbench.operator import PRECISIONS, Operator

if TYPE_CHECKING:
    from torch import Tensor

    from invbench.prior import Prior
    from invbench.problem import Problem
    from invbench.rng import Rng
    from invbench.task import Task
    from invbench.training import Training

OnStep = Callable[[dict[str, Any]], None]


class Solver(ABC):
    """A reconstruction method. Subclasses are frozen dataclasses whose fields are the hyper-parameters.

    Class attributes declare what the method needs; the runner skips other problems with a reason.

    - ``operator_type``: Operator (differentiable), LinearOperator or SVDOperator
    - ``needs_sigma``: reads ``problem.sigma``
    - ``needs_grad``: differentiates through the prior (else the runner turns gradients off)
    - ``artifacts``: files that ``invbench fetch`` gets
    - ``consistent``: claims that A(x_hat) -> y as sigma_y -> 0, which ``invbench check`` tests
    - ``precisions``: those of y that it claims; runs are in float32, and ``invbench check`` tests bfloat16 if claimed
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    bibtex: ClassVar[str] = ""
    artifacts: ClassVar[tuple[Artifact, ...]] = ()
    operator_type: ClassVar[type[Operator]] = Operator
    needs_sigma: ClassVar[bool] = False
    needs_grad: ClassVar[bool] = False
    consistent: ClassVar[bool] = False
    precisions: ClassVar[tuple[str, ...]] = PRECISIONS

    def skip(self, problem: Problem, prior: Prior) -> str | None:
        """Why this problem cannot be solved, beyond what the class attributes declare; None if it can."""
        del problem, prior
        return None

    def prepare(self, problem: Problem, prior: Prior) -> Any:
        """Work that is done once per cell, untimed; the result is passed to every ``solve``."""
        del problem, prior
        return None

    @abstractmethod
    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        """Restore a batch: y (B, *y_shape) -> x_hat (B, C, H, W) in [-1, 1]. This is what is timed.

        Rows must not interact. Randomness comes from ``rng`` alone. ``on_step`` gets a dict per step, for
        progress and pictures; it is None while timing.
        """


def declared_mismatch(solver: Solver, problem: Problem) -> str | None:
    """Why the solver's declarations rule the problem out; None if they do not."""
    A, needed = problem.A, solver.operator_type
    if not isinstance(A, needed):
        return (
            f"needs an operator of type {needed.__name__}; task {problem.task!r} gives {type(A).__name__}, "
            "which is none. Choose another task or solver"
        )
    if solver.needs_sigma and problem.sigma_y is None:
        return (
            f"needs a noise level; the noise of task {problem.task!r} states none. Choose another noise or solver, or "
            "a level to assume, for example assume='0.05 [-1,1]'"
        )
    return None


class Trainable(Solver):
    """A solver that is trained for a task before it can solve it: ``invbench train solver=NAME task=NAME``.

    ``options`` is a frozen dataclass, the options of a training; the command line sets its fields as
    ``training.KEY=VALUE``. Like a solver's, its values by preset and task are in a TOML file beside its module.
    ``variants`` are named sets of options: ``+ablation=a`` sets those of ``variants["ablation"]["a"]``.
    """

    options: ClassVar[type[Any]]
    variants: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}

    @abstractmethod
    def checkpoint(self, benchmark: str, task: str) -> Path:
        """The weights that ``prepare`` loads. Raises DataError, with the training command, if they are missing."""

    @abstractmethod
    def untrained(self, problem: Problem, prior: Prior) -> Any:
        """The result of ``prepare`` before any training."""

    @abstractmethod
    def fit(self, task: Task, prior: Prior, training: Training) -> Path:
        """Train on ``training.images`` measured by ``task``; returns the file of weights in ``training.folder``.

        Called again on the folder of an interrupted training, it continues to the same weights. A solver with a field
        ``weights`` begins with those of :meth:`checkpoint` if the user set it.
        """
