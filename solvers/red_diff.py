"""RED-diff: a variational perspective on diffusion inverse solvers (Mardani et al., ICLR 2024), Algorithm 1.

Differences from the official code: the image after the last Adam step is returned (the code returns the one
before). As there, both losses are means, over measurement and over image, whose balance the weights are tuned for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import ConfigError, OnStep, Prior, Problem, Rng, Solver, hookimpl, stride_grid, unknown

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS: dict[str, Callable[[float], float]] = {
    "linear": lambda r: r,
    "sqrt": math.sqrt,
    "square": lambda r: r**2,
    "log": math.log1p,
    "clip": lambda r: min(r, 1.0),
    "power2over3": lambda r: r ** (2 / 3),
    "const": lambda r: 1.0,
}


@dataclass(frozen=True)
class REDDiff(Solver):
    """Adam on mu: data misfit, plus the denoiser's disagreement at every noise level from high to low.

    ``lam`` weighs the prior term by lam * weight(sigma_t), sigma_t = sqrt((1 - abar_t) / abar_t). No gradient flows
    through the network; the data term needs any differentiable operator.
    """

    name: ClassVar[str] = "red_diff"
    summary: ClassVar[str] = "variational inference with a point mass, Adam on the image"
    paper: ClassVar[str] = "arXiv:2305.04391, Alg. 1"
    bibtex: ClassVar[str] = (
        "@inproceedings{mardani2024variational, title={A Variational Perspective on Solving Inverse Problems with "
        "Diffusion Models}, author={Mardani, Morteza and Song, Jiaming and Kautz, Jan and Vahdat, Arash}, "
        "booktitle={ICLR}, year={2024}}"
    )
    needs_grad: ClassVar[bool] = True
    nfe: int = 1000
    lr: float = 0.1
    lam: float = 0.25
    weight: str = "linear"

    def __post_init__(self) -> None:
        stride_grid(self.nfe)
        if self.weight not in WEIGHTS:
            raise ConfigError(unknown("weight of red_diff", self.weight, WEIGHTS))
        if self.lr <= 0 or self.lam < 0:
            raise ConfigError(f"red_diff: needs lr > 0 and lam >= 0; got {self.lr} and {self.lam}")

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        import torch

        del state
        A, (b1, b2) = problem.A, (0.9, 0.99)
        mu = A.guess(y)
        m, v = torch.zeros_like(mu), torch.zeros_like(mu)
        for k, t in enumerate(stride_grid(self.nfe), start=1):
            abar_t = prior.alpha_bar(t)
            with torch.no_grad():
                eps = rng.randn_like(mu)
                disagreement = prior.eps(abar_t**0.5 * mu + (1 - abar_t) ** 0.5 * eps, t) - eps
                prior_grad = disagreement / mu[0].numel()
            mu = mu.detach().requires_grad_()
            misfit = 0.5 * (y - A(mu)).flatten(1).abs().square().mean(1)
            (data_grad,) = torch.autograd.grad(misfit.sum(), mu)
            with torch.no_grad():
                w_t = self.lam * WEIGHTS[self.weight](((1 - abar_t) / abar_t) ** 0.5)
                g = data_grad + w_t * prior_grad
                m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2  # Adam
                mu = mu - self.lr * (m / (1 - b1**k)) / ((v / (1 - b2**k)).sqrt() + 1e-8)
            if on_step:
                on_step({"t": t, "x0": mu.detach()})
        return mu


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [REDDiff]
