"""The tiny problems of the conformance kit: their operators obey the laws, and every evaluation is counted."""

from __future__ import annotations

import copy

import torch

from invbench.linops import BlockMean
from invbench.testing import check_operator
from invbench.testing.problems import SHAPE, PairedMeans, Saturation, measure, presets, small_presets, tiny_prior


def test_their_operators_obey_the_laws() -> None:
    for A in (Saturation(SHAPE), PairedMeans(SHAPE)):
        check_operator(A)
    assert PairedMeans(SHAPE).measures_complex


def test_copies_of_a_prior_and_its_students_count_together() -> None:
    prior, tally = tiny_prior()
    x = torch.zeros(3, *SHAPE)
    prior.eps(x, 5)
    copy.deepcopy(prior).eps(x, 5)
    assert tally.rows == 6
    prior.student().eps(x, 5)
    assert tally.rows == 9


def test_equal_ids_are_equal_rows_and_images_differ_in_brightness() -> None:
    x, y = measure(BlockMean(SHAPE, 4), ("a", "b", "c", "a"), 0.1)
    assert torch.equal(x[0], x[3])
    assert torch.equal(y[0], y[3])
    assert (x.mean((1, 2, 3)) > 0).tolist() == [False, True, False, False], "a dark, b bright, c dark"


def test_small_presets_are_the_presets_of_small_images() -> None:
    small = {benchmark.name for benchmark, _ in small_presets()}
    assert {"photos", "gmm", "gmm2d"} <= small
    assert small < {benchmark.name for benchmark, _ in presets()}
