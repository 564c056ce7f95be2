"""Scores of two cells on the same images."""

from __future__ import annotations

import numpy as np
import pytest
from tabling import complete

from invbench.analysis.pairs import Pair, in_words, pairs, pooled_pairs
from invbench.analysis.stats import (
    differences,
)
from invbench.errors import ConfigError


def test_a_pair_compares_clusters() -> None:
    new, groups = np.array([1.0, np.nan, 3.0, 5.0]), list("aabb")
    pair = Pair.of("psnr", np.zeros(4), new, groups)
    assert pair.groups == ("a", "b", "b")
    assert pair.clustered.mean() == pytest.approx(pair.difference)
    assert len(pair.clustered) == 2
    assert pair.n == "3 (2 groups) (1 nan)"
    assert Pair.of("psnr", np.zeros(4), new).clustered.tolist() == [1.0, 3.0, 5.0]


def test_a_ratio_is_of_medians_and_infinite_where_the_old_is_nothing() -> None:
    def ratio(old: list[float], new: list[float]) -> float:
        return Pair.of("seconds", np.array(old), np.array(new)).ratio

    assert ratio([1.0, 2.0, 9.0], [1.0, 3.0, 3.0]) == 1.5
    assert ratio([0.0], [0.0]) == 1
    assert ratio([0.0], [1.0]) == np.inf


def test_values_that_are_lost_are_told_from_those_that_never_were() -> None:
    pair = Pair.of("psnr", np.array([1.0, np.nan, 3.0]), np.array([np.nan, np.nan, 4.0]))
    assert (pair.nan, pair.lost, pair.n, pair.difference) == (2, 1, "1 (2 nan)", 1.0)


def test_a_difference_has_an_interval_if_several_groups_differ() -> None:
    def difference(new: list[float], groups: str) -> str:
        return in_words(Pair.of("psnr", np.zeros(len(new)), np.array(new), list(groups)), "a", "b")["difference"]

    assert difference([1.0, 2.0, 3.0], "abc").startswith("+2 [+")
    assert difference([2.0, 2.0, 2.0], "abc") == "+2"
    assert difference([1.0, 3.0], "aa") == "+2", "the interval of one photograph's crops is unknown"


def test_scores_of_two_cells_are_paired_on_their_common_images_and_seeds_are_averaged_first() -> None:
    old, new = complete("a", "t", {"x": 1.0, "y": 2.0}), complete("b", "t", {"y": 5.0, "z": 9.0})
    psnr = {pair.metric: pair for pair in pairs(old, new)}["psnr"]
    assert (psnr.old.tolist(), psnr.new.tolist()) == ([2.0], [5.0])
    again, other = complete("a", "t", {"x": 3.0}, seed=1), complete("b", "t", {"x": 7.0}, seed=1)
    pooled = pooled_pairs([old, again], [complete("b", "t", {"x": 1.0}), other])
    (seeds,) = [pair for pair in pooled if pair.metric == "psnr"]
    assert (seeds.old.tolist(), seeds.new.tolist()) == ([2.0], [4.0])


def test_cells_that_saw_other_measurements_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"b/t, seed 0, b: the measurements differ; .*make them on one machine$"):
        pairs(complete("a", "t", {"x": 1.0}), complete("b", "t", {"x": 1.0}, y="other"))
    with pytest.raises(ConfigError, match="or add --across-machines"):
        pairs(complete("a", "t", {"x": 1.0}), complete("b", "t", {"x": 1.0}, y="other"), across_machines=False)


INF = np.inf


def test_equal_infinities_do_not_differ() -> None:
    assert differences(np.array([INF, INF, 3.0, -INF]), np.array([INF, 1.0, 1.0, -INF])).tolist() == [0, INF, 2, 0]
    assert np.isnan(differences(np.array([np.nan]), np.array([np.nan]))).all()
    pair = Pair("psnr", np.array([INF, INF]), np.array([INF, INF]))
    assert (pair.difference, pair.ratio) == (0.0, 1.0)
    assert Pair("psnr", np.array([30.0, INF]), np.array([INF, INF])).difference == INF
    assert Pair("psnr", np.array([INF, 30.0, 30.0]), np.array([30.0, INF, INF])).difference == INF
    assert Pair("psnr", np.array([INF, 30.0, 30.0]), np.array([30.0, INF, 33.0])).difference == 1.0
