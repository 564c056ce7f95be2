"""Confidence intervals."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000


def bca_interval(values: NDArray[np.float64], level: float = 0.95, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron, 1987); the same for the same values.

    Equal values give an interval of no width; a single value gives (nan, nan).
    """
    n = len(values)
    if n < 2:
        return float("nan"), float("nan")
    mean = values.mean()
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        return float(mean), float(mean)
    picks = np.random.default_rng(0).integers(0, n, (resamples, n))
    means = np.sort(values[picks].mean(axis=1))
    normal = NormalDist()
    below = (np.sum(means < mean) + np.sum(means <= mean)) / (2 * resamples)
    bias = normal.inv_cdf(min(max(below, 1 / resamples), 1 - 1 / resamples))
    jackknife = (values.sum() - values) / (n - 1)
    d = jackknife.mean() - jackknife
    acceleration = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + normal.inv_cdf(tail)
        ends.append(float(np.quantile(means, normal.cdf(bias + z / (1 - acceleration * z)))))
    return ends[0], ends[1]
