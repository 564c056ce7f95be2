"""Several samples: coverage, the continuous ranked probability score, and spread in both parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import invbench as ib
from invbench.metrics.samples import CRPS, Coverage, DiversityNull, DiversityRange, Spread

SIGMA, K, B = 0.1, 200, 6
SHAPE = (1, 2, 4)


def ensemble(K: int, spread: float, names: int = 400) -> tuple[Tensor, ib.Measurement]:
    """Truth ~ N(0, 1) per pixel and K samples ~ N(0, spread^2): exchangeable where spread is 1."""
    ids = tuple(str(i) for i in range(names))
    x = ib.Rng.for_images(ids, use="truth").randn(SHAPE)
    samples = spread * ib.Rng.for_images(ids, use="samples").randn((K, *SHAPE))
    A = ib.BlockMean(SHAPE, 2)
    return samples, ib.Measurement(ids, x, A(x), torch.tensor(1.0), ("",) * names, A)


@pytest.mark.parametrize("K", [4, 16, 64])
def test_coverage_is_nominal_for_exchangeable_samples(K: int) -> None:
    samples, m = ensemble(K, 1.0)
    scores = Coverage()(samples, m)
    assert float(scores.mean()) == pytest.approx(0, abs=0.03), "3200 pixels: four standard errors of at most 0.5"
    narrow, _ = ensemble(K, 0.5)
    assert float(Coverage()(narrow, m).mean()) < -0.1


def test_crps_is_its_double_sum_and_prefers_the_right_spread() -> None:
    samples, m = ensemble(8, 1.0)
    x, truth = samples.double(), m.x.double()
    pairs = (x[:, :, None] - x[:, None]).abs().flatten(3).mean(3).sum((1, 2)) / (8 * 7)
    expected = (x - truth[:, None]).abs().flatten(2).mean((1, 2)) - pairs / 2
    torch.testing.assert_close(CRPS()(samples, m), expected)
    right = float(CRPS()(samples, m).mean())
    assert right < min(float(CRPS()(ensemble(8, s)[0], m).mean()) for s in (0.3, 3.0))
    assert right == pytest.approx(0.5642, abs=0.05), "1 / sqrt(pi) for a standard normal"


def test_diversity_splits_the_spread() -> None:
    samples, m = ensemble(16, 0.5)
    total, inside, outside = (metric(samples, m) for metric in (Spread(), DiversityRange(), DiversityNull()))
    torch.testing.assert_close(inside**2 + outside**2, total**2)
    assert float(total.mean()) == pytest.approx(0.5, abs=0.03)
    assert float((inside**2).mean() / (total**2).mean()) == pytest.approx(2 / 8, abs=0.03), "two of eight directions"
