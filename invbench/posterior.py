"""Samples against an exact posterior, split into what the operator measures and what it does not.

All in the coordinates z = V^T x of a dense singular value decomposition of H: the first ``rank`` span the range of
H^T, the rest its null space. Along any direction the posterior is a one-dimensional mixture of Gaussians.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from invbench.gmm import GmmPrior, LinearGaussianPosterior
from invbench.operator import LinearOperator
from invbench.rng import Rng

if TYPE_CHECKING:
    from invbench.prior import Prior
    from invbench.solver import Problem

Part = Literal["range", "null"]
DIRECTIONS = 64
BISECTIONS = 40
CENTRAL = 0.9


class ExactPosterior:
    """p(x | y) of a mixture prior and a linear operator. Samples are (B, K, n) and measurements (B, m), float64."""

    def __init__(self, posterior: LinearGaussianPosterior) -> None:
        self.posterior = posterior
        _, s, Vt = torch.linalg.svd(posterior.H)
        self.V = Vt.T  # (n, n)
        self.rank = int((s > 1e-5 * s.max()).sum())
        covariances = posterior.covariances()
        self.variances = torch.einsum("ni,knm,mi->ki", self.V, covariances, self.V).clamp(min=0)  # (components, n)
        self._covariances = covariances

    @classmethod
    def of(cls, problem: Problem, prior: Prior) -> ExactPosterior | None:
        """The posterior of a problem, where it is known."""
        if not (isinstance(prior, GmmPrior) and isinstance(problem.A, LinearOperator) and problem.sigma_y):
            return None
        return cls(LinearGaussianPosterior(prior.mixture, problem.A.to("cpu"), problem.sigma_y))

    def part(self, part: Part) -> slice:
        """Coordinates of the range or the null space; empty where there are none."""
        return slice(0, self.rank) if part == "range" else slice(self.rank, len(self.V))

    def mean_gap(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """Distance of the samples' mean from E[x | y], in standard deviations of the posterior: (B,)."""
        mean, variance = self._moments(y, part)
        gap = (x @ self.V[:, self.part(part)]).mean(1) - mean
        return (gap.square().sum(1) / variance.sum(1)).sqrt()

    def spread_ratio(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """Root mean square standard deviation of the samples over that of the posterior: (B,). 1 is right."""
        _, variance = self._moments(y, part)
        return ((x @ self.V[:, self.part(part)]).var(1).sum(1) / variance.sum(1)).sqrt()

    def coverage(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """Share of the samples' coordinates inside the posterior's central 90 % interval: (B,). 0.9 is right."""
        weights, means, variances = self._along(y, part)
        z = x @ self.V[:, self.part(part)]  # (B, K, i)
        u = _cdf(z, weights, means, variances)
        return ((u - 0.5).abs() < CENTRAL / 2).double().flatten(1).mean(1)

    def sliced_wasserstein(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """2-Wasserstein distance along random directions, in standard deviations of the posterior: (B,).

        The k-th of K sorted projections is compared with the posterior's quantile at (k - 1/2) / K.
        """
        inside = self.V[:, self.part(part)]
        g = Rng.single(purpose="directions").randn((inside.shape[1], DIRECTIONS))[0].double()
        directions = inside @ (g / g.norm(dim=0))  # (n, L)
        weights, means = self.posterior.weights(y), self.posterior.means(y) @ directions  # (B, c), (B, c, L)
        variances = torch.einsum("nl,knm,ml->kl", directions, self._covariances, directions).clamp(min=0)
        K = x.shape[1]
        levels = ((torch.arange(K, dtype=torch.float64) + 0.5) / K)[None, :, None]
        distance = (x @ directions).sort(dim=1).values - _quantile(levels, weights, means, variances)
        scale = _total(weights, means, variances)[1].mean(1)
        return (distance.square().mean((1, 2)) / scale).sqrt()

    def mode_error(self, x: Tensor, y: Tensor) -> Tensor:
        """Total variation between the components the samples fall into and the posterior's weights: (B,)."""
        B, K, n = x.shape
        found = self.posterior.mixture.log_components(x.reshape(-1, n)).softmax(1).reshape(B, K, -1).mean(1)
        return 0.5 * (found - self.posterior.weights(y)).abs().sum(1)

    def _along(self, y: Tensor, part: Part) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (B, c), means (B, c, i) and variances (c, i) of the components along the coordinates of a part."""
        chosen = self.part(part)
        return self.posterior.weights(y), self.posterior.means(y) @ self.V[:, chosen], self.variances[:, chosen]

    def _moments(self, y: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        return _total(*self._along(y, part))


def _total(weights: Tensor, means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of one-dimensional mixtures: (B, c), (B, c, i), (c, i) -> (B, i) twice."""
    w = weights[:, :, None]
    mean = (w * means).sum(1)
    return mean, (w * (variances + (means - mean[:, None]).square())).sum(1)


def _cdf(z: Tensor, weights: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """Distribution functions of one-dimensional mixtures at z (B, K, i)."""
    u = torch.zeros_like(z)
    for w, m, v in zip(weights.T, means.transpose(0, 1), variances, strict=True):
        u += w[:, None, None] * torch.special.ndtr((z - m[:, None]) / v.clamp(min=1e-30).sqrt())
    return u


def _quantile(levels: Tensor, weights: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """Inverse of ``_cdf`` by bisection: levels (1, K, 1) -> (B, K, i)."""
    reach = 8 * variances.sqrt()
    low, high = ((means + sign * reach) for sign in (-1, 1))
    low, high = (
        end[:, None].expand(-1, levels.shape[1], -1).clone() for end in (low.min(1).values, high.max(1).values)
    )
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = _cdf(middle, weights, means, variances) < levels
        low, high = middle.where(below, low), high.where(below, middle)
    return (low + high) / 2
