"""MCG: manifold constrained gradients (Chung et al., NeurIPS 2022), Algorithm 1, as the DPS repository has it.

Differences from the official code: norms are taken per image; the projection is x - H^+ (H x - y_t) for every linear
operator (the code has it for super-resolution only and mixes two terms up elsewhere), and y is diffused to the level of
the state that is projected (the code takes the level before the step).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import (
    ConfigError,
    LinearOperator,
    OnStep,
    Prior,
    Problem,
    Rng,
    Solver,
    SVDOperator,
    ancestral_step,
    even_grid,
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor

RIDGE = 1e-4  # of the projection if there is no SVD


@dataclass(frozen=True)
class MCG(Solver):
    """DPS's gradient step, then a projection onto images that explain the measurement diffused to the same level.

    ``zeta`` as in ``dps``. The projection trusts the measurement fully, noise and all; a nonlinear operator has none,
    and is solved by gradients alone. ``matched`` diffuses y with H z, as a diffused image would be measured; the code's
    unit noise z is the same for inpainting, but H^+ enlarges it by 1/s, fourfold for super-resolution by four.
    """

    name: ClassVar[str] = "mcg"
    summary: ClassVar[str] = "manifold constrained gradients: DPS with a projection at every step"
    paper: ClassVar[str] = "arXiv:2206.00941, Alg. 1"
    bibtex: ClassVar[str] = (
        "@inproceedings{chung2022improving, title={Improving Diffusion Models for Inverse Problems using Manifold "
        "Constraints}, author={Chung, Hyungjin and Sim, Byeongsu and Ryu, Dohoon and Ye, Jong Chul}, "
        "booktitle={NeurIPS}, year={2022}}"
    )
    needs_grad: ClassVar[bool] = True
    consistent: ClassVar[bool] = True
    nfe: int = 1000
    zeta: float = 1.0
    matched: bool = False

    def __post_init__(self) -> None:
        even_grid(self.nfe)
        if self.nfe < 2:
            raise ConfigError("mcg: needs nfe of at least 2; got 1, a step from noise to image without guidance")
        if self.zeta < 0:
            raise ConfigError(f"mcg: zeta must not be negative; got {self.zeta}")

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        import torch

        del state
        A = problem.A
        step = self.zeta * len(prior.abar) / self.nfe
        x_t = rng.randn_like(y.real.new_empty(len(y), *problem.x_shape))
        for t, s in pairwise([*even_grid(self.nfe), -1]):
            abar_s = prior.alpha_bar(s)
            x_t = x_t.detach().requires_grad_()
            eps, v = prior.eps_and_v(x_t, t)
            x0 = prior.to_x0(x_t, eps, t).clamp(-1, 1)
            norm = (y - A(x0)).flatten(1).abs().square().sum(1).add(1e-12).sqrt()  # (B,)
            (gradient,) = torch.autograd.grad(norm.sum(), x_t)
            with torch.no_grad():
                mean, std = ancestral_step(x_t, x0, v, prior.alpha_bar(t), abar_s)
                x_t = mean + std * rng.randn_like(x_t) - step * gradient
                z = A(rng.randn_like(x_t)) if self.matched else rng.randn_like(y)
                y_s = abar_s**0.5 * y + (1 - abar_s) ** 0.5 * z
                if isinstance(A, SVDOperator):
                    x_t = x_t - A.pinv(A(x_t) - y_s)
                elif isinstance(A, LinearOperator):
                    x_t = x_t + A.ridge(y_s - A(x_t), RIDGE)
            if on_step:
                on_step({"t": t, "x0": x0.detach()})
        return x_t


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [MCG]
