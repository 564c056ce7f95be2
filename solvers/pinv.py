"""Pseudo-inverse: the least-squares image of least norm. No network call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import OnStep, Operator, Prior, Problem, Rng, Solver, SVDOperator, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PseudoInverse(Solver):
    """x_hat = H^+ y."""

    name: ClassVar[str] = "pinv"
    summary: ClassVar[str] = "pseudo-inverse, no network"
    operator_type: ClassVar[type[Operator]] = SVDOperator
    consistent: ClassVar[bool] = True

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del prior, state, rng, on_step
        assert isinstance(problem.A, SVDOperator)
        return problem.A.pinv(y)


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [PseudoInverse]
