"""Which records count for a claim of the paper, and what is said of those that do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from judging import CELL, METRICS, ORDER, SPREAD, cell_of, judged, verdict
from made import with_options

from invbench.paper.outcomes import Finding


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"noise": "gaussian 0.05 [0,1]"}, "noise Gaussian noise, sigma 0.1 on"),
        ({"nfe_forward": 50}, "NFE 50, not 20"),
        ({"run": {"origins": {"eta": "command line", "nfe": "default"}}}, "eta set on the command line"),
    ],
)
def test_another_protocol_is_named(options: dict[str, Any], reason: str) -> None:
    finding = judged(CELL, cell_of("ddrm", psnr=28.09, **options))
    assert finding.verdict == "protocol differs"
    assert reason in finding.reason
    assert finding.missing == ("DDRM",)


def test_a_shorter_training_than_the_paper_s_is_named() -> None:
    short = {"training": {"step": 600}}
    finding = judged("cell/1/ffhq256/sr4/davi/psnr", cell_of("davi", psnr=28.23, run=short))
    assert "trained for 600 iterations of 40000" in finding.reason
    other = judged("cell/11/ffhq256/sr4/i2sb-1/psnr", cell_of("i2sb", psnr=27.95, nfe_forward=1, run=short))
    assert other.verdict == "reproduced", "the paper prints iterations of DAVI alone"


def test_rows_of_one_solver_are_told_apart_by_their_calls() -> None:
    one, twenty = (cell_of("i2sb", psnr=value, nfe_forward=calls) for value, calls in ((27.95, 1), (27.09, 20)))
    twenty = replace(twenty, id="twenty")
    for name in ("i2sb-1", "i2sb-20"):
        assert verdict(f"cell/11/ffhq256/sr4/{name}/psnr", one, twenty) == "reproduced"
        assert verdict(f"cell/11/ffhq256/sr4/{name}/psnr", twenty, one) == "reproduced"
    assert "NFE 1, not 20" in judged("cell/11/ffhq256/sr4/i2sb-20/psnr", one).reason


def test_rows_of_one_solver_are_told_apart_by_their_training() -> None:
    task, cell = "deblur_ddrm_tiled", "cell/5/ffhq256/deblur_ddrm_tiled/davi-{}/psnr"
    trained = {
        each: replace(
            cell_of("davi", task=task, psnr=psnr, run={"training": {"command": f"invbench train +ablation={each}"}}),
            id=each,
        )
        for each, psnr in (("b", 24.70), ("c", 26.71))
    }
    plain = cell_of("davi", task=task, psnr=25.46)
    for each in trained:
        assert verdict(cell.format(each), plain, *trained.values()) == "reproduced"
    assert judged(cell.format("b"), plain, trained["c"]) == Finding("not run", missing=("DAVI config B",))
    assert verdict("cell/1/ffhq256/deblur_ddrm_tiled/davi/psnr", plain, *trained.values()) == "reproduced"
    assert verdict("cell/1/ffhq256/deblur_ddrm_tiled/davi/psnr", *trained.values()) == "not run"


@pytest.mark.parametrize("part", ["dataset", "prior"])
def test_another_data_set_or_prior_is_named(part: str) -> None:
    ours = with_options(cell_of("ddrm", psnr=28.09), **{part: {"name": "another"}})
    assert "another, not" in judged(CELL, ours).reason


def test_what_only_looks_different_is_the_paper_s_protocol() -> None:
    same = cell_of("ddrm", psnr=28.09, noise="gaussian 0.025 [0,1]", run={"origins": {"weights": "command line"}})
    assert verdict(CELL, same) == "reproduced"
    other = cell_of("ddrm", psnr=20.0, nfe_forward=50, seed=1)
    assert verdict(CELL, other, same) == "reproduced", "a record of another setting beside it changes nothing"


def test_records_of_another_benchmark_or_task_do_not_count() -> None:
    others = [cell_of("ddrm", "imagenet256", psnr=28.09), cell_of("ddrm", task="inpaint", psnr=28.09)]
    assert judged(CELL, *others) == Finding("not run", missing=("DDRM",))


def test_a_metric_that_is_missing_says_how_to_get_it_and_one_of_another_form_is_named() -> None:
    cell = "cell/1/ffhq256/sr4/ddrm/lpips"
    finding = judged(cell, cell_of("ddrm"))
    assert finding.verdict == "not run"
    assert "invbench rescore" in finding.reason
    finding = judged(cell, cell_of("ddrm", lpips_vgg=0.228))
    assert finding.verdict == "protocol differs"
    assert METRICS["lpips_vgg"].protocol in finding.reason


def test_images_without_a_score_are_counted() -> None:
    values = 28.09 + SPREAD
    values[3] = np.nan
    ddrm, fps, davi = cell_of("ddrm", psnr=values), cell_of("fps", psnr=1.0), cell_of("davi", psnr=values)
    for finding in (judged(CELL, ddrm), judged(ORDER, fps, davi)):
        assert finding.verdict == "protocol differs"
        assert "1 of 1000 images have no score (nan)" in finding.reason


def test_a_solver_that_was_skipped_is_reported_with_its_reason() -> None:
    ours = cell_of("ddrm", n=0, run={"status": "skipped", "reason": "it needs sigma"})
    finding = judged(CELL, ours)
    assert finding == Finding("not run", reason="DDRM: skipped, it needs sigma")


def test_measurements_that_differ_are_not_paired() -> None:
    finding = judged(ORDER, cell_of("fps", psnr=20.0), cell_of("davi", psnr=25.0, y="other"))
    assert finding.verdict == "protocol differs"
    assert "measurements differ" in finding.reason
    seeds = [cell_of("fps", psnr=20.0, seed=1), cell_of("davi", psnr=25.0)]
    assert verdict(ORDER, *seeds) == "protocol differs"
    assert verdict(ORDER, *seeds, cell_of("davi", psnr=25.0, seed=1)) == "reproduced"


def test_weights_that_say_of_no_iterations_are_taken_as_the_authors() -> None:
    ours = cell_of("ddrm", psnr=28.09, run={"training": {}})
    assert judged(CELL, ours).verdict != "protocol differs"
