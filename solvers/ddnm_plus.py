"""DDNM+: the null-space model for noisy measurements (Wang et al., ICLR 2023), section 3.3, through the SVD.

=============  ========================================================================
code           paper
=============  ========================================================================
a_s, sigma_s   sqrt(abar_s) and sqrt(1 - abar_s), variance-preserving
lam            diagonal of Sigma_t: how far a component moves to the measurement
d1, d2         standard deviations of fresh noise and of predicted noise, per component
=============  ========================================================================

Differences from the official code: ``sigma_y`` is not doubled; the predicted noise is weighted in the spectral
basis (the code applies V without V^T first); one consistent set of singular values (the code mixes two). Time travel
is the code's, from the last predicted image; the paper diffuses the state itself.
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
class DDNMPlus(Solver):
    """DDNM whose correction and noise are scaled so that the measurement's noise counts as part of the state's.

    ``eta`` is DDNM's own share of fresh noise. Costs steps + length (repeat - 1) ceil((steps - length) / length)
    network calls; the DAVI paper's "100 NFE" is the default (100, 1, 1).
    """

    name: ClassVar[str] = "ddnm_plus"
    summary: ClassVar[str] = "null-space model for noisy measurements"
    paper: ClassVar[str] = "arXiv:2212.00490, sec. 3.3 and app. I"
    bibtex: ClassVar[str] = (
        "@inproceedings{wang2023zero, title={Zero-Shot Image Restoration Using Denoising Diffusion Null-Space Model}, "
        "author={Wang, Yinhuai and Yu, Jiwen and Zhang, Jian}, booktitle={ICLR}, year={2023}}"
    )
    operator_type: ClassVar[type[Operator]] = SVDOperator
    needs_sigma: ClassVar[bool] = True
    consistent: ClassVar[bool] = True
    steps: int = 100
    eta: float = 0.85
    travel_length: int = 1
    travel_repeat: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ConfigError(f"ddnm_plus: eta must lie in [0, 1]; got {self.eta}")
        stride_grid(self.steps)
        if self.steps < 2:
            raise ConfigError("ddnm_plus: needs steps of at least 2; got 1: the measurement enters between calls")
        travel_walk(self.steps, self.travel_length, self.travel_repeat)

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del state
        A, sigma_y, eta = problem.A, problem.sigma, self.eta
        assert isinstance(A, SVDOperator)
        s = A.pad(A.s).to(y.real)
        measured = s > 0
        noise_bar = (sigma_y / s).where(measured, s.new_zeros(()))  # std of H^+ y, per component
        y_bar = A.pad(A.Ut(y)) / s.where(measured, s.new_ones(()))
        grid = [*reversed(stride_grid(self.steps)), -1]
        x_t = rng.randn_like(y.real.new_empty(len(y), *problem.x_shape))
        x0 = x_t
        for i, j in pairwise(travel_walk(self.steps, self.travel_length, self.travel_repeat)):
            t, t_next = grid[i], grid[j]
            a_s, sigma_s = prior.alpha_bar(t_next) ** 0.5, (1 - prior.alpha_bar(t_next)) ** 0.5
            if j > i:
                x_t = a_s * x0 + sigma_s * rng.randn_like(x0)
                continue
            eps = prior.eps(x_t, t)
            x0 = prior.to_x0(x_t, eps, t)
            if on_step:
                on_step({"t": t, "x0": x0})
            if t_next == -1:
                break  # lam = 0 for every component measured with noise
            strong = sigma_s > a_s * noise_bar  # the state is noisier than the measurement, or nothing is measured
            weak_lam = sigma_s * (1 - eta**2) ** 0.5 / (a_s * noise_bar).clamp(min=1e-30)
            lam = weak_lam.where(~strong, s.new_ones(()))
            d1_strong = (sigma_s**2 - (a_s * noise_bar) ** 2).clamp(min=0).sqrt()
            free = ~measured | (sigma_y == 0)  # components that follow plain DDNM
            d1 = d1_strong.where(strong & ~free, s.new_full((), eta * sigma_s))
            d2 = s.new_full((), (1 - eta**2) ** 0.5 * sigma_s).where(free, s.new_zeros(()))
            x0_bar = A.Vt(x0)
            x0_bar = x0_bar - (lam * (x0_bar - y_bar)).where(measured, s.new_zeros(()))  # eq. 17
            x_bar = a_s * x0_bar + d1 * rng.randn_like(x0_bar) + d2 * A.Vt(eps)  # eq. 18
            x_t = A.V(x_bar)
        return x0 if sigma_y > 0 else x0 - A.pinv(A(x0) - y)


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [DDNMPlus]
