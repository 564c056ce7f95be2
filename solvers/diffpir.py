"""DiffPIR: plug-and-play image restoration by diffusion (Zhu et al., CVPRW 2023), Algorithm 1.

Differences from the official code: noise levels are on [-1, 1] throughout (the code takes the measurement's on [0, 1]
and the state's on [-1, 1], so that lam here is a quarter of its lambda at equal strength: its 7 for deblurring is the
default, 1.75, its 6 for super-resolution 1.5); the last predicted image is returned (the code returns the last state,
which still holds noise of 0.01); the first image is the operator's initial estimate, H^+ y unless that is unstable,
rather than an upsampled one, and every task starts at the highest noise.
"""

from __future__ import annotations

import math
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
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DiffPIR(Solver):
    """Half-quadratic splitting along the diffusion: predict, fit the data with weight rho_t, repeat.

    ``lam`` weighs the prior: rho_t = lam sigma_y^2 / sigma_t^2. ``zeta`` is the share of fresh noise. The last call's
    image is returned as it is, so a single call is refused: nothing of the measurement would be in it.
    """

    name: ClassVar[str] = "diffpir"
    summary: ClassVar[str] = "plug-and-play restoration, a data fit at every step"
    paper: ClassVar[str] = "arXiv:2305.08995, Alg. 1"
    bibtex: ClassVar[str] = (
        "@inproceedings{zhu2023denoising, title={Denoising Diffusion Models for Plug-and-Play Image Restoration}, "
        "author={Zhu, Yuanzhi and Zhang, Kai and Liang, Jingyun and Cao, Jiezhang and Wen, Bihan and "
        "Timofte, Radu and Van Gool, Luc}, booktitle={CVPR Workshops}, year={2023}}"
    )
    operator_type: ClassVar[type[Operator]] = LinearOperator
    needs_sigma: ClassVar[bool] = True
    consistent: ClassVar[bool] = True
    nfe: int = 100
    lam: float = 1.75
    zeta: float = 0.3

    def __post_init__(self) -> None:
        quad_grid(self.nfe)
        if self.nfe < 2:
            raise ConfigError("diffpir: needs nfe of at least 2; got 1, which leaves no step to fit the measurement in")
        if self.lam <= 0 or not 0 <= self.zeta <= 1:
            raise ConfigError(f"diffpir: needs lam > 0 and zeta in [0, 1]; got {self.lam} and {self.zeta}")

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del state
        A, sigma_n = problem.A, max(0.001, problem.sigma)
        assert isinstance(A, LinearOperator)
        grid = quad_grid(self.nfe)
        abar = prior.alpha_bar(grid[0])
        start = A.guess(y)
        x_t = abar**0.5 * start + (1 - abar) ** 0.5 * rng.randn_like(start)
        for t, s in pairwise([*grid, -1]):
            abar_t, abar_s = prior.alpha_bar(t), prior.alpha_bar(s)
            x0 = prior.x0(x_t, t).clamp(-1, 1)
            if on_step:
                on_step({"t": t, "x0": x0})
            if s == -1:
                break
            rho = self.lam * sigma_n**2 * abar_t / (1 - abar_t)
            x0_hat = x0 + A.ridge(y - A(x0), rho)  # eq. 13
            eps_hat = (x_t - abar_t**0.5 * x0_hat) / (1 - abar_t) ** 0.5
            noise = (1 - self.zeta) ** 0.5 * eps_hat + self.zeta**0.5 * rng.randn_like(x0)
            x_t = abar_s**0.5 * x0_hat + (1 - abar_s) ** 0.5 * noise
        return x0


def quad_grid(n: int, steps: int = 1000) -> list[int]:
    """A time grid that is dense at low noise, from steps - 1 down to 0; above steps / 2 points some repeat.

    Raises ConfigError for an impossible number of points.

    >>> quad_grid(20)[:4]
    [999, 770, 675, 602]
    """
    if not 1 <= n <= steps:
        raise ConfigError(f"a time grid needs between 1 and {steps} steps; got {n}")
    if n == 1:
        return [steps - 1]
    q = [math.floor(math.sqrt(steps**2 * j / (n - 1))) for j in range(n)]
    return [steps - 1 - min(qj, steps - 1) for qj in q]


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [DiffPIR]
