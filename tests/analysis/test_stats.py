"""Confidence intervals against scipy, at their edges, and by how often they hold the truth."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from invbench.analysis.rows import format_mean
from invbench.analysis.stats import (
    bca_interval,
    bca_intervals,
    bounded,
    columnwise,
    components,
    differences,
    holm,
    jackknife_difference,
    mean_difference,
    required_sample_size,
    set_interval,
    sign_flip_p,
    sign_flip_ps,
)


def sample(kind: str, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return {"normal": rng.normal(30, 2, n), "skewed": rng.lognormal(0, 0.8, n)}[kind]


def expanded(level: float, n: int) -> float:
    """The level at which an interval that is not expanded for few values has the ends of one that is."""
    return float(2 * stats.norm.cdf((n / (n - 1)) ** 0.5 * stats.t.ppf((1 + level) / 2, n - 1)) - 1)


@pytest.mark.parametrize("n", [8, 24, 100])
@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_it_is_the_interval_of_scipy(kind: str, n: int, level: float) -> None:
    values = sample(kind, n)
    expected = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=expanded(level, n),
        n_resamples=20_000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    low, high = bca_interval(values, level)
    # An end is a quantile of 2000 resamples, which scatters by some 4 % of the width.
    assert low == pytest.approx(expected.low, abs=0.12 * (expected.high - expected.low))
    assert high == pytest.approx(expected.high, abs=0.12 * (expected.high - expected.low))
    assert low < values.mean() < high


def test_many_resamples_converge_to_scipy() -> None:
    values = sample("skewed", 30)
    expected = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=expanded(0.95, 30),
        n_resamples=50_000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    ends = bca_interval(values, resamples=50_000)
    np.testing.assert_allclose(ends, expected, rtol=0, atol=0.025 * (expected.high - expected.low))


def test_a_skewed_sample_has_a_longer_upper_side() -> None:
    values = sample("skewed", 50)
    low, high = bca_interval(values)
    assert high - values.mean() > 1.1 * (values.mean() - low)


def test_the_same_values_give_the_same_interval() -> None:
    values = sample("normal", 20)
    assert bca_interval(values) == bca_interval(values.copy())


def test_it_moves_and_scales_with_the_values() -> None:
    values = sample("skewed", 20)
    low, high = bca_interval(values)
    np.testing.assert_allclose(bca_interval(10 + 3 * values), (10 + 3 * low, 10 + 3 * high), rtol=1e-9)


def test_a_higher_level_is_wider() -> None:
    values = sample("normal", 20)
    (a, b), (c, d) = bca_interval(values, 0.8), bca_interval(values, 0.99)
    assert c < a < b < d


@pytest.mark.parametrize("values", [[], [3.0]])
def test_fewer_than_two_values_have_no_interval(values: list[float]) -> None:
    assert all(math.isnan(end) for end in bca_interval(np.array(values)))


def test_equal_values_have_no_width() -> None:
    assert bca_interval(np.full(5, 2.5)) == (2.5, 2.5)


@pytest.mark.parametrize("odd", [math.inf, math.nan])
def test_a_value_that_is_not_finite_shows(odd: float) -> None:
    low, high = bca_interval(np.array([1.0, 2.0, odd]))
    assert not math.isfinite(low)
    assert not math.isfinite(high)


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0, 0.0, 0.0, 100.0], [1.0, 1.0 + 1e-12, 1.0]])
def test_hard_samples_give_ordered_ends_within_the_values(values: list[float]) -> None:
    low, high = bca_interval(np.array(values))
    assert min(values) <= low <= high <= max(values)


@pytest.mark.parametrize("n", [16, 48, 100])
@pytest.mark.parametrize("skewness", [0.0, 0.5, 1.0])
def test_intervals_cover_as_often_as_they_say(n: int, skewness: float) -> None:
    """Of 2000 intervals (standard error 0.5 %), as skewed as scores of images are: PSNR of our records has 0 to 1."""
    rng = np.random.default_rng(n)
    values = rng.gamma(4 / skewness**2, 1, (n, 2000)) if skewness else rng.normal(30, 4, (n, 2000))
    truth = 4 / skewness**2 if skewness else 30.0
    held = [low <= truth <= high for low, high in bca_intervals(values)]
    assert 0.93 <= np.mean(held) <= 0.97


def test_of_very_skewed_values_intervals_cover_less() -> None:
    """Skewness 3.7, as no score has: known, and said here."""
    values = np.random.default_rng(0).lognormal(0, 0.8, (48, 1000))
    assert 0.90 <= np.mean([low <= math.exp(0.32) <= high for low, high in bca_intervals(values)]) <= 0.95


@pytest.mark.parametrize("spread", [0.1, 1.0, 2.0, 4.0])
def test_the_required_sample_size_finds_the_difference_by_sign_flips_as_often_as_asked(spread: float) -> None:
    rng = np.random.default_rng(5)
    n = int(required_sample_size(rng.normal(1, spread, 100_000)))
    ps = sign_flip_ps(rng.normal(1, spread, (n, 1000)), 2000)
    assert np.mean(ps < 0.05) >= 0.77
    assert n >= 6


def test_scores_apart_by_rounding_alone_are_equal() -> None:
    """A difference of one sign in the last digit would else be one that every interval and test finds."""
    old = np.linspace(20, 30, 12)
    assert not differences(old * (1 + 2e-7), old).any()
    assert differences(old + 1e-3, old).all()
    assert sign_flip_p(differences(old * (1 + 2e-7), old)) == 1


def test_the_jackknife_of_a_difference_of_means_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    new, old = rng.normal(0.3, 1, 12), rng.normal(size=12)
    parts = [[float(np.delete(each, i).mean()) for i in range(12)] for each in (new, old)]
    p, ends = jackknife_difference(float(new.mean() - old.mean()), *parts)
    expected = stats.ttest_rel(new, old)
    assert p == pytest.approx(expected.pvalue)
    assert ends == pytest.approx(tuple(expected.confidence_interval()))
    assert jackknife_difference(0.0, parts[0], parts[0]) == (1.0, (0.0, 0.0))


def test_columns_of_any_lengths_have_together_what_they_have_alone() -> None:
    odd = [np.full(5, 2.5), np.array([1.0, np.inf, 2.0, 3.0, 4.0]), np.array([7.0])]
    columns = [sample("skewed", n, seed) for seed, n in enumerate((24, 8, 24, 5, 24))] + odd
    together = columnwise(bca_intervals, columns)
    np.testing.assert_allclose(together, [bca_interval(column) for column in columns], rtol=1e-12)
    ps = columnwise(sign_flip_ps, columns[:5])
    np.testing.assert_allclose(ps, [sign_flip_p(column) for column in columns[:5]], rtol=1e-12)


@pytest.mark.parametrize("n", [8, 13, 14, 40])
def test_the_p_of_sign_flips_is_scipys(n: int) -> None:
    d = np.random.default_rng(n).normal(0.3, 1, n)
    expected = stats.permutation_test(
        (d, np.zeros(n)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=20_000 if n > 13 else np.inf,
        vectorized=True,
        rng=np.random.default_rng(1),
    ).pvalue
    assert sign_flip_p(d) == pytest.approx(expected, abs=0.012 if n > 13 else 1e-9)


def test_sign_flips_reject_a_true_null_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    ps = [sign_flip_p(rng.normal(0, 1, 12)) for _ in range(400)]
    assert 0.02 < np.mean([p < 0.05 for p in ps]) < 0.085


def test_holm_multiplies_the_least_by_all_and_never_falls() -> None:
    assert holm([0.2, 0.001, 0.02, 0.02]) == [0.2, 0.004, 0.06, 0.06]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_required_sample_size_of_no_difference_is_infinite() -> None:
    assert required_sample_size(np.array([1.0, -1.0])) == np.inf


def test_the_interval_of_a_set_holds_the_truth_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(7), []
    for _ in range(200):
        x = rng.normal(2, 1, 60)
        low, high = set_interval(lambda picks, x=x: x[picks].mean(1), float(x.mean()), [str(i) for i in range(60)])
        held.append(low < 2 < high)
    assert 0.89 < np.mean(held) < 0.99


@pytest.mark.parametrize("values", [[0.0, 1.0] * 4, [0.1, 0.2] * 4, [-3.0, 0.0, 3.0] * 3])
def test_resamples_that_equal_the_mean_count_half_so_that_the_interval_of_symmetric_values_is_symmetric(
    values: list[float],
) -> None:
    """Many resamples of few levels have the mean of the values, some up to rounding: neither below it nor above."""
    low, high = bca_interval(np.array(values))
    mean = float(np.mean(values))
    assert (low - mean + high - mean) / (high - low) == pytest.approx(0, abs=0.1)


def test_components_of_crossed_scores_are_those_that_they_were_made_of() -> None:
    """Effects of images and seeds with a rest that sums to 0 over each: the expected mean squares, solved by hand."""
    image, seed = np.array([-3.0, -1.0, 0.0, 4.0]), np.array([-0.5, 0.0, 0.5])
    rest = np.outer([1.0, -1.0, 1.0, -1.0], [1.0, -1.0, 0.0]) * 0.3
    mean, half, images, seeds, within = components(20 + image[:, None] + seed + rest)
    square = (rest**2).sum() / (3 * 2)
    assert mean == pytest.approx(20)
    assert within**2 == pytest.approx(square)
    assert images**2 == pytest.approx(image.var(ddof=1) - square / 3)
    assert seeds**2 == pytest.approx(seed.var(ddof=1) - square / 4)
    assert half > 0


def test_without_an_effect_of_seeds_the_interval_is_students_over_images() -> None:
    image = np.array([-3.0, -1.0, 0.0, 4.0])
    _, half, images, seeds, within = components(np.tile(image[:, None], (1, 3)))
    assert (seeds, within) == (0, 0)
    assert images == pytest.approx(image.std(ddof=1))
    assert half == pytest.approx(3.182446 * image.std(ddof=1) / 2, rel=1e-5)  # Student's t of 3 degrees, 97.5 %
    assert components(np.ones((3, 2)))[1:] == (0, 0, 0, 0)


INF = np.inf


@pytest.mark.parametrize("n", [8, 20])
def test_an_infinite_lead_counts_by_its_signs(n: int) -> None:
    """All to one side: the least p there is. As many to either side as chance gives: none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exact = sign_flip_p(np.full(n, INF))
        assert exact == sign_flip_p(np.ones(n))
        assert exact < 0.05
        assert sign_flip_p(np.resize([INF, -INF], n)) > 0.5
        assert sign_flip_p(np.r_[np.full(n - 1, INF), 0.1]) < 0.05
        assert sign_flip_p(np.r_[INF, np.zeros(n - 1)]) == 1
        assert required_sample_size(np.full(n, INF)) == 6
        assert required_sample_size(np.resize([INF, -INF], n)) == INF


def test_finite_differences_beside_infinite_ones_decide_between_equals() -> None:
    values = np.array([[INF, 1.0], [-INF, 2.0], [3.0, -0.5]])
    held = bounded(values)
    assert np.isfinite(held).all()
    assert held[:, 1].tolist() == [1.0, 2.0, -0.5]
    assert held[:, 0].sum() == 3.0
    assert abs(held[0, 0]) > abs(values[2, 0]) * 3
    assert mean_difference(values[:, 0]) == 1.0


@pytest.mark.parametrize("values", [[INF, INF], [INF, 3.0, 2.0], [INF, -INF, 1.0]])
def test_an_interval_of_infinite_values_has_no_width_and_no_warning(values: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = bca_interval(np.array(values))
    assert low == high or np.isnan([low, high]).all()
    assert str(format_mean(pd.Series(np.array([INF, values[-1]])), ".2f")) == "inf"
