"""Clusters of images: the mean stays that of images, intervals and tests are of clusters, and cover as they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from invbench.analysis.clusters import by_cluster, clustered, labels
from invbench.analysis.stats import bca_intervals, set_interval, sign_flip_ps

RNG = np.random.default_rng(0)


def test_images_of_their_own_stay_as_they_are() -> None:
    values = RNG.standard_normal(7)
    assert by_cluster(values, list("abcdefg")).tolist() == values.tolist()


def test_of_equal_clusters_it_is_their_mean() -> None:
    values = RNG.standard_normal((6, 2))
    expected = np.stack([values[::2].mean(0), values[1::2].mean(0)])
    np.testing.assert_allclose(by_cluster(values, list("ababab")), expected)


@pytest.mark.parametrize("groups", ["aab", "abbbbcc", "aabbb"])
def test_the_mean_over_clusters_is_that_over_images(groups: str) -> None:
    values = 20 + RNG.standard_normal(len(groups))
    of_clusters = by_cluster(values, list(groups))
    assert len(of_clusters) == len(set(groups))
    assert of_clusters.mean() == pytest.approx(values.mean())


def test_the_variance_is_that_of_a_ratio_of_sums() -> None:
    """Against drawing clusters of unequal sizes again and again, to the error of 4,000 draws (2 % of a deviation)."""
    sizes = np.array([2, 3, 5, 2, 8, 3, 4, 6, 2, 5] * 5)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    values = 20 + RNG.standard_normal(len(sizes))[groups] + 0.3 * RNG.standard_normal(len(groups))
    sums, counts = np.bincount(groups, values), np.bincount(groups)
    draws = RNG.integers(0, len(sizes), (4000, len(sizes)))
    expected = (sums[draws].sum(1) / counts[draws].sum(1)).std()
    assert by_cluster(values, list(groups.astype(str))).std() / len(sizes) ** 0.5 == pytest.approx(expected, rel=0.06)


def test_an_infinite_value_stays() -> None:
    assert by_cluster(np.array([np.inf, 1.0, 2.0]), list("aab")).tolist() == [np.inf, 2.0]


def test_what_is_no_number_is_left_out() -> None:
    values = pd.Series([1.0, np.nan, 3.0, 5.0], index=list("wxyz"))
    of_clusters = clustered(values, {"w": "p", "x": "p", "y": "q", "z": "q"})
    assert len(of_clusters) == 2
    assert of_clusters.mean() == pytest.approx(3.0)
    assert clustered(values, {}).tolist() == [1.0, 3.0, 5.0]


def test_images_without_a_group_are_their_own() -> None:
    assert labels(["a", "b"], {"a": "photo"}) == ["photo", "b"]


def drawn(experiments: int, clusters: int = 22, size: int = 3, between: float = 1.0) -> np.ndarray:
    """Scores (clusters * size, experiments) about 0: of a photograph, and of a crop of it."""
    of_photo = between * RNG.standard_normal((clusters, 1, experiments))
    return (of_photo + 0.5 * RNG.standard_normal((clusters, size, experiments))).reshape(-1, experiments)


def test_intervals_of_clusters_cover_and_those_of_images_do_not() -> None:
    """95 % nominal; over 2,000 experiments the share scatters by 0.5 %, and BCa intervals of 22 skewless values cover
    94 to 96 %. Treating the three crops of a photograph as independent covers three quarters.
    """
    scores = drawn(2000)
    groups = [str(i // 3) for i in range(66)]
    ends = {"clusters": bca_intervals(by_cluster(scores, groups)), "images": bca_intervals(scores)}
    covered = {kind: np.mean([low <= 0 <= high for low, high in of]) for kind, of in ends.items()}
    assert 0.93 < covered["clusters"] < 0.97
    assert covered["images"] < 0.85


def test_paired_tests_of_clusters_reject_as_often_as_they_say() -> None:
    """5 % where nothing differs; over 2,000 experiments the share scatters by 0.5 %."""
    scores, groups = drawn(2000), [str(i // 3) for i in range(66)]
    rejected = np.mean(sign_flip_ps(by_cluster(scores, groups), 999) < 0.05)
    assert 0.03 < rejected < 0.07
    assert np.mean(sign_flip_ps(scores, 999) < 0.05) > 0.15


def test_sets_are_resampled_by_clusters() -> None:
    """The score is a mean here, whose deviation is known."""
    groups = [str(i // 3) for i in range(66)]
    scores = drawn(1)[:, 0]
    low, high = set_interval(lambda picks: scores[picks].mean(1), scores.mean(), groups, resamples=4000)
    expected = by_cluster(scores, groups).std() / 22**0.5
    assert (high - low) / (2 * 1.96) == pytest.approx(expected, rel=0.05)
    alone = set_interval(lambda picks: scores[picks].mean(1), scores.mean(), [str(i) for i in range(66)], 4000)
    assert alone[1] - alone[0] < 0.8 * (high - low)


def test_a_resample_is_of_whole_clusters_and_of_as_many_images_also_where_they_differ() -> None:
    seen: list[np.ndarray] = []

    def scores(picks: np.ndarray) -> np.ndarray:
        seen.append(picks)
        return np.asarray(picks[:, 0], dtype=float)

    set_interval(scores, 0.0, list("aaabccd"))
    assert seen[0].shape == (100, 7)
    for pick in seen[0].tolist():
        assert pick[0] in (0, 3, 4, 6), "it starts with a cluster's first image"
