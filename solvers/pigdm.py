"""PiGDM: pseudoinverse-guided diffusion (Song et al., ICLR 2023), Algorithm 1, in its noisy form.

Differences from the RED-diff repository's code: the guidance uses ``sigma_y`` (the code has the noise-free form,
``noisy=false`` here, which serves its reported rows).
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
    ddim_split,
    hookimpl,
    stride_grid,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PiGDM(Solver):
    """DDIM with guidance r_t^2 H^T (r_t^2 H H^T + sigma_y^2 I)^{-1} (y - H x0_hat), pulled back through the network.

    ``eta`` is DDIM's (values above 1 clamp the share of predicted noise at zero). ``weight`` scales the guidance;
    its factor is sqrt(abar_s abar_t), the RED-diff repository's default. r_t^2 = 1 - abar_t.
    """

    name: ClassVar[str] = "pigdm"
    summary: ClassVar[str] = "pseudoinverse-guided diffusion, gradient through the network"
    paper: ClassVar[str] = "openreview.net/forum?id=9_gsMA8MRKQ, Alg. 1"
    bibtex: ClassVar[str] = (
        "@inproceedings{song2023pseudoinverse, title={Pseudoinverse-Guided Diffusion Models for Inverse Problems}, "
        "author={Song, Jiaming and Vahdat, Arash and Mardani, Morteza and Kautz, Jan}, booktitle={ICLR}, year={2023}}"
    )
    operator_type: ClassVar[type[Operator]] = LinearOperator
    needs_sigma: ClassVar[bool] = True
    needs_grad: ClassVar[bool] = True
    nfe: int = 100
    eta: float = 1.0
    weight: float = 1.0
    noisy: bool = True

    def __post_init__(self) -> None:
        stride_grid(self.nfe)
        if self.nfe < 2:
            raise ConfigError("pigdm: needs nfe of at least 2; got 1, a step from noise to image without guidance")
        if self.eta < 0:
            raise ConfigError(f"pigdm: eta must not be negative; got {self.eta}")

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        import torch

        del state
        A = problem.A
        assert isinstance(A, LinearOperator)
        sigma_y = problem.sigma if self.noisy else 0.0
        grid = stride_grid(self.nfe)
        abar = prior.alpha_bar(grid[0])
        start = A.guess(y)
        x_t = abar**0.5 * start + (1 - abar) ** 0.5 * rng.randn_like(start)
        for t, s in pairwise([*grid, -1]):
            abar_t, abar_s = prior.alpha_bar(t), prior.alpha_bar(s)
            x_t = x_t.detach().requires_grad_()
            eps = prior.eps(x_t, t)
            x0 = prior.to_x0(x_t, eps, t)
            with torch.no_grad():
                pull = A.ridge(y - A(x0), max(sigma_y**2 / (1 - abar_t), 1e-9))
            (g,) = torch.autograd.grad((pull * x0).sum(), x_t)
            with torch.no_grad():
                c1, c2 = ddim_split(abar_t, abar_s, self.eta)
                kappa = (abar_s * abar_t) ** 0.5
                x_t = abar_s**0.5 * x0 + c1 * rng.randn_like(x0) + c2 * eps + self.weight * kappa * g
            if on_step:
                on_step({"t": t, "x0": x0.detach()})
        return x_t


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [PiGDM]
