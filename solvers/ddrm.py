"""DDRM: Denoising Diffusion Restoration Models (Kawar et al., NeurIPS 2022), eqs. 7 and 8.

=============  ==========================================================================
code           paper
=============  ==========================================================================
sigma_t        noise level of x_t / sqrt(abar_t) (variance-exploding form)
x_bar          coefficients of the iterate in the basis V, in the same form
y_bar          s^+ U^T y
x0_bar, e_bar  coefficients of the predicted image and of the predicted noise
=============  ==========================================================================

Differences from the official code: ``sigma_y`` is not doubled; components with s = 0 inside the measured
ones follow the null-space branch (the code divides a pure-noise coefficient by sigma_y instead); the first
x_t is scaled by sqrt(abar_t) like every other (the code divides by sigma_t, a difference of 5e-5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import ConfigError, OnStep, Operator, Prior, Problem, Rng, Solver, SVDOperator, hookimpl, stride_grid

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DDRM(Solver):
    """Sample in the spectral domain of H; ``nfe`` network calls, no gradient.

    ``eta`` scales the fresh noise where the measurement says little, ``eta_b`` the pull to it elsewhere.
    """

    name: ClassVar[str] = "ddrm"
    summary: ClassVar[str] = "Denoising Diffusion Restoration Models, spectral sampling"
    paper: ClassVar[str] = "arXiv:2201.11793, eqs. 7-8"
    bibtex: ClassVar[str] = (
        "@inproceedings{kawar2022denoising, title={Denoising Diffusion Restoration Models}, "
        "author={Kawar, Bahjat and Elad, Michael and Ermon, Stefano and Song, Jiaming}, "
        "booktitle={NeurIPS}, year={2022}}"
    )
    operator_type: ClassVar[type[Operator]] = SVDOperator
    needs_sigma: ClassVar[bool] = True
    consistent: ClassVar[bool] = True
    nfe: int = 20
    eta: float = 0.85
    eta_b: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.eta <= 1 and 0 <= self.eta_b <= 1):
            raise ConfigError(f"ddrm: eta and eta_b must lie in [0, 1]; got {self.eta} and {self.eta_b}")
        stride_grid(self.nfe)
        if self.nfe < 2:
            raise ConfigError("ddrm: needs nfe of at least 2; got 1: the measurement enters between calls")

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del state
        A, sigma_y, eta, eta_b = problem.A, problem.sigma, self.eta, self.eta_b
        assert isinstance(A, SVDOperator)
        s = A.pad(A.s).to(y.real)
        known = s > 0
        zero = s.new_zeros(())
        noise_bar = (sigma_y / s).where(known, s.new_full((), float("inf")))  # std of y_bar
        Uty = A.pad(A.Ut(y))
        y_bar = (Uty / s).where(known, zero)

        grid = stride_grid(self.nfe)
        sigma_t = _ve_sigma(prior, grid[0])
        var = (sigma_t**2 - noise_bar**2).clamp(min=0)
        z = rng.randn_like(y_bar)
        x_bar = (y_bar + var.sqrt() * z).where(noise_bar < sigma_t, sigma_t * z)  # eq. 7
        for t, t_next in zip(grid, [*grid[1:], -1], strict=True):
            abar_t, sigma = prior.alpha_bar(t), _ve_sigma(prior, t_next)
            x_t = abar_t**0.5 * A.V(x_bar)
            eps = prior.eps(x_t, t)
            x0 = prior.to_x0(x_t, eps, t)
            if on_step:
                on_step({"t": t, "x0": x0})
            if t_next == -1:
                break  # every branch below is x0 where sigma = 0
            x0_bar, z = A.Vt(x0), rng.randn_like(y_bar)
            towards_eps = A.Vt(eps)
            towards_y = (Uty - s * x0_bar) / sigma_y if sigma_y > 0 else towards_eps
            weak = known & (noise_bar > sigma)
            direction = towards_y.where(weak, towards_eps)
            free = x0_bar + (1 - eta**2) ** 0.5 * sigma * direction + eta * sigma * z
            std = (sigma**2 - eta_b**2 * noise_bar**2).clamp(min=0).sqrt()
            tied = (1 - eta_b) * x0_bar + eta_b * y_bar + std * z
            x_bar = tied.where(noise_bar < sigma, free)  # eq. 8
        return x0


def _ve_sigma(prior: Prior, t: int) -> float:
    abar = prior.alpha_bar(t)
    return ((1 - abar) / abar) ** 0.5


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [DDRM]
