"""Gaussian mixtures: densities, scores and posteriors against dense algebra, autograd and numerical integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mixing import Matrix, draw, mixture3, spd
from scipy import stats
from torch import Tensor
from torch.distributions import MultivariateNormal

from invbench import ConfigError, LinearGaussianPosterior, Rng
from invbench.priors.gmm import Covariance, GaussianMixture

FACTOR = draw(5, 2, use="factor")
COVARIANCES = {
    "full": (Covariance.full(spd(5, "s")), spd(5, "s")),
    "diagonal": (Covariance.diagonal(torch.linspace(0.1, 2, 5)), torch.linspace(0.1, 2, 5).double().diag()),
    "low_rank": (Covariance.low_rank(FACTOR, 0.3), FACTOR @ FACTOR.T + 0.3 * torch.eye(5).double()),
}
each_covariance = pytest.mark.parametrize(("cov", "dense"), COVARIANCES.values(), ids=COVARIANCES.keys())


def dense_covariances(mixture: GaussianMixture) -> list[Tensor]:
    n = mixture.means.shape[1]
    return [cov.times(torch.eye(n).double()) for cov in mixture.covariances]


# Covariances.


@each_covariance
@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (0.3, 0.7), (0.0, 1.0)])
def test_covariance_inverse_and_determinant(cov: Covariance, dense: Tensor, a: float, b: float) -> None:
    v, blend = draw(4, 5), a * dense + b * torch.eye(5).double()
    torch.testing.assert_close(cov.inverse(v, a, b), torch.linalg.solve(blend, v.T).T, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(cov.logdet(a, b), blend.logdet(), rtol=1e-10, atol=1e-10)


@each_covariance
def test_covariance_takes_a_scale_per_row(cov: Covariance, dense: Tensor) -> None:
    v, a = draw(3, 5), torch.tensor([[0.2], [0.5], [0.9]]).double()
    rows = [cov.inverse(v[i : i + 1], float(a[i]), 1 - float(a[i])) for i in range(3)]
    torch.testing.assert_close(cov.inverse(v, a, 1 - a), torch.cat(rows))
    dets = [cov.logdet(float(x), 1 - float(x)) for x in a]
    torch.testing.assert_close(cov.logdet(a, 1 - a), torch.stack(dets))


@each_covariance
def test_covariance_products(cov: Covariance, dense: Tensor) -> None:
    v = draw(4, 5)
    torch.testing.assert_close(cov.times(v), v @ dense, rtol=1e-10, atol=1e-10)
    root = cov.root_times(torch.eye(5).double())
    torch.testing.assert_close(root @ root, dense, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(root, root.T, rtol=1e-10, atol=1e-10)


# Densities and scores.


def test_log_density_matches_torch_distributions() -> None:
    mixture, x = mixture3(), draw(6, 3)
    parts = [
        w.log() + MultivariateNormal(m, c).log_prob(x)
        for w, m, c in zip(mixture.weights, mixture.means, dense_covariances(mixture), strict=True)
    ]
    expected = torch.stack(parts, 1)
    torch.testing.assert_close(mixture.log_components(x), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(mixture.log_prob(x), expected.logsumexp(1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("abar", [1.0, 0.9, 0.5, 0.05, 1e-4])
def test_the_score_is_the_gradient_of_the_log_density(abar: float) -> None:
    mixture, x = mixture3(), draw(6, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(mixture.log_components(x, abar).logsumexp(1).sum(), x)
    torch.testing.assert_close(mixture.score(x.detach(), abar), gradient, rtol=1e-8, atol=1e-8)


# Posteriors.


def grid(n: int, points: int, reach: float = 3.0) -> tuple[Tensor, float]:
    """Points (P, n) of a box [-reach, reach]^n and the volume of a cell: the rectangle rule, exact to 1e-6 here."""
    axis = torch.linspace(-reach, reach, points).double()
    x = torch.stack(torch.meshgrid(*[axis] * n, indexing="ij"), -1).reshape(-1, n)
    return x, (2 * reach / (points - 1)) ** n


def plane() -> GaussianMixture:
    covs = (Covariance.full(torch.tensor([[0.2, 0.1], [0.1, 0.1]])), Covariance.diagonal(torch.tensor([0.05, 0.3])))
    means = torch.tensor([[-0.5, 0.2], [0.6, -0.1]]).double()
    return GaussianMixture(torch.tensor([0.35, 0.65]).double(), means, covs)


CASES = {
    "plane, one sum": (plane(), torch.tensor([[1.0, 0.5]]), 0.3, 401),
    "plane, two sums": (plane(), torch.tensor([[1.0, 0.5], [-0.3, 2.0]]), 0.4, 401),
    "space": (mixture3(), torch.tensor([[1.0, 0.5, 0.0], [0.0, -1.0, 2.0]]), 0.5, 81),
}


@pytest.mark.parametrize(("mixture", "H", "sigma", "points"), CASES.values(), ids=CASES.keys())
def test_the_posterior_is_bayes_rule(mixture: GaussianMixture, H: Tensor, sigma: float, points: int) -> None:
    H = H.double()
    m, n = H.shape
    y = torch.linspace(0.3, -0.4, m).double()[None]
    posterior = LinearGaussianPosterior(mixture, Matrix(H), sigma)

    x, cell = grid(n, points)
    likelihood = torch.exp(-0.5 * ((y - x @ H.T) / sigma).square().sum(1))
    parts = torch.stack(
        [
            w * MultivariateNormal(mu, c).log_prob(x).exp() * likelihood
            for w, mu, c in zip(mixture.weights, mixture.means, dense_covariances(mixture), strict=True)
        ]
    )
    masses = parts.sum(1)
    weights = masses / masses.sum()
    means = parts @ x / masses[:, None]
    covs = torch.stack([(p[:, None] * (x - c)).T @ (x - c) / p.sum() for p, c in zip(parts, means, strict=True)])

    close = {"rtol": 0, "atol": 2e-5}
    torch.testing.assert_close(posterior.weights(y)[0], weights, **close)
    torch.testing.assert_close(posterior.means(y)[0], means, **close)
    torch.testing.assert_close(posterior.covariances(), covs, **close)
    torch.testing.assert_close(posterior.mean(y)[0], weights @ means, **close)
    density = parts.sum(0) / (masses.sum() * cell)
    exact = posterior.log_prob(x, y.expand(len(x), -1)).exp()
    torch.testing.assert_close(exact, density, rtol=0, atol=2e-5 * density.max().item())
    assert (exact.sum() * cell).item() == pytest.approx(1, abs=2e-5)


def test_posterior_rows_do_not_interact() -> None:
    posterior = LinearGaussianPosterior(mixture3(), Matrix(draw(2, 3, use="H")), 0.3)
    y, rng = draw(3, 2, use="y"), [Rng.for_images([name], seed=0) for name in "abc"]
    batch = posterior.sample(y, Rng.for_images("abc", seed=0))
    singles = torch.cat([posterior.sample(y[i : i + 1], rng[i]) for i in range(3)])
    torch.testing.assert_close(batch, singles, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.0, -0.1])
def test_the_posterior_needs_noise(sigma: float) -> None:
    with pytest.raises(ConfigError, match="needs a noise level above 0"):
        LinearGaussianPosterior(mixture3(), Matrix(torch.eye(3).double()), sigma)


# Samples.

N = 20_000
IDS = [str(i) for i in range(N)]


def moments(weights: Tensor, means: Tensor, covs: list[Tensor] | Tensor) -> tuple[Tensor, Tensor]:
    mean = weights @ means
    second = sum(w * (c + torch.outer(m, m)) for w, m, c in zip(weights, means, covs, strict=True))
    return mean, second - torch.outer(mean, mean)


def check_samples(x: Tensor, weights: Tensor, means: Tensor, covs: list[Tensor] | Tensor) -> None:
    """First and second moments within five standard errors, and every marginal by Kolmogorov-Smirnov."""
    mean, cov = moments(weights, means, covs)
    std = cov.diagonal().sqrt()
    assert ((x.mean(0) - mean).abs() < 5 * std / math.sqrt(N)).all()
    errors = 5 * 2 * torch.outer(std, std) / math.sqrt(N)  # var(x_i x_j) <= 4 s_i^2 s_j^2 for these mixtures
    assert ((x.T.cov() - cov).abs() < errors).all()
    for axis in range(x.shape[1]):

        def cdf(v: np.ndarray, axis: int = axis) -> np.ndarray:
            return sum(
                float(w) * stats.norm.cdf(v, float(m[axis]), math.sqrt(float(c[axis, axis])))
                for w, m, c in zip(weights, means, covs, strict=True)
            )

        assert stats.kstest(x[:, axis].numpy(), cdf).pvalue > 1e-3


def test_prior_samples_follow_the_mixture() -> None:
    mixture = mixture3()
    x = mixture.sample(Rng.for_images(IDS, seed=0))
    check_samples(x, mixture.weights, mixture.means, dense_covariances(mixture))


def test_posterior_samples_follow_the_posterior() -> None:
    posterior = LinearGaussianPosterior(mixture3(), Matrix(torch.tensor([[1.0, 0.5, -0.2]]).double()), 0.4)
    y = torch.full((1, 1), 0.1).double()
    x = posterior.sample(y.expand(N, -1), Rng.for_images(IDS, seed=1))
    check_samples(x, posterior.weights(y)[0], posterior.means(y)[0], posterior.covariances())
