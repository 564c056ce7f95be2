"""Wiener filter: the posterior mean under a white Gaussian prior. No network call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import ConfigError, LinearOperator, OnStep, Operator, Prior, Problem, Rng, Solver, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Wiener(Solver):
    """x_hat = H^T (H H^T + rho I)^{-1} y, rho = (sigma_y / tau)^2 for x ~ N(0, tau^2 I).

    DiffPIR's data step with x0_hat = 0. ``tau`` is the standard deviation of a pixel on [-1, 1].
    """

    name: ClassVar[str] = "wiener"
    summary: ClassVar[str] = "Wiener filter under a white Gaussian prior, no network"
    operator_type: ClassVar[type[Operator]] = LinearOperator
    needs_sigma: ClassVar[bool] = True
    consistent: ClassVar[bool] = True
    tau: float = 0.5

    def __post_init__(self) -> None:
        if self.tau <= 0:
            raise ConfigError(f"wiener: tau must be positive; got {self.tau}")

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del prior, state, rng, on_step
        assert isinstance(problem.A, LinearOperator)
        return problem.A.ridge(y, max((problem.sigma / self.tau) ** 2, 1e-9))


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [Wiener]
