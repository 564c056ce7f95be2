"""DMPS: diffusion model based posterior sampling (Meng and Kabashima, ACML 2024), Algorithm 1.

Under an uninformative prior p(x_0 | x_t) is N(x_t / sqrt(abar_t), rho_t I), rho_t = (1 - abar_t) / abar_t, so that
y given x_t is N(H x_t / sqrt(abar_t), sigma_y^2 I + rho_t H H^T), whose score is closed:

    g_t = H^T (sigma_y^2 I + rho_t H H^T)^{-1} (y - H x_t / sqrt(abar_t)) / sqrt(abar_t)

From x_T = z, each step t -> s is an ancestral one, followed by x_s <- x_s + lam (1 - alpha_t) / sqrt(alpha_t) g_t with
alpha_t = abar_t / abar_s. No gradient is taken through the network.

Differences from the official code: the score is taken at x_t, as printed (the code takes it at the new sample, with
abar_t as before); on a grid of fewer steps alpha_t is that of the step taken. The inverse is the operator's ``ridge``,
by its SVD, or by conjugate gradients where it has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import (
    ConfigError,
    LinearOperator,
    OnStep,
    Operator,
    Prior,
    Problem,
    Rng,
    Solver,
    ancestral_step,
    even_grid,
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 20  # calls: with 10 the first steps overshoot, and the residual is 15 times the noise


@dataclass(frozen=True)
class DMPS(Solver):
    """Ancestral sampling, each step with the score of the measurement given x_t under an uninformative prior.

    ``lam`` weighs that score: 1 is what Bayes' rule has, 1.75 the official code's for all of its tasks. ``clip`` keeps
    predicted images in [-1, 1], as DPS does. Where the prior is flat beside the noise, ``lam=1 clip=false`` is exact.
    """

    name: ClassVar[str] = "dmps"
    summary: ClassVar[str] = "ancestral sampling with a closed-form score of the measurement"
    paper: ClassVar[str] = "arXiv:2211.12343, Alg. 1"
    bibtex: ClassVar[str] = (
        "@inproceedings{meng2024diffusion, title={Diffusion Model Based Posterior Sampling for Noisy Linear Inverse "
        "Problems}, author={Meng, Xiangming and Kabashima, Yoshiyuki}, booktitle={ACML}, year={2024}}"
    )
    operator_type: ClassVar[type[Operator]] = LinearOperator
    needs_sigma: ClassVar[bool] = True
    nfe: int = 1000
    lam: float = 1.75
    clip: bool = True

    def __post_init__(self) -> None:
        even_grid(self.nfe)
        if self.nfe < LEAST:
            raise ConfigError(f"dmps: needs nfe of at least {LEAST}; got {self.nfe}: longer steps overshoot")
        if self.lam < 0:
            raise ConfigError(f"dmps: lam must not be negative; got {self.lam}")

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del state
        A = problem.A
        assert isinstance(A, LinearOperator)
        x_t = rng.randn_like(y.real.new_empty(len(y), *problem.x_shape))
        for t, s in pairwise([*even_grid(self.nfe), -1]):
            abar_t, abar_s = prior.alpha_bar(t), prior.alpha_bar(s)
            eps, v = prior.eps_and_v(x_t, t)
            x0 = prior.to_x0(x_t, eps, t)
            x0 = x0.clamp(-1, 1) if self.clip else x0
            rho = (1 - abar_t) / abar_t
            residual = y - A(x_t / abar_t**0.5)
            score = A.ridge(residual, max(problem.sigma**2 / rho, 1e-9)) / (rho * abar_t**0.5)
            alpha = abar_t / abar_s
            mean, std = ancestral_step(x_t, x0, v, abar_t, abar_s)
            x_t = mean + std * rng.randn_like(x_t) + self.lam * (1 - alpha) / alpha**0.5 * score
            if on_step:
                on_step({"t": t, "x0": x0})
        return x_t


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [DMPS]
