"""DAPS: decoupled annealing posterior sampling (Zhang et al., CVPR 2025), Algorithm 1.

For levels sigma_1 > ... > sigma_N, beginning with x_t = sigma_1 z, and with sigma_{N+1} = 0:

1. x0_hat: Euler steps of the probability flow ODE, dx = eps dsigma, from x_t down to the prior's lowest level;
2. x0: Langevin steps from x0_hat on N(x0_hat, sigma_i^2) p(y | x0),
   x0 <- x0 - eta_i (grad ||y - A(x0)||^2 / (2 beta_y^2) + (x0 - x0_hat) / sigma_i^2) + sqrt(2 eta_i) z;
3. x_t = x0 + sigma_{i+1} z, which forgets the last x_t: consecutive steps are coupled by x0 alone.

===================  =================================================================================
code                 paper, and the official code's value for 1000 calls
===================  =================================================================================
x_t, sigma           the state and its noise level in variance-exploding form, x_t / sqrt(abar_t)
steps, ode_steps     annealing levels N_A, 200; Euler steps for each, 5
langevin_steps       N, 100
sigma_max,           levels (100^(1/7) + i/N_A (0.1^(1/7) - 100^(1/7)))^7, i = 0..N_A - 1, and the same
sigma_min            spacing for the ODE down to 0.01
tau sigma_y          beta_y, 0.01 for a noise of 0.05, a fifth of the truth
lr (tau sigma_y)^2   eta_0, 1e-4: lr of 1; inpainting, motion blur, phase retrieval 0.5; HDR 0.2
decay                delta, 0.01: eta_i = eta_0 (1 - i/N_A (1 - delta))
===================  =================================================================================

Differences from the official code: noise level and step are in units of the problem's noise, and have the code's
values where that is 0.05; every level is the nearest of the prior's own, none beyond its ends, so that network and
formulas mean the same one; the Hamiltonian and Metropolis variants, and those of latent spaces, are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import ConfigError, OnStep, Operator, Prior, Problem, Rng, Solver, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

ORDER = 7  # of the levels' spacing


@dataclass(frozen=True)
class DAPS(Solver):
    """Denoise by an ODE, sample around the result by Langevin steps on the data, add the noise of the next level.

    Costs ``steps`` x ``ode_steps`` network calls and ``steps`` x ``langevin_steps`` gradients of the operator, which
    may be any differentiable one. ``tau`` is the noise level assumed of y in units of sigma_y (1: the true one) and
    ``lr`` the first Langevin step in units of (tau sigma_y)^2, which falls to its share ``decay``. Steps of
    lr ||H||^2 >= 2 diverge. The last sample is returned: it holds the noise of its Langevin steps.

    N(x0_hat, sigma_i^2) is wider than p(x0 | x_t). Of N(0.1, 0.5^2), measured by 2 x 2 means with noise 0.2, samples
    have 0.39 of the posterior's deviation where H measures and 1.10 where it does not; with ``tau=1`` 1.10 and 1.33.
    """

    name: ClassVar[str] = "daps"
    summary: ClassVar[str] = "decoupled annealing, Langevin steps around an ODE's solution"
    paper: ClassVar[str] = "arXiv:2407.01521, Alg. 1"
    bibtex: ClassVar[str] = (
        "@inproceedings{zhang2025improving, title={Improving Diffusion Inverse Problem Solving with Decoupled Noise "
        "Annealing}, author={Zhang, Bingliang and Chu, Wenda and Berner, Julius and Meng, Chenlin and "
        "Anandkumar, Anima and Song, Yang}, booktitle={CVPR}, year={2025}}"
    )
    needs_sigma: ClassVar[bool] = True
    needs_grad: ClassVar[bool] = True
    steps: int = 200
    ode_steps: int = 5
    langevin_steps: int = 100
    tau: float = 0.2
    lr: float = 1.0
    decay: float = 0.01
    sigma_max: float = 100.0
    sigma_min: float = 0.1

    def __post_init__(self) -> None:
        counts = {"steps": self.steps, "ode_steps": self.ode_steps, "langevin_steps": self.langevin_steps}
        for name, count in counts.items():
            if count < 1:
                raise ConfigError(f"daps: {name} must be at least 1; got {count}")
        if not (self.tau > 0 and self.lr > 0 and 0 <= self.decay <= 1):
            got = f"{self.tau}, {self.lr} and {self.decay}"
            raise ConfigError(f"daps: needs tau > 0, lr > 0 and decay in [0, 1]; got {got}")
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise ConfigError(f"daps: needs 0 < sigma_min < sigma_max; got {self.sigma_min} and {self.sigma_max}")

    def skip(self, problem: Problem, prior: Prior) -> str | None:
        del prior
        return None if problem.sigma > 0 else "needs a noise level above 0"

    def prepare(self, problem: Problem, prior: Prior) -> list[list[int]]:
        """For each annealing level the indices of its ODE, from the level itself to the prior's lowest, 0."""
        del problem
        sigmas = ((1 - prior.abar) / prior.abar).sqrt()
        lowest, highest = float(sigmas[0]), float(sigmas[-1])
        starts = _nearest(sigmas, min(self.sigma_max, highest), max(self.sigma_min, lowest), self.steps)[:-1]
        return [_nearest(sigmas, float(sigmas[t]), lowest, self.ode_steps) for t in starts]

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        import torch

        beta_y = self.tau * problem.sigma
        levels = [_sigma(prior, path[0]) for path in state]
        x_t = levels[0] * rng.randn_like(y.real.new_empty(len(y), *problem.x_shape))
        for i, (path, sigma, below) in enumerate(zip(state, levels, [*levels[1:], 0.0], strict=True)):
            with torch.no_grad():
                x0_hat = x0 = _flow(prior, x_t, path)
            eta = self.lr * beta_y**2 * (1 - i / self.steps * (1 - self.decay))
            for _ in range(self.langevin_steps):
                slope = _misfit_slope(problem.A, x0, y) / beta_y**2 + (x0 - x0_hat) / sigma**2
                x0 = x0 - eta * slope + (2 * eta) ** 0.5 * rng.randn_like(x0)
            if on_step:
                on_step({"t": path[0], "x0": x0})
            x_t = x0 + below * rng.randn_like(x0) if below else x0
        return x_t


def _flow(prior: Prior, x: Tensor, path: list[int]) -> Tensor:
    """Euler steps of dx = eps dsigma along the indices of ``path``; x in variance-exploding form."""
    for t, s in pairwise(path):
        eps = prior.eps(prior.alpha_bar(t) ** 0.5 * x, t)
        x = x + (_sigma(prior, s) - _sigma(prior, t)) * eps
    return x


def _misfit_slope(A: Operator, x: Tensor, y: Tensor) -> Tensor:
    """Gradient of ||y - A(x)||^2 / 2."""
    import torch

    with torch.enable_grad():
        x = x.detach().requires_grad_()
        misfit = 0.5 * (y - A(x)).abs().square().sum()  # of the batch: rows do not interact
        (slope,) = torch.autograd.grad(misfit, x)
    return slope


def _sigma(prior: Prior, t: int) -> float:
    """Noise level of x_t / sqrt(abar_t)."""
    abar = prior.alpha_bar(t)
    return ((1 - abar) / abar) ** 0.5


def _nearest(sigmas: Tensor, high: float, low: float, steps: int) -> list[int]:
    """Indices of the ``steps`` + 1 levels nearest to an even grid from ``high`` to ``low`` in sigma^(1/7)."""
    import torch

    wanted = torch.linspace(high ** (1 / ORDER), low ** (1 / ORDER), steps + 1, dtype=sigmas.dtype) ** ORDER
    return (sigmas - wanted[:, None]).abs().argmin(1).tolist()


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [DAPS]
