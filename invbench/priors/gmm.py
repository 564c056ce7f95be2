"""Gaussian mixtures: the score is known at every noise level, and so is the posterior.

For x ~ sum_k pi_k N(mu_k, Sigma_k) and y = H x + sigma n with a linear H, the posterior is a mixture again:

    weights  pi_k N(y; H mu_k, S_k),  S_k = H Sigma_k H^T + sigma^2 I
    means    mu_k + G_k (y - H mu_k), G_k = Sigma_k H^T S_k^{-1}
    covs     Sigma_k - G_k H Sigma_k

All arithmetic is in float64; vectors are flattened images (n = C H W).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench import ConfigError, LinearOperator, Rng, real_parts

Scalar = float | Tensor  # a number, or one per row as (B, 1)


@dataclass(frozen=True)
class Covariance:
    """Sigma = Q diag(values) Q^T + floor I, with orthonormal columns Q (n, r), the Kronecker product of ``factors``.

    No factors mean the identity. Build with ``full``, ``diagonal``, ``low_rank`` or ``kronecker``. The methods work
    with a Sigma + b I, the covariance of sqrt(a) x + sqrt(b) noise.
    """

    factors: tuple[Tensor, ...]
    values: Tensor
    floor: float
    n: int

    @classmethod
    def full(cls, matrix: Tensor) -> Covariance:
        """From a symmetric positive semi-definite matrix (n, n)."""
        return cls.kronecker(matrix)

    @classmethod
    def kronecker(cls, *matrices: Tensor) -> Covariance:
        """The Kronecker product of symmetric positive semi-definite matrices, over images of their sizes."""
        pairs = [torch.linalg.eigh(m.double()) for m in matrices]
        values = torch.ones(1, dtype=torch.float64)
        for v, _ in pairs:
            values = torch.kron(values, v.clamp(min=0))
        return cls(tuple(q for _, q in pairs), values, 0.0, len(values))

    @classmethod
    def diagonal(cls, variances: Tensor) -> Covariance:
        """From variances (n,)."""
        return cls((), variances.double(), 0.0, len(variances))

    @classmethod
    def low_rank(cls, factor: Tensor, floor: float) -> Covariance:
        """F F^T + floor I from F (n, r), r <= n."""
        basis, s, _ = torch.linalg.svd(factor.double(), full_matrices=False)
        return cls((basis,), s**2, floor, len(factor))

    def inverse(self, v: Tensor, a: Scalar = 1.0, b: Scalar = 0.0) -> Tensor:
        """(a Sigma + b I)^{-1} v for rows v (B, n)."""
        scale = a * (self.values + self.floor) + b
        w = _rotate(v, self.factors)
        if len(self.values) == self.n:
            return _rotate(w / scale, [q.T for q in self.factors])
        rest = a * self.floor + b
        return v / rest + _rotate(w * (1 / scale - 1 / rest), [q.T for q in self.factors])

    def logdet(self, a: Scalar = 1.0, b: Scalar = 0.0) -> Tensor:
        """log det(a Sigma + b I), scalar or (B,)."""
        total = (a * (self.values + self.floor) + b).log().sum(-1)
        if len(self.values) < self.n:
            rest = torch.as_tensor(a * self.floor + b, dtype=torch.float64)
            total = total + (self.n - len(self.values)) * rest.log().reshape(total.shape)
        return total

    def times(self, v: Tensor) -> Tensor:
        """Sigma v for rows v (B, n)."""
        return self._spectral(v, self.values + self.floor, self.floor)

    def root_times(self, z: Tensor) -> Tensor:
        """Sigma^{1/2} z, symmetric root, for rows z (B, n)."""
        return self._spectral(z, (self.values + self.floor).sqrt(), math.sqrt(self.floor))

    def _spectral(self, v: Tensor, values: Tensor, rest: float) -> Tensor:
        if len(self.values) == self.n:
            return _rotate(_rotate(v, self.factors) * values, [q.T for q in self.factors])
        return rest * v + _rotate(_rotate(v, self.factors) * (values - rest), [q.T for q in self.factors])


@dataclass(frozen=True)
class GaussianMixture:
    """sum_k weights[k] N(means[k], covariances[k]); weights (K,), means (K, n), float64."""

    weights: Tensor
    means: Tensor
    covariances: tuple[Covariance, ...]

    def log_components(self, x: Tensor, abar: Scalar = 1.0) -> Tensor:
        """log(pi_k N(x; sqrt(abar) mu_k, abar Sigma_k + (1 - abar) I)): (B, n) -> (B, K)."""
        return self._residuals(x, abar)[0]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density of the mixture: (B, n) -> (B,)."""
        return self.log_components(x).logsumexp(1)

    def score(self, x: Tensor, abar: Scalar) -> Tensor:
        """Gradient of the log density of sqrt(abar) x_0 + sqrt(1 - abar) noise at x: (B, n) -> (B, n)."""
        logs, pulls = self._residuals(x, abar)
        return -(logs.softmax(1)[:, :, None] * pulls).sum(1)

    def sample(self, rng: Rng) -> Tensor:
        """One draw per generator, (B, n)."""
        k = _choose(self.weights.expand(len(rng), -1), rng)
        return self._given(k, rng.randn((self.means.shape[1],)).double())

    def _given(self, k: Tensor, z: Tensor) -> Tensor:
        """mu_k + Sigma_k^{1/2} z, row by row: k (B,), z (B, n)."""
        x = self.means[k]
        for j in k.unique():
            rows = k == j
            x[rows] += self.covariances[j].root_times(z[rows])
        return x

    def _residuals(self, x: Tensor, abar: Scalar) -> tuple[Tensor, Tensor]:
        """Log components (B, K) and (abar Sigma_k + (1 - abar) I)^{-1} (x - sqrt(abar) mu_k), (B, K, n)."""
        logs, pulls = [], []
        for pi, mu, cov in zip(self.weights, self.means, self.covariances, strict=True):
            r = x - abar**0.5 * mu
            pull = cov.inverse(r, abar, 1 - abar)
            quad = (r * pull).sum(1)
            norm = cov.logdet(abar, 1 - abar) + cov.n * math.log(2 * math.pi)
            logs.append(pi.log() - 0.5 * (quad + norm))
            pulls.append(pull)
        return torch.stack(logs, 1), torch.stack(pulls, 1)


class LinearGaussianPosterior:
    """p(x | y) for y = H x + sigma_y n under a mixture: exact weights, means, samples and log density.

    Measurements are flat, (B, m) float64 on the CPU, as ``flat`` makes them.
    """

    def __init__(self, mixture: GaussianMixture, A: LinearOperator, sigma_y: float) -> None:
        if sigma_y <= 0:
            raise ConfigError(f"the exact posterior needs a noise level above 0; got {sigma_y:g}")
        self.mixture, self.sigma_y = mixture, sigma_y
        n = mixture.means.shape[1]
        eye = torch.eye(n, dtype=torch.float64).reshape(n, *A.x_shape)
        self.H = self.flat(A.to("cpu")(eye)).T  # (m, n)
        m = len(self.H)
        noise = sigma_y**2 * torch.eye(m, dtype=torch.float64)
        self.HS = torch.stack([cov.times(self.H) for cov in mixture.covariances])  # H Sigma_k, (K, m, n)
        self.cholesky = torch.linalg.cholesky(self.HS @ self.H.T + noise)
        self.gain = torch.cholesky_solve(self.HS, self.cholesky).mT  # (K, n, m)

    @staticmethod
    def flat(y: Tensor) -> Tensor:
        """(B, *y_shape) -> (B, m) float64 on the CPU: its numbers, of a complex y its real and imaginary parts."""
        return real_parts(y).flatten(1).cpu().double()

    def weights(self, y: Tensor) -> Tensor:
        """Posterior weights: (B, m) -> (B, K)."""
        return self._log_weights(y).softmax(1)

    def means(self, y: Tensor) -> Tensor:
        """Component means: (B, m) -> (B, K, n)."""
        r = y[:, None] - self.mixture.means @ self.H.T  # (B, K, m)
        return self.mixture.means + torch.einsum("knm,bkm->bkn", self.gain, r)

    def mean(self, y: Tensor) -> Tensor:
        """E[x | y], the minimiser of the mean squared error: (B, m) -> (B, n)."""
        return (self.weights(y)[:, :, None] * self.means(y)).sum(1)

    def covariances(self) -> Tensor:
        """Component covariances (K, n, n); they do not depend on y."""
        eye = torch.eye(self.H.shape[1], dtype=torch.float64)
        sigma = torch.stack([cov.times(eye) for cov in self.mixture.covariances])
        return sigma - self.gain @ self.HS

    def sample(self, y: Tensor, rng: Rng) -> Tensor:
        """One draw per row: a prior draw corrected by the gain times its misfit (Matheron's rule)."""
        k = _choose(self.weights(y), rng)
        x = self.mixture._given(k, rng.randn((self.H.shape[1],)).double())
        misfit = y - x @ self.H.T - self.sigma_y * rng.randn_like(y)
        return x + torch.einsum("bnm,bm->bn", self.gain[k], misfit)

    def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
        """log p(x | y) by Bayes' rule: (B, n), (B, m) -> (B,)."""
        r = (y - x @ self.H.T) / self.sigma_y
        log_likelihood = -0.5 * r.square().sum(1) - y.shape[1] * math.log(self.sigma_y * math.sqrt(2 * math.pi))
        return self.mixture.log_prob(x) + log_likelihood - self._log_weights(y).logsumexp(1)

    def _log_weights(self, y: Tensor) -> Tensor:
        """log(pi_k N(y; H mu_k, S_k)), (B, K)."""
        r = (y[:, None] - self.mixture.means @ self.H.T).permute(1, 2, 0)  # (K, m, B)
        white = torch.linalg.solve_triangular(self.cholesky, r, upper=False)
        logdet = 2 * self.cholesky.diagonal(dim1=1, dim2=2).log().sum(1)
        norm = logdet + y.shape[1] * math.log(2 * math.pi)
        return self.mixture.weights.log() - 0.5 * (white.square().sum(1).T + norm)


def _rotate(v: Tensor, factors: Sequence[Tensor]) -> Tensor:
    """v (Q_1 x Q_2 x ...) for rows v (B, n), one factor at a time."""
    w, before = v, len(v)
    for q in factors:
        after = w.numel() // (before * len(q))
        w = w.reshape(before * after, -1) @ q if after == 1 else q.T @ w.reshape(before, len(q), after)
        before *= q.shape[1]
    return w.reshape(len(v), -1)


def _choose(weights: Tensor, rng: Rng) -> Tensor:
    """A component per row by inverse CDF: weights (B, K) -> (B,)."""
    u = rng.rand(()).double()[:, None]
    return (weights.cumsum(1) < u).sum(1).clamp(max=weights.shape[1] - 1)
