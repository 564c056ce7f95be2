"""DDIM (Song et al., ICLR 2021), unconditional: a sanity row that ignores the measurement, H = 0."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import OnStep, Prior, Problem, Rng, Solver, ddim_split, hookimpl, stride_grid

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DDIM(Solver):
    """A sample of the prior; what a solver must beat to have used the measurement."""

    name: ClassVar[str] = "ddim"
    summary: ClassVar[str] = "unconditional sample of the prior, ignores the measurement"
    paper: ClassVar[str] = "arXiv:2010.02502, eq. 12"
    bibtex: ClassVar[str] = (
        "@inproceedings{song2021denoising, title={Denoising Diffusion Implicit Models}, "
        "author={Song, Jiaming and Meng, Chenlin and Ermon, Stefano}, booktitle={ICLR}, year={2021}}"
    )
    nfe: int = 100
    eta: float = 0.0

    def __post_init__(self) -> None:
        stride_grid(self.nfe)

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del state
        x_t = rng.randn_like(y.real.new_empty(len(y), *problem.x_shape))
        for t, s in pairwise([*stride_grid(self.nfe), -1]):
            eps = prior.eps(x_t, t)
            x0 = prior.to_x0(x_t, eps, t)
            if on_step:
                on_step({"t": t, "x0": x0})
            c1, c2 = ddim_split(prior.alpha_bar(t), prior.alpha_bar(s), self.eta)
            x_t = prior.alpha_bar(s) ** 0.5 * x0 + c1 * rng.randn_like(x0) + c2 * eps
        return x_t


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [DDIM]
