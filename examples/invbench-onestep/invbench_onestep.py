"""One network call: denoise the pseudo-inverse as if its error were white noise."""

from dataclasses import dataclass
from typing import ClassVar

from invbench import Solver, SVDOperator, hookimpl


@dataclass(frozen=True)
class OneStep(Solver):
    name: ClassVar[str] = "onestep"
    summary: ClassVar[str] = "Tweedie's estimate from the pseudo-inverse, one network call"
    operator_type: ClassVar[type] = SVDOperator
    needs_sigma: ClassVar[bool] = True
    gain: float = 1.0  # noise level assumed in H^+ y, in units of sigma_y

    def prepare(self, problem, prior):
        sigma_t = ((1 - prior.abar) / prior.abar).sqrt()
        return int((sigma_t - self.gain * problem.sigma).abs().argmin())

    def solve(self, y, problem, prior, state, rng, on_step=None):
        t = state
        x_t = prior.alpha_bar(t) ** 0.5 * problem.A.pinv(y)
        return prior.x0(x_t, t)


@hookimpl
def invbench_register_solvers():
    return [OneStep]
