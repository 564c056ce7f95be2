"""DDNM: Denoising Diffusion Null-Space Model (Wang et al., ICLR 2023), Algorithms 1 and 2, for clean measurements.

Time travel goes back as the official code does, from the last predicted image; the paper diffuses the state itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import (
    ConfigError,
    OnStep,
    Operator,
    Prior,
    Problem,
    Rng,
    Solver,
    SVDOperator,
    hookimpl,
    stride_grid,
    travel_walk,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DDNM(Solver):
    """Replace the range-space part of every predicted image by that of the measurement.

    ``eta`` is DDNM's own: the share of fresh noise in the standard deviation of the next state, not DDIM's. It
    assumes a clean measurement; its noise goes straight into the image (see ``ddnm_plus``).
    """

    name: ClassVar[str] = "ddnm"
    summary: ClassVar[str] = "null-space model for clean measurements"
    paper: ClassVar[str] = "arXiv:2212.00490, Alg. 1 and 2"
    bibtex: ClassVar[str] = (
        "@inproceedings{wang2023zero, title={Zero-Shot Image Restoration Using Denoising Diffusion Null-Space Model}, "
        "author={Wang, Yinhuai and Yu, Jiwen and Zhang, Jian}, booktitle={ICLR}, year={2023}}"
    )
    operator_type: ClassVar[type[Operator]] = SVDOperator
    consistent: ClassVar[bool] = True
    steps: int = 100
    eta: float = 0.85
    travel_length: int = 1
    travel_repeat: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ConfigError(f"ddnm: eta must lie in [0, 1]; got {self.eta}")
        stride_grid(self.steps)
        travel_walk(self.steps, self.travel_length, self.travel_repeat)

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del state
        A, eta = problem.A, self.eta
        assert isinstance(A, SVDOperator)
        grid = [*reversed(stride_grid(self.steps)), -1]  # grid[j] ascending, grid[-1] = -1 is the clean image
        x_t = rng.randn_like(y.real.new_empty(len(y), *problem.x_shape))
        x0 = x_t
        for i, j in pairwise(travel_walk(self.steps, self.travel_length, self.travel_repeat)):
            t, s = grid[i], grid[j]
            a_s, sigma_s = prior.alpha_bar(s) ** 0.5, (1 - prior.alpha_bar(s)) ** 0.5
            if j > i:  # travel back: forget the measurement, keep the prediction
                x_t = a_s * x0 + sigma_s * rng.randn_like(x0)
                continue
            eps = prior.eps(x_t, t)
            x0 = prior.to_x0(x_t, eps, t)
            x0_hat = x0 - A.pinv(A(x0) - y)  # eq. 13
            x_t = a_s * x0_hat + sigma_s * (eta * rng.randn_like(x0) + (1 - eta**2) ** 0.5 * eps)
            if on_step:
                on_step({"t": t, "x0": x0_hat})
        return x_t


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [DDNM]
