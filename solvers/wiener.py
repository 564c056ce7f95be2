"""Wiener filter: the posterior mean under a white Gaussian prior. No network call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import ConfigError, OnStep, Operator, Prior, Problem, Rng, Solver, SVDOperator, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Wiener(Solver):
    """x_hat = V [s U^T y / (s^2 + rho)], rho = (sigma_y / tau)^2 for x ~ N(0, tau^2 I).

    DiffPIR's data step with x0_hat = 0. ``tau`` is the standard deviation of a pixel on [-1, 1].
    """

    name: ClassVar[str] = "wiener"
    summary: ClassVar[str] = "Wiener filter under a white Gaussian prior, no network"
    operator_type: ClassVar[type[Operator]] = SVDOperator
    needs_sigma: ClassVar[bool] = True
    tau: float = 0.5

    def __post_init__(self) -> None:
        if self.tau <= 0:
            raise ConfigError(f"wiener: tau must be positive; got {self.tau}")

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del prior, state, rng, on_step
        A = problem.A
        assert isinstance(A, SVDOperator)
        s, rho = A.s, (problem.sigma / self.tau) ** 2
        gain = (s / (s**2 + rho)).where(s > 0, s.new_zeros(()))  # where s = 0 the mean is the prior's, 0
        return A.V(A.pad(gain * A.Ut(y)))


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [Wiener]
