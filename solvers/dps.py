"""DPS: Diffusion Posterior Sampling (Chung et al., ICLR 2023), Algorithm 1.

Differences from the official code: the norm is taken per image (the code takes it over the batch, so that steps
shrink with the batch size); on a grid of fewer steps zeta grows in proportion; Poisson noise gets no weighting by
1 / |y|, nor the step of 0.3 that goes with it (``solver.zeta``). As there, ``zeta`` multiplies the gradient of the
norm, not of its square.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import ConfigError, OnStep, Prior, Problem, Rng, Solver, ancestral_step, even_grid, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DPS(Solver):
    """Ancestral sampling, each step followed by a gradient step on the norm of the residual.

    ``zeta`` is the step size of grad ||y - H x0_hat||, per image, on the full grid of the prior's steps; on a grid of
    ``nfe`` points each step is longer in proportion. Costs ``nfe`` forward and as many backward passes.
    """

    name: ClassVar[str] = "dps"
    summary: ClassVar[str] = "diffusion posterior sampling, gradient through the network"
    paper: ClassVar[str] = "arXiv:2209.14687, Alg. 1"
    bibtex: ClassVar[str] = (
        "@inproceedings{chung2023diffusion, title={Diffusion Posterior Sampling for General Noisy Inverse Problems}, "
        "author={Chung, Hyungjin and Kim, Jeongsol and McCann, Michael T. and Klasky, Marc L. and Ye, Jong Chul}, "
        "booktitle={ICLR}, year={2023}}"
    )
    needs_grad: ClassVar[bool] = True
    nfe: int = 1000
    zeta: float = 1.0

    def __post_init__(self) -> None:
        even_grid(self.nfe)
        if self.nfe < 2:
            raise ConfigError("dps: needs nfe of at least 2; got 1, a step from noise to image without guidance")
        if self.zeta < 0:
            raise ConfigError(f"dps: zeta must not be negative; got {self.zeta}")

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        import torch

        del state
        A = problem.A
        step = self.zeta * len(prior.abar) / self.nfe
        x_t = rng.randn_like(y.real.new_empty(len(y), *problem.x_shape))
        for t, s in pairwise([*even_grid(self.nfe), -1]):
            x_t = x_t.detach().requires_grad_()
            eps, v = prior.eps_and_v(x_t, t)
            x0 = prior.to_x0(x_t, eps, t).clamp(-1, 1)
            norm = (y - A(x0)).flatten(1).abs().square().sum(1).add(1e-12).sqrt()  # (B,)
            (gradient,) = torch.autograd.grad(norm.sum(), x_t)
            with torch.no_grad():
                mean, std = ancestral_step(x_t, x0, v, prior.alpha_bar(t), prior.alpha_bar(s))
                x_t = mean + std * rng.randn_like(x_t) - step * gradient
            if on_step:
                on_step({"t": t, "x0": x0.detach()})
        return x_t


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [DPS]
