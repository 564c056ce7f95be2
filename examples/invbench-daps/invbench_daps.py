"""Decoupled annealing: predict the image, pull it to the measurement by Langevin steps, add less noise, and again."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from invbench import ConfigError, LinearOperator, Rng, Solver, hookimpl, stride_grid


@dataclass(frozen=True)
class Daps(Solver):
    """In the manner of DAPS: Zhang et al., Improving Diffusion Inverse Problem Solving with Decoupled Noise Annealing.

    Noise levels are those of the prior's steps, evenly spaced, r_t is sigma_t, and a Langevin step is a quarter of the
    largest that is stable. ``heat`` is the share of Langevin's noise: with 1 each level is sampled, with 0 its mode
    is found.
    """

    name: ClassVar[str] = "decoupled"
    summary: ClassVar[str] = "decoupled annealing with Langevin steps to the measurement"
    paper: ClassVar[str] = "arXiv:2407.01521, Alg. 1"
    operator_type: ClassVar[type] = LinearOperator
    needs_sigma: ClassVar[bool] = True
    levels: int = 50  # of noise
    calls: int = 1  # of the network at each, along the probability flow
    langevin: int = 20  # steps at each
    heat: float = 0.03

    def __post_init__(self):
        if min(self.calls, self.langevin) < 1 or not 0 <= self.heat <= 1:
            raise ConfigError(f"decoupled: expected calls and langevin of at least 1, heat from 0 to 1; got {self}")
        stride_grid(self.levels)

    def skip(self, problem, prior):
        return "needs noise: its steps are of the noise's size" if problem.sigma == 0 else None

    def solve(self, y, problem, prior, state, rng, on_step=None):
        bound = largest(problem.A, y.device)
        x_t = rng.randn_like(y.real.new_empty(len(y), *problem.x_shape))
        for t, s in pairwise([*stride_grid(self.levels), -1]):
            variance = (1 - prior.alpha_bar(t)) / prior.alpha_bar(t)
            x = self.pulled(self.denoised(prior, x_t, t), y, problem, variance, bound, rng)
            if on_step:
                on_step({"t": t, "x0": x})
            x_t = prior.alpha_bar(s) ** 0.5 * x + (1 - prior.alpha_bar(s)) ** 0.5 * rng.randn_like(x)
        return x_t

    def denoised(self, prior, x, t):
        """The end of the probability flow from x_t, in some DDIM steps."""
        times = [t * (self.calls - i) // self.calls for i in range(self.calls)]
        for now, later in pairwise([*times, -1]):
            eps = prior.eps(x, now)
            x0 = prior.to_x0(x, eps, now)
            x = prior.alpha_bar(later) ** 0.5 * x0 + (1 - prior.alpha_bar(later)) ** 0.5 * eps
        return x.clamp(-1, 1)

    def pulled(self, center, y, problem, variance, bound, rng):
        """From the center towards a sample of exp(-|x - center|^2 / 2 variance - |A x - y|^2 / 2 sigma^2)."""
        x, A, precision = center, problem.A, problem.sigma**-2
        step = 0.5 / (1 / variance + precision * bound)
        for _ in range(self.langevin):
            slope = (x - center) / variance + precision * A.T(A(x) - y)
            x = x - step * slope + (2 * step * self.heat) ** 0.5 * rng.randn_like(x)
        return x


def largest(A, device):
    """The largest eigenvalue of A^T A, by power iteration."""
    x = Rng.single(purpose="largest").randn(A.x_shape).to(device)
    for _ in range(20):
        x = A.T(A(x / x.norm()))
    return float(x.norm())


@hookimpl
def invbench_register_solvers():
    return [Daps]
