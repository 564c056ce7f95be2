"""The exact posterior under a Gaussian-mixture prior. No network call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import invbench as ib
from invbench import ConfigError, LinearOperator, OnStep, Operator, Prior, Problem, Rng, Solver, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from invbench import LinearGaussianPosterior


@dataclass(frozen=True)
class Oracle(Solver):
    """Draw from p(x | y), or with ``output=mean`` return E[x | y], the best any method can do in squared error."""

    name: ClassVar[str] = "oracle"
    summary: ClassVar[str] = "exact posterior of a mixture prior, no network"
    operator_type: ClassVar[type[Operator]] = LinearOperator
    needs_sigma: ClassVar[bool] = True
    consistent: ClassVar[bool] = True
    output: str = "sample"

    def __post_init__(self) -> None:
        if self.output not in ("sample", "mean"):
            raise ConfigError(f"oracle: output must be 'sample' or 'mean'; got {self.output!r}")

    def skip(self, problem: Problem, prior: Prior) -> str | None:
        if not isinstance(prior, ib.GmmPrior):
            return "needs a Gaussian mixture as prior (benchmark=gmm or gmm2d)"
        return None if problem.sigma > 0 else "needs a noise level above 0"

    def prepare(self, problem: Problem, prior: Prior) -> LinearGaussianPosterior:
        assert isinstance(prior, ib.GmmPrior)
        assert isinstance(problem.A, LinearOperator)
        return ib.LinearGaussianPosterior(prior.mixture, problem.A, problem.sigma)

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del prior, on_step
        posterior, flat = state, state.flat(y)
        x = posterior.mean(flat) if self.output == "mean" else posterior.sample(flat, rng)
        return x.to(y.real).reshape(-1, *problem.x_shape)


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [Oracle]
