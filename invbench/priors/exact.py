"""Samples against an exact posterior, separately in the range of H^T and in the null space of H.

The operator measures the first part of the image space and not the second. No score depends on the basis that a
decomposition returns for them, which differs between processors if singular values are equal: means and spreads are
summed over a whole part, and shapes are compared along fixed random directions of the image space, projected onto the
part. Along any direction the posterior is a one-dimensional mixture of Gaussians.
"""

from __future__ import annotations

import torch
from torch import Tensor

from invbench import Part, Rng
from invbench.priors.gmm import LinearGaussianPosterior

DIRECTIONS = 64
BISECTIONS = 40
CENTRAL = 0.9


class ExactPosterior:
    """p(x | y) of a mixture prior and a linear operator. Samples are (B, K, n) and measurements (B, m), float64."""

    def __init__(self, posterior: LinearGaussianPosterior) -> None:
        self.posterior = posterior
        _, s, Vt = torch.linalg.svd(posterior.H)
        rank = int((s > 1e-5 * s.max()).sum())
        self.bases: dict[Part, Tensor] = {"range": Vt[:rank].T, "null": Vt[rank:].T}  # orthonormal, (n, dimension)
        self._covariances = posterior.covariances()
        self._traces = {part: torch.einsum("ni,kni->k", V, self._covariances @ V) for part, V in self.bases.items()}

    def flat(self, y: Tensor) -> Tensor:
        """Measurements (B, *y_shape) in the form that the other methods take."""
        return self.posterior.flat(y)

    def sample(self, y: Tensor, rng: Rng) -> Tensor:
        """One exact draw per row: (B, m) -> (B, n)."""
        return self.posterior.sample(y, rng)

    def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
        """Log density of x (B, n) given y (B, m): (B,)."""
        return self.posterior.log_prob(x, y)

    def dimension(self, part: Part) -> int:
        """Dimension of the range or the null space of H."""
        return self.bases[part].shape[1]

    def directions(self, part: Part) -> Tensor:
        """Unit vectors (n, 64): random directions of the image space, projected onto a part."""
        V = self.bases[part]
        g = Rng.single(purpose="directions").randn((len(V), DIRECTIONS))[0].double()
        inside = V @ (V.T @ g)
        return inside / inside.norm(dim=0)

    def mean_gap(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """Distance of the samples' mean from E[x | y], in standard deviations of the posterior: (B,)."""
        gap = (x.mean(1) - self.posterior.mean(y)) @ self.bases[part]
        return (gap.square().sum(1) / self.variance(y, part)).sqrt()

    def spread_ratio(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """Root mean square standard deviation of the samples over that of the posterior: (B,). 1 is right."""
        return ((x @ self.bases[part]).var(1).sum(1) / self.variance(y, part)).sqrt()

    def variance(self, y: Tensor, part: Part) -> Tensor:
        """Variance of the posterior, summed over a part: (B,)."""
        apart = (self.posterior.means(y) - self.posterior.mean(y)[:, None]) @ self.bases[part]  # (B, c, dimension)
        return (self.posterior.weights(y) * (self._traces[part] + apart.square().sum(2))).sum(1)

    def coverage(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """Share of the samples inside the posterior's central 90 % interval: (B,). 0.9 is right."""
        directions = self.directions(part)
        u = _cdf(x @ directions, *self._along(y, directions))
        return ((u - 0.5).abs() < CENTRAL / 2).double().flatten(1).mean(1)

    def sliced_wasserstein(self, x: Tensor, y: Tensor, part: Part) -> Tensor:
        """2-Wasserstein distance along the directions, in standard deviations of the posterior: (B,).

        The k-th of K sorted projections is compared with the posterior's quantile at (k - 1/2) / K.
        """
        directions = self.directions(part)
        along = self._along(y, directions)
        K = x.shape[1]
        levels = ((torch.arange(K, dtype=torch.float64) + 0.5) / K)[None, :, None]
        distance = (x @ directions).sort(dim=1).values - _quantile(levels, *along)
        scale = _total(*along)[1].mean(1)
        return (distance.square().mean((1, 2)) / scale).sqrt()

    def mode_error(self, x: Tensor, y: Tensor) -> Tensor:
        """Total variation between the components the samples fall into and the posterior's weights: (B,)."""
        B, K, n = x.shape
        shares = self.posterior.mixture.log_components(x.reshape(-1, n)).softmax(1).reshape(B, K, -1).mean(1)
        return 0.5 * (shares - self.posterior.weights(y)).abs().sum(1)

    def _along(self, y: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (B, c), means (B, c, i) and variances (c, i) of the components along directions (n, i)."""
        variances = torch.einsum("ni,knm,mi->ki", directions, self._covariances, directions).clamp(min=0)
        return self.posterior.weights(y), self.posterior.means(y) @ directions, variances


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
