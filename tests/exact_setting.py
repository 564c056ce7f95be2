"""Measurements whose posterior is known, and exact samples of it."""

from __future__ import annotations

import torch
from torch import Tensor

import invbench as ib
from invbench.metrics import posterior as scores
from invbench.priors.exact import ExactPosterior
from invbench.priors.gmm import Covariance, GaussianMixture

SIGMA, K, B = 0.1, 200, 6


SHAPE = (1, 2, 4)


def mixture() -> GaussianMixture:
    """Two overlapping Gaussians over eight pixels with correlated covariances."""
    rng = ib.Rng.single(use="mixture")
    factors = [rng.randn((8, 8))[0].double() * 0.15 for _ in range(2)]
    covariances = tuple(Covariance.full(f @ f.T + 0.01 * torch.eye(8)) for f in factors)
    means = torch.stack([torch.full((8,), v, dtype=torch.float64) for v in (-0.3, 0.3)])
    return GaussianMixture(torch.tensor([0.3, 0.7], dtype=torch.float64), means, covariances)


class Setting:
    """Measurements of block means, the exact posterior, and K exact samples of each."""

    def __init__(self, A: ib.LinearOperator | None = None) -> None:
        self.A = A or ib.BlockMean(SHAPE, 2)
        names = [str(b) for b in range(B)]
        x = mixture().sample(ib.Rng.for_images(names, use="truth"))
        self.x = x.reshape(B, *SHAPE)
        y = self.A(self.x)
        self.y = y + SIGMA * ib.Rng.for_images(names, use="noise").randn_like(y)
        problem = ib.Problem(self.A, SIGMA, "task", "dataset")
        exact = ib.GmmPrior(mixture(), SHAPE).posterior(problem)
        assert isinstance(exact, ExactPosterior)
        self.exact = exact
        self.samples = self.draw("samples")

    def draw(self, use: str) -> Tensor:
        rng = ib.Rng.for_images([f"{b}-{k}" for b in range(B) for k in range(K)], use=use)
        flat = self.y.flatten(1).repeat_interleave(K, 0)
        return self.exact.posterior.sample(flat, rng).reshape(B, K, -1)

    def scored(self, x: Tensor) -> dict[str, float]:
        """Mean over images of every score."""
        m = ib.Measurement(
            tuple(map(str, range(B))), self.x, self.y, torch.tensor(SIGMA), ("",) * B, self.A, self.exact
        )
        metrics = [cls() for cls in scores.invbench_register_metrics()]
        usable = [metric for metric in metrics if metric.unavailable(m) is None]
        return {metric.name: float(metric(x.reshape(B, K, *SHAPE), m).mean()) for metric in usable}
