"""Verdicts on the paper's claims: records of known verdicts are judged so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judging import (
    BEST,
    CELL,
    CLAIMS,
    MARGIN,
    METRICS,
    ORDER,
    RATIO,
    SETS,
    SOLVERS,
    SPREAD,
    cell_of,
    judged,
    verdict,
    with_set,
)
from made import bench_of, with_options

from invbench.paper.claim import Claim
from invbench.paper.verdicts import judge
from invbench.store.reader import LoadedCell

WAVE = np.tile([1.0, -1.0], 500)


def rivals(claim: Claim, leader: str, **scores: Any) -> list[LoadedCell]:
    return [cell_of(SOLVERS[m], **scores) for m in claim.methods if m != leader]


# Cells


@pytest.mark.parametrize(
    ("mean", "n", "expected"),
    [
        (28.09, 1000, "reproduced"),
        (28.15, 1000, "reproduced"),  # the interval is 0.07 either way
        (28.20, 1000, "contradicted"),
        (27.90, 1000, "contradicted"),
        (28.09, 100, "within interval"),  # no evidence of all of them
        (28.60, 100, "contradicted"),
        (28.09, 1, "undecided"),
        (28.09, 0, "not run"),
    ],
)
def test_a_cell_of_a_mean(mean: float, n: int, expected: str) -> None:
    spread = SPREAD[:: 1000 // n][:n] if n else SPREAD[:0]
    ours = cell_of("ddrm", n=n, psnr=mean + spread - (spread.mean() if n > 1 else spread))
    assert verdict(CELL, ours) == expected


def test_a_printed_value_stands_for_what_rounds_to_it() -> None:
    assert verdict(CELL, cell_of("ddrm", psnr=28.0949)) == "reproduced"
    assert verdict(CELL, cell_of("ddrm", psnr=28.0951)) == "contradicted"


def test_a_cell_of_a_set_is_never_more_than_within_its_interval_and_needs_as_many_images(tmp_path: Path) -> None:
    cell = "cell/1/ffhq256/sr4/ddrm/fid"  # 48.19
    for value, expected in ((48.0, "within interval"), (47.0, "contradicted")):
        assert verdict(cell, with_set(cell_of("ddrm"), tmp_path / str(value), "fid_legacy", value, 0.5)) == expected
    few = judged(cell, with_set(cell_of("ddrm", n=500), tmp_path, "fid_legacy", 48.19, 9.0))
    assert few.verdict == "protocol differs"
    assert "of 500 images, of 1000 in the paper" in few.reason


def test_a_cell_that_the_paper_leaves_unclear_is_neither_reproduced_nor_contradicted() -> None:
    cell = "cell/6/ffhq256/denoise/ddrm/psnr"  # 30.35, at a level that is not printed
    for mean, expected in ((30.35, "within interval"), (25.0, "protocol differs")):
        finding = judged(cell, cell_of("ddrm", task="denoise", noise="gaussian 0.2 [-1,1]", psnr=mean))
        assert finding.verdict == expected
        assert "noise level not printed" in finding.reason
    assert "DOUBTFUL" in CLAIMS["cell/6/imagenet256/denoise/ddrm/psnr"].caveat


def test_calls_are_counted_to_one_percent() -> None:
    assert verdict("cell/13/ffhq256/sr4/fps/nfe", cell_of("fps")) == "reproduced"
    assert verdict("cell/13/ffhq256/sr4/ddrm/nfe", cell_of("ddrm", nfe_forward=50)) == "contradicted"


# Margins


@pytest.mark.parametrize(
    ("lead", "n", "expected"),
    [
        (0.044, 1000, "reproduced"),
        (0.0461, 1000, "contradicted"),  # the interval is 0.0006 either way, both values are rounded to 0.001
        (0.0459, 1000, "contradicted"),
        (0.0454, 1000, "reproduced"),
        (0.044, 100, "within interval"),
        (-0.044, 1000, "contradicted"),
        (0.044, 0, "not run"),
    ],
)
def test_a_margin_is_judged_on_the_same_images(lead: float, n: int, expected: str) -> None:
    ddrm = cell_of("ddrm", task="deblur_ddrm_tiled", n=n, lpips_davi=0.3 + 0.01 * WAVE[:n])
    davi = cell_of("davi", task="deblur_ddrm_tiled", n=n, lpips_davi=0.3 - lead)
    assert verdict(MARGIN, ddrm, davi) == expected


@pytest.mark.parametrize(("lead", "expected"), [(12.33, "within interval"), (13.5, "contradicted")])
def test_a_margin_of_scores_of_sets_is_between_the_ends_of_their_intervals(
    lead: float, expected: str, tmp_path: Path
) -> None:
    values = {"davi": 24.0, "dps": 24.0 + lead}
    cells = [with_set(cell_of(name), tmp_path / name, "fid_legacy", value, 0.5) for name, value in values.items()]
    assert verdict("table1-sr4-margin/ffhq256/sr4/fid", *cells) == expected


# Orders


@pytest.mark.parametrize(
    ("lead", "expected"),
    [(0.5, "reproduced"), (0.02, "within interval"), (0.0, "undecided"), (-0.02, "undecided"), (-0.5, "contradicted")],
)
def test_an_order_of_two(lead: float, expected: str) -> None:
    cells = [cell_of("fps", psnr=20.0, n=40), cell_of("davi", psnr=20 + lead + WAVE[:40], n=40)]
    finding = judged(ORDER, *cells)
    assert (finding.verdict, finding.n) == (expected, 40)


def test_equal_scores_are_a_tie_and_five_images_never_enough() -> None:
    assert verdict(ORDER, cell_of("fps", psnr=20.0), cell_of("davi", psnr=20.0)) == "undecided"
    assert verdict(ORDER, cell_of("fps", psnr=20.0, n=5), cell_of("davi", psnr=25.0, n=5)) == "within interval"
    assert verdict(ORDER, cell_of("fps", psnr=20.0, n=6), cell_of("davi", psnr=25.0, n=6)) == "reproduced"


def test_the_best_of_several_must_beat_each_and_is_contradicted_by_one() -> None:
    claim, davi = CLAIMS[BEST], cell_of("davi", n=20, psnr=25.0)
    worse = rivals(claim, "DAVI", n=20, psnr=20.0)
    assert judge(claim, [davi, *worse], METRICS).verdict == "reproduced"
    close = cell_of("dps", n=20, psnr=24.9 + WAVE[:20])
    others = [c for c in worse if not c.id.startswith("dps")]
    assert judge(claim, [davi, close, *others], METRICS).verdict == "within interval"
    better = cell_of("dps", n=20, psnr=30.0)
    assert judge(claim, [davi, better, *others], METRICS).verdict == "contradicted"
    assert judge(claim, [davi, better], METRICS).verdict == "contradicted", "whatever the others score"
    partly = judge(claim, [davi, *others], METRICS)
    assert (partly.verdict, partly.missing) == ("not run", ("DPS",))
    assert "of 6 pairs 5 hold" in partly.reason


def test_a_competitor_ahead_by_chance_contradicts_nothing() -> None:
    """Six differences of one sign have p = 1/32: of one rival that is significant, of two Holm's correction doubles it.

    The second says that the correction, not the claim, decides: a lead beyond it does contradict.
    """
    claim = CLAIMS[BEST]
    davi, least = cell_of("davi", n=6, psnr=25.0), 2 / 2**6
    assert least < 0.05 < 2 * least
    ahead = [cell_of(SOLVERS[m], n=6, psnr=25.5) for m in claim.methods if m != "DAVI"]
    assert judge(claim, [davi, ahead[0]], METRICS).verdict == "contradicted"
    assert judge(claim, [davi, *ahead[:2]], METRICS).verdict == "not run", "two of six rivals, neither surely ahead"
    assert judge(claim, [davi, *ahead], METRICS).verdict == "undecided"
    surely = [cell_of(SOLVERS[m], n=12, psnr=25.5) for m in claim.methods if m != "DAVI"]
    finding = judge(claim, [cell_of("davi", n=12, psnr=25.0), *surely], METRICS)
    assert finding.verdict == "contradicted"
    assert "of 6 pairs 0 hold significantly, 6 the other way" in finding.reason


def test_a_rank_needs_the_first_before_the_second() -> None:
    claim = CLAIMS["table1-psnr-deblur/ffhq256/deblur_ddrm_tiled/psnr"]
    place = {"task": "deblur_ddrm_tiled", "n": 20}
    rest = [cell_of(SOLVERS[m], **place, psnr=20.0) for m in claim.methods if m not in ("RED-diff", "DDRM")]
    for first, second, expected in ((30.0, 25.0, "reproduced"), (25.0, 30.0, "contradicted")):
        cells = [cell_of("red_diff", **place, psnr=first), cell_of("ddrm", **place, psnr=second), *rest]
        assert judge(claim, cells, METRICS).verdict == expected


def test_lower_is_better_for_lpips() -> None:
    claim = "table8/ffhq256/sr4/lpips"
    a, b = ({"lpips_davi": v, "n": 20} for v in (0.1, 0.2))
    assert verdict(claim, cell_of("davi", **a), cell_of("fps", **b)) == "reproduced"
    assert verdict(claim, cell_of("davi", **b), cell_of("fps", **a)) == "contradicted"


@pytest.mark.parametrize(
    ("ours", "half", "expected"),
    [(20.0, 2.0, "reproduced"), (24.0, 2.0, "within interval"), (26.0, 2.0, "undecided"), (30.0, 2.0, "contradicted")],
)
def test_an_order_of_sets_needs_intervals_apart(ours: float, half: float, expected: str, tmp_path: Path) -> None:
    fps = with_set(cell_of("fps"), tmp_path, "fid_legacy", 25.0, half)
    assert verdict(SETS, fps, with_set(cell_of("davi"), tmp_path, "fid_legacy", ours, half)) == expected


def test_scores_of_sets_with_their_parts_are_compared_by_the_jackknife(tmp_path: Path) -> None:
    """Wide intervals that overlap, of scores that every group of images moves alike."""
    parts = 25.0 + 5.0 * WAVE[:22]
    fps = with_set(cell_of("fps"), tmp_path, "fid_legacy", 25.0, 9.0, without=parts)
    for lead, expected in (
        (1.0, "reproduced"),
        (0.01, "within interval"),
        (-0.01, "undecided"),
        (-1.0, "contradicted"),
    ):
        other = parts - lead + 0.01 * WAVE[1:23]
        davi = with_set(cell_of("davi"), tmp_path / f"{lead}", "fid_legacy", 25.0 - lead, 9.0, without=other)
        assert verdict(SETS, fps, davi) == expected
    assert "p " in judged(SETS, fps, davi).ours


def test_sets_of_other_images_are_not_compared(tmp_path: Path) -> None:
    fps = with_set(cell_of("fps", "photos", n=16), tmp_path, "kid_alex", 0.2, 0.01)
    davi = with_set(cell_of("davi", "photos", n=48), tmp_path, "kid_alex", 0.1, 0.01)
    finding = judged(SETS, fps, davi, proxy=True)
    assert (finding.verdict, finding.missing) == ("protocol differs", ("DAVI", "FPS"))
    assert "kid_alex of 16 images, not the 48 of DAVI" in finding.reason
    davi = with_set(cell_of("davi", "photos", n=48), tmp_path / "common", "kid_alex", 0.1, 0.01, n=16)
    finding = judged(SETS, fps, davi, proxy=True)
    assert (finding.verdict, finding.n) == ("reproduced", 16)


# Ratios


@pytest.mark.parametrize(
    ("slow", "expected"),
    [
        ([50.0, 60.0], "reproduced"),
        ([20.0, 60.0], "within interval"),  # 20 / 1.1 is below the bound, the median is not
        ([15.0, 23.0], "undecided"),
        ([5.0, 6.0], "contradicted"),
        ([50.0, 50.0], "within interval"),  # one batch
        ([5.0, 5.0], "undecided"),
    ],
)
def test_a_ratio_of_seconds(slow: list[float], expected: str) -> None:
    finding = judged(RATIO, cell_of("davi", n=2, seconds=[1.0, 1.1]), cell_of("ddrm", n=2, seconds=slow))
    assert finding.verdict == expected


def test_seconds_of_other_devices_or_batches_are_not_compared() -> None:
    fast, slow = cell_of("davi", n=2, seconds=[1, 2]), cell_of("ddrm", n=2, seconds=[60, 70], batch=4)
    finding = judged(RATIO, fast, slow)
    assert finding.verdict == "protocol differs"
    assert "DDRM: timed on gpu, batch 4, DAVI on gpu, batch 1" in finding.reason
    assert judged(RATIO, fast).missing == ("DDRM",)


@pytest.mark.parametrize(
    ("changed", "expected", "ours"),
    [
        ({}, "reproduced", "30x [22.5, 40]"),
        ({"low": 15.0}, "within interval", "30x [12.5, 40]"),  # the lower quartile is below the bound
        ({"repeats": 1}, "within interval", "30x [22.5, 40]"),
        ({"device": "gpu"}, "undecided", "5x"),  # the runs' own seconds
        ({"solver": {"nfe": 40}}, "undecided", "5x"),
        ({"task": {"noise": "poisson 1.0"}}, "undecided", "5x"),
    ],
)
def test_seconds_are_those_of_bench_where_it_measured_both_alike(
    changed: dict[str, Any], expected: str, ours: str
) -> None:
    davi, ddrm = cell_of("davi", n=2, seconds=[1.0, 1.0]), cell_of("ddrm", n=2, seconds=[5.0, 5.0])
    cells = [davi, with_options(ddrm, solver={"nfe": 20})]
    numbers = {key: value for key, value in changed.items() if key not in ("solver", "task")}
    options = {key: value for key, value in changed.items() if key not in numbers}
    quick = bench_of(cells[0].run.config, 1.0, low=0.9, high=1.2)
    slow = bench_of(
        with_options(cells[1], **options).run.config, **{"seconds": 30.0, "low": 27.0, "high": 36.0, **numbers}
    )
    costs = {("ffhq256", "sr4", "davi"): quick, ("ffhq256", "sr4", "ddrm"): slow}
    finding = judge(CLAIMS[RATIO], cells, METRICS, costs)
    assert (finding.verdict, finding.ours) == (expected, ours)


def test_a_ratio_of_calls_needs_no_spread() -> None:
    assert verdict("calls/ffhq256/sr4/ddrm", cell_of("davi"), cell_of("ddrm")) == "reproduced"
    assert verdict("calls/ffhq256/sr4/ddrm", cell_of("davi"), cell_of("ddrm", nfe_forward=10)) == "contradicted"
