"""Confidence intervals, and the significance of differences between solvers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
RESAMPLES = 2000
SET_RESAMPLES = 100
CACHED = 4096  # images up to which the resamples of a table are cached
FLIPS = 10_000
SIGNIFICANT = 0.05
ROUNDING = 1e-6  # of a score, which is as good as none


def differences(new: NDArray[np.float64], old: NDArray[np.float64]) -> NDArray[np.float64]:
    """New minus old, pair by pair; 0 for equal scores, also infinite ones (two exact restorations have the same PSNR).

    Scores of float32 images that differ by less than a millionth are equal: another processor changes them by as much.

    >>> differences(np.array([np.inf, np.inf, 2.0, 25.00001]), np.array([np.inf, 30.0, 1.0, 25.0]))
    array([ 0., inf,  1.,  0.])
    """
    unequal = ~np.isclose(new, old, rtol=ROUNDING, atol=0)
    return np.subtract(new, old, out=np.zeros(np.shape(new)), where=unequal)


def mean_difference(values: NDArray[np.float64]) -> float:
    """The mean of differences; infinite if more of them are infinite in one direction than in the other.

    >>> mean_difference(np.array([np.inf, 1.0, -3.0])), mean_difference(np.array([np.inf, -np.inf, 3.0]))
    (inf, 1.0)
    """
    infinite = np.isinf(values)
    balance = np.sign(values[infinite]).sum()
    return float(balance * np.inf) if balance else float(np.where(infinite, 0.0, values).mean())


def bounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences (pairs, ...) with infinite ones replaced by finite ones that outweigh all others of their column.

    Their sign is known and their size is not, so a test uses only their signs.
    """
    infinite = np.isinf(values)
    if not infinite.any():
        return values
    most = np.abs(np.where(infinite, 0.0, values)).max(axis=0)
    weight = 2.0 * len(values) * np.where(most > 0, most, 1.0)
    return np.where(infinite, np.sign(values) * weight, values)


def bca_interval(values: NDArray[np.float64], level: float = 0.95, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron, 1987); the same for the same values.

    Expanded for few values (Hesterberg, 2015): quantiles of Student's t times sqrt(n / (n - 1)) in place of the
    normal's; otherwise it would cover 92 % at n = 16. Equal values give an interval of width zero; a single value gives
    (nan, nan). If values are infinite, both ends are their mean.
    """
    return bca_intervals(values[:, None], level, resamples)[0]


def bca_intervals(
    values: NDArray[np.float64], level: float = 0.95, resamples: int = RESAMPLES
) -> list[tuple[float, float]]:
    """The same for each column of (images, columns)."""
    n, k = values.shape
    if n < 2:
        return [(float("nan"), float("nan"))] * k
    with np.errstate(invalid="ignore"):  # of inf and -inf, nan
        means = values.mean(axis=0)
    intervals = [(float(mean), float(mean)) for mean in means]
    spread = [j for j, column in enumerate(values.T) if np.isfinite(column).all() and np.ptp(column) > 0]
    resampled = np.sort(_resampled_means(values[:, spread], resamples), axis=0)
    for i, column in enumerate(spread):
        intervals[column] = _ends(values[:, column], resampled[:, i], level)
    return intervals


def _ends(values: NDArray[np.float64], means: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Ends of the interval of values that are not all equal, from the sorted means of resamples."""
    n, resamples, normal = len(values), len(means), NormalDist()
    mean, slack = values.mean(), 1e-12 * np.ptp(values)  # a resample's mean is rounded
    below = (np.sum(means < mean - slack) + np.sum(means <= mean + slack)) / (2 * resamples)
    bias = normal.inv_cdf(min(max(below, 1 / resamples), 1 - 1 / resamples))
    jackknife = (values.sum() - values) / (n - 1)
    d = jackknife.mean() - jackknife
    acceleration = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    half = (n / (n - 1)) ** 0.5 * _t_quantile((1 + level) / 2, n - 1)
    zs = [bias - half, bias + half]
    low, high = np.quantile(means, [normal.cdf(bias + z / (1 - acceleration * z)) for z in zs])
    return float(low), float(high)


@lru_cache(maxsize=256)
def _t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t distribution with ``df`` degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def _t_p(t: float, df: float) -> float:
    """Probability of a value of Student's t distribution at least as far from 0."""
    from scipy.special import stdtr

    return float(2 * stdtr(df, -abs(t)))


def columnwise(of: Callable[[NDArray[np.float64]], Iterable[T]], columns: Sequence[NDArray[np.float64]]) -> list[T]:
    """``of`` maps (n, k) to a value for each column; columns of equal length are passed together, for speed."""
    by_length: dict[int, list[int]] = {}
    for i, column in enumerate(columns):
        by_length.setdefault(len(column), []).append(i)
    results: dict[int, T] = {}
    for places in by_length.values():
        results.update(zip(places, of(np.stack([columns[i] for i in places], axis=1)), strict=True))
    return [results[i] for i in range(len(columns))]


def _resampled_means(values: NDArray[np.float64], resamples: int) -> NDArray[np.float64]:
    """(n, k) -> (resamples, k)."""
    n = len(values)
    return _weights(n, resamples) @ values if n <= CACHED else values[_picks(n, resamples)].mean(axis=1)


@lru_cache(maxsize=2)
def _weights(n: int, resamples: int) -> NDArray[np.float64]:
    """(resamples, n): how often each resample holds each image, over n; the same in every column of a table."""
    cells = _picks(n, resamples) + n * np.arange(resamples)[:, None]
    return np.bincount(cells.ravel(), minlength=n * resamples).reshape(resamples, n) / n


def _picks(n: int, resamples: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(0, n, (resamples, n))


def set_interval(
    scores: Callable[[NDArray[np.int64]], Sequence[float]],
    value: float,
    groups: Sequence[str],
    resamples: int = SET_RESAMPLES,
) -> tuple[float, float]:
    """95 % interval of a set's score: value -+ 1.96 bootstrap standard deviations over its clusters of images.

    ``groups`` are those of its n images; ``scores`` are those of resamples (resamples, n). Not percentiles: a resample
    repeats images, which raises most distances.
    """
    spread = float(np.std(np.asarray(scores(_clusters_of(groups, resamples)), float), ddof=1))
    return value - 1.96 * spread, value + 1.96 * spread


def jackknife_difference(lead: float, new: Sequence[float], old: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """p that a difference of two scores of sets is 0, and its 95 % interval, from both scores without each group.

    The same k groups of images are left out of both, so that what these images do to both scores cancels; t with
    k - 1 degrees of freedom. (1, lead to lead) if all differences are equal and 0. Needs two groups.
    """
    differences = np.subtract(new, old)
    k = len(differences)
    spread = float(np.sqrt((k - 1) / k * np.square(differences - differences.mean()).sum()))
    half = _t_quantile(0.975, k - 1) * spread
    if not spread:
        return float(lead == 0), (lead, lead)
    return _t_p(abs(lead) / spread, k - 1), (lead - half, lead + half)


def _clusters_of(groups: Sequence[str], resamples: int) -> NDArray[np.int64]:
    """(resamples, n): indices of the images of clusters drawn with replacement, as many images as there are."""
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    clusters, n = list(members.values()), len(groups)
    if len(clusters) == n:
        return _picks(n, resamples)
    draws = np.random.default_rng(0).integers(0, len(clusters), (resamples, n))  # at least one image each
    return np.array([[i for pick in draw for i in clusters[pick]][:n] for draw in draws])


def sign_flip_p(differences: NDArray[np.float64], flips: int = FLIPS) -> float:
    """Two-sided p-value of a mean difference of pairs, by random sign flips; exact for up to 13 pairs.

    >>> sign_flip_p(np.ones(5))
    0.0625
    """
    return float(sign_flip_ps(differences[:, None], flips)[0])


def sign_flip_ps(differences: NDArray[np.float64], flips: int = FLIPS) -> NDArray[np.float64]:
    """The same for each column of (pairs, columns). Raises ValueError for differences that are not numbers.

    An infinite difference, between an exact restoration and another, outweighs all finite ones.
    """
    if np.isnan(differences).any():
        raise ValueError("differences must be numbers; leave out pairs with nan")
    differences = bounded(differences)
    n, means = len(differences), abs(differences.mean(axis=0))
    if 2**n <= flips:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return np.mean(abs(signs @ differences) / n >= means * (1 - 1e-12), axis=0)
    signs = _signs(n, flips) if n <= CACHED else _signs.__wrapped__(n, flips)
    return (1 + np.sum(abs(signs @ differences) / n >= means * (1 - 1e-12), axis=0)) / (1 + flips)


@lru_cache(maxsize=2)
def _signs(n: int, flips: int) -> NDArray[np.float64]:
    """(flips, n) of -1 and 1; the same in every column of a table."""
    bits = np.random.default_rng(0).integers(0, 2, (flips, n))
    return bits.astype(np.float64) * 2 - 1


def can_be_significant(n: int, comparisons: int = 1) -> bool:
    """Whether n pairs can be significant at 5 % at all, by sign flips and Holm's correction over the comparisons.

    >>> can_be_significant(5), can_be_significant(6), can_be_significant(6, comparisons=2)
    (False, True, False)
    """
    return comparisons * 2.0 ** (1 - n) < SIGNIFICANT


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, worst = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = round(worst, 12)
    return adjusted


def required_sample_size(differences: NDArray[np.float64], power: float = 0.8) -> float:
    """Number of pairs with which a two-sided 5 % test detects the observed mean difference with this probability.

    Infinite if there is no difference. Infinite differences count as in ``sign_flip_p``.

    The normal approximation with Guenther's correction for an estimated spread; at least six, since with fewer pairs no
    difference can be significant by sign flips.
    """
    differences = bounded(differences)
    mean, spread = abs(differences.mean()), differences.std(ddof=1)
    if mean == 0:
        return float("inf")
    z, z_power = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(power)
    return float(np.ceil(max(6.0, ((z + z_power) * spread / mean) ** 2 + z**2 / 2)))


def components(values: NDArray[np.float64]) -> tuple[float, float, float, float, float]:
    """Variance components of scores (images, seeds), both random and crossed, by the method of moments.

    Returns the mean, the half-width of its 95 % interval for other images and seeds (Student's t with Satterthwaite's
    degrees of freedom), and the standard deviations between images, between seeds, and of the residual. Needs two of
    each.
    """
    n, k = values.shape
    mean = values.mean()
    by_image, by_seed = values.mean(1) - mean, values.mean(0) - mean
    rest = values - mean - by_image[:, None] - by_seed
    within = (rest**2).sum() / ((n - 1) * (k - 1))
    images = max(0.0, (by_image**2).sum() / (n - 1) - within / k)
    seeds = max(0.0, (by_seed**2).sum() / (k - 1) - within / n)
    squares = np.array([images * k + within, seeds * n + within, within])  # expected mean squares, with their freedom
    error = (squares[0] + squares[1] - squares[2]) / (n * k)
    uncertainty = (squares**2 / np.array([n - 1, k - 1, (n - 1) * (k - 1)])).sum() / (n * k) ** 2
    half = _t_quantile(0.975, max(1.0, error**2 / uncertainty)) * error**0.5 if error else 0.0
    return float(mean), float(half), float(images**0.5), float(seeds**0.5), float(within**0.5)
