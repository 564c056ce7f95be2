"""FPS: filtering posterior sampling (Dou and Song, ICLR 2024), Algorithms 1 and 2, in the basis V.

=============  ============================================================================
code           paper
=============  ============================================================================
y_s            the diffused measurement, made on the fly from high noise to low
mu, v          mean and variance of p(x_s | x_t) with variance share c
kappa          variance of y_s given x_s: sigma_y^2 abar_s
=============  ============================================================================

Differences from the official code: the state at the first level enters the network with that level's index; the
step is conditioned on y_s, not y_t; a particle is weighed by p(y_s | x_t), the weight that the step's own Gaussian
makes exact; resampling is systematic. The chain starts at index 998 from noise alone: 999 network calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import ConfigError, OnStep, Operator, Prior, Problem, Rng, Solver, SVDOperator, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FPS(Solver):
    """Filter the reverse diffusion against a diffused measurement; several ``particles`` are resampled at every step.

    ``c`` is the share of fresh noise in a step. Each particle costs its own network calls. The published weights,
    p(y_s | x_t), count the measurement again at every step: where the posterior is N(0.345, 0.186^2), one particle
    draws from N(0.350, 0.131^2) and eight from N(0.392, 0.075^2), so more particles are not nearer.
    ``weights=ratio`` divides them by p(y_t | x_t), what the state already accounts for: eight particles then draw
    from N(0.348, 0.132^2); the width still missing is the share 1 - c of predicted noise.
    """

    name: ClassVar[str] = "fps"
    summary: ClassVar[str] = "filtering posterior sampling, with one particle or several"
    paper: ClassVar[str] = "openreview.net/forum?id=tplXNcHZs1, Alg. 1 and 2"
    bibtex: ClassVar[str] = (
        "@inproceedings{dou2024diffusion, title={Diffusion Posterior Sampling for Linear Inverse Problem Solving: "
        "A Filtering Perspective}, author={Dou, Zehao and Song, Yang}, booktitle={ICLR}, year={2024}}"
    )
    operator_type: ClassVar[type[Operator]] = SVDOperator
    needs_sigma: ClassVar[bool] = True
    consistent: ClassVar[bool] = True
    particles: int = 1
    c: float = 0.95
    clip: bool = True
    weights: str = "published"

    def __post_init__(self) -> None:
        if self.weights not in ("published", "ratio"):
            raise ConfigError(f"fps: weights must be 'published' or 'ratio'; got {self.weights!r}")
        if self.particles < 1 or not 0 < self.c <= 1:
            raise ConfigError(f"fps: needs particles >= 1 and c in (0, 1]; got {self.particles} and {self.c}")

    def skip(self, problem: Problem, prior: Prior) -> str | None:
        del prior
        return None if problem.sigma > 0 else "needs a noise level above 0"

    def solve(
        self, y: Tensor, problem: Problem, prior: Prior, state: Any, rng: Rng, on_step: OnStep | None = None
    ) -> Tensor:
        del state
        A, sigma_y, c, M, B = problem.A, problem.sigma, self.c, self.particles, len(y)
        assert isinstance(A, SVDOperator)
        s = A.pad(A.s).to(y.real)
        n = s.numel()
        y_bar = A.pad(A.Ut(y))[:, None]  # (B, 1, n)

        def noise(count: int) -> Tensor:
            return rng.randn_like(y_bar.expand(B, count, n))

        top = len(prior.abar) - 2
        abar = prior.alpha_bar(top)
        kappa = sigma_y**2 * abar
        y_s = s * noise(1)
        x = s * y_s / (kappa + s**2) + (kappa / (kappa + s**2)).sqrt() * noise(M)
        for t in range(top, -1, -1):
            abar_t, abar_s = prior.alpha_bar(t), prior.alpha_bar(t - 1)
            x_t = A.V(x.flatten(0, 1))
            eps = prior.eps(x_t, t)
            x0 = prior.to_x0(x_t, eps, t)
            x0 = x0.clamp(-1, 1) if self.clip else x0
            if on_step:
                on_step({"t": t, "x0": x0.unflatten(0, (B, M))[:, 0]})
            if t == 0:
                break
            explained = (y_s - s * x).square() / kappa if self.weights == "ratio" else 0  # of y_t, by x_t
            keep = ((1 - c) * (1 - abar_s)) ** 0.5
            y_s = abar_s**0.5 * y_bar + keep / (1 - abar_t) ** 0.5 * (y_s - abar_t**0.5 * y_bar)
            y_s = y_s + (c * (1 - abar_s)) ** 0.5 * s * noise(1)
            mu = A.Vt(abar_s**0.5 * x0 + keep * eps).unflatten(0, (B, M))
            v, kappa = c * (1 - abar_s), sigma_y**2 * abar_s
            spread = kappa + v * s**2
            if M > 1:
                misfit = (y_s - s * mu).square() / spread - explained
                log_w = -0.5 * misfit.where(s > 0, s.new_zeros(())).sum(2)  # (B, M)
                mu = mu.gather(1, _resample(log_w, rng)[:, :, None].expand_as(mu))
            x = (kappa * mu + v * s * y_s) / spread + (v * kappa / spread).sqrt() * noise(M)
        return x0.unflatten(0, (B, M))[:, 0]


def _resample(log_w: Tensor, rng: Rng) -> Tensor:
    """Systematic resampling by softmax weights: (B, M) -> indices (B, M)."""
    import torch

    M = log_w.shape[1]
    u = (torch.arange(M, device=log_w.device) + rng.rand(()).to(log_w)[:, None]) / M
    edges = log_w.softmax(1).cumsum(1)
    return torch.searchsorted(edges.contiguous(), u.contiguous()).clamp(max=M - 1)


@hookimpl
def invbench_register_solvers() -> list[type[Solver]]:
    return [FPS]
