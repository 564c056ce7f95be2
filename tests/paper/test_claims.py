"""The paper's claims: what the file states is what the tables print, and records of known verdicts are judged so."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made import bench_of, made_run, with_options

from invbench.cli.main import main
from invbench.errors import ConfigError
from invbench.paper.claim import Claim
from invbench.paper.claims import chosen, load_claims
from invbench.paper.claims_table import claims_table, stated
from invbench.paper.outcomes import Finding
from invbench.paper.printed import Paper
from invbench.paper.verdicts import judge
from invbench.plugins import load_catalog
from invbench.store.files import LAST, Record, images_digest
from invbench.store.reader import LoadedCell
from invbench.store.released import results_folder

METRICS = load_catalog().for_tables()[0]
NOWHERE = str(Path(__file__).parent)  # holds no records
SOLVERS = Paper.load().layout.methods
FILE = results_folder() / "published" / "claims.toml"
CLAIMS = {c.id: c for c in load_claims()}
PROXIES = {c.id: c for c in load_claims(benchmark="photos")}
NFE = {"ddrm": 20, "davi": 1, "dps": 1000, "red_diff": 1000, "fps": 999}  # others 100
WAVE = np.tile([1.0, -1.0], 500)
SPREAD = np.linspace(-2.0, 2.0, 1000)  # mean 0
CELL, ORDER = "cell/1/ffhq256/sr4/ddrm/psnr", "table8/ffhq256/sr4/psnr"  # 28.09; DAVI before FPS
BEST, SETS = "table1-psnr/ffhq256/sr4/psnr", "table8/ffhq256/sr4/fid"
RATIO = "seconds/ffhq256/sr4/ddrm"  # at least 20


def protocol(metric: str) -> str:
    return METRICS[metric].protocol if metric in METRICS else metric


def row(image: str, metric: str, value: float, y: str = "") -> Record:
    return Record("c", image, 0, metric, protocol(metric), value, unit="", y_sha256=y)


def cell_of(
    solver: str,
    benchmark: str = "ffhq256",
    task: str = "sr4",
    n: int = 1000,
    y: str = "",
    noise: str = "gaussian 0.05 [-1,1]",
    run: Mapping[str, Any] | None = None,
    batch: int = 1,
    seed: int = 0,
    **scores: Sequence[float] | float,
) -> LoadedCell:
    """A cell as the paper tier records it; scores are one for all images, or one for each."""
    prior = {"photos": "adm_photos"}.get(benchmark, f"adm_{benchmark}")
    config = {
        "benchmark": {"name": benchmark, "version": 1}, "dataset": {"name": benchmark}, "prior": {"name": prior},
        "task": {"name": task, "noise": noise}, "solver": {"name": solver}, "seed": seed, "samples": 1,
    }  # fmt: skip
    values = {"nfe_forward": NFE.get(solver, 100), "seconds": 1.0, LAST: 0.0, **scores}
    spread = {metric: np.broadcast_to(value, n) for metric, value in values.items()}
    rows = [row(f"{i:04d}", metric, float(v), y) for metric, vs in spread.items() for i, v in enumerate(vs)]
    sessions = [{"device": "gpu", "batch_size": batch}]
    whole = made_run(config, sessions=sessions, **(run or {}))
    return LoadedCell(f"{solver}-{seed}-{noise}", whole, rows, (Path("nowhere"),), 0)


def with_set(cell: LoadedCell, folder: Path, metric: str, value: float, half: float, n: int = 0) -> LoadedCell:
    """The cell with a score of its images, or of the first n."""
    path = folder / cell.id.replace("/", "")
    path.mkdir(parents=True)
    score = {"metric": metric, "protocol": protocol(metric), "value": value, "low": value - half, "high": value + half}
    sets = [cell.images, cell.images[:n]] if n else [cell.images]
    (path / "sets.json").write_text(json.dumps({images_digest(i): {"images": i, "scores": [score]} for i in sets}))
    return LoadedCell(cell.id, cell.run, cell.rows, (path,), 0)


def verdict(claim: str, *cells: LoadedCell, proxy: bool = False) -> str:
    return judged(claim, *cells, proxy=proxy).verdict


def judged(claim: str, *cells: LoadedCell, proxy: bool = False) -> Finding:
    return judge((PROXIES if proxy else CLAIMS)[claim], cells, METRICS)


def rivals(claim: Claim, leader: str, **scores: Any) -> list[LoadedCell]:
    return [cell_of(SOLVERS[m], **scores) for m in claim.methods if m != leader]


def invbench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


# The file


def test_ids_are_unique_and_there_is_a_cell_for_each_value_of_the_tables_that_a_solver_here_can_make() -> None:
    assert len(CLAIMS) == len(load_claims())
    cells = [c for c in CLAIMS.values() if c.kind == "cell"]
    assert sum(c.table == 1 for c in cells) == 63
    assert sum(c.table == 8 for c in cells) == 6  # DAVI's are those of Table 1
    assert {c.table for c in cells} == {1, 2, 3, 6, 7, 8, 9, 13}


@pytest.mark.parametrize("claim", [c for c in CLAIMS.values() if c.kind == "order"], ids=lambda c: c.id)
def test_an_order_is_the_one_the_paper_prints(claim: Claim) -> None:
    for better, worse in claim.pairs:
        a, b = (float(claim.printed[m][0]) for m in (better, worse))
        assert a > b if claim.layout.better(claim.column) == "higher" else a < b


@pytest.mark.parametrize("claim", [c for c in CLAIMS.values() if c.kind == "ratio"], ids=lambda c: c.id)
def test_a_ratio_is_one_that_the_paper_prints(claim: Claim) -> None:
    ((fast, slow),) = claim.pairs
    assert float(claim.printed[slow][0]) / float(claim.printed[fast][0]) >= claim.bound


def test_proxies_stand_in_for_orders_and_ratios_only() -> None:
    assert {c.kind for c in PROXIES.values()} == {"order", "ratio"}
    deblur = PROXIES["table1-realism/ffhq256/deblur_ddrm_tiled/lpips"]
    assert (deblur.benchmark, deblur.task, deblur.metric, deblur.prior) == ("photos", "deblur", "haarpsi", "adm_photos")
    assert not [c for c in PROXIES.values() if "imagenet256" in c.id or c.table in (3, 9)]


LAST_LINES = 'first = ["DAVI"]\nabove = ["FPS"]'  # of order.table8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[order.table6]", "[order.table6"), "claims.toml cannot be read"),
        (("images = 1000", ""), "claims.toml lacks images"),
        ((LAST_LINES, 'first = ["DAVY"]'), "order.table8: unknown method 'DAVY'; did you mean 'DAVI'"),
        ((LAST_LINES, "first = 7"), "order.table8: first is a list of names; got 7"),
        ((LAST_LINES, 'first = ["DAVI"]\nabove = []'), "order.table8: compares nothing"),
        ((LAST_LINES, ""), "order.table8: lacks first"),
        (("table = 8\nfirst", "table = 88\nfirst"), "order.table8: the paper has tables 1 to 13; got 88"),
        (("table = 8\n", 'table = 8\ntask = ["sr4"]\n'), "order.table8: unknown key 'task'; did you mean 'tasks'"),
        (('tasks = ["sr4"]', 'tasks = ["sr5"]'), "order.table1-dps-second: unknown task 'sr5'"),
        (('metric = "NFE"', 'metric = "NFEs"'), "ratio.calls: unknown metric 'NFEs'"),
        (("RED-diff = 1000, FPS = 1000", 'RED-diff = "x"'), "ratio.calls: could not convert string to float: 'x'"),
        (("tables = [1, 2", "tables = [0, 2"), "cells: the paper has tables"),
        (('photos = "adm_photos"', 'photo = "adm_photos"'), "priors: the file says nothing about 'photos'"),
    ],
)
def test_a_damaged_file_is_reported_with_the_claim(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    text = FILE.read_text()
    assert change[0] in text
    path = tmp_path / "claims.toml"
    path.write_text(text.replace(*change))
    with pytest.raises(ConfigError, match=f"{path}|{path.name}") as error:
        load_claims(path, "photos")
    assert message in str(error.value)


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
        found = judged(cell, cell_of("ddrm", task="denoise", noise="gaussian 0.2 [-1,1]", psnr=mean))
        assert found.verdict == expected
        assert "noise level not printed" in found.reason
    assert "DOUBTFUL" in CLAIMS["cell/6/imagenet256/denoise/ddrm/psnr"].caveat


def test_calls_are_counted_to_one_percent() -> None:
    assert verdict("cell/13/ffhq256/sr4/fps/nfe", cell_of("fps")) == "reproduced"
    assert verdict("cell/13/ffhq256/sr4/ddrm/nfe", cell_of("ddrm", nfe_forward=50)) == "contradicted"


# The protocol


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"noise": "gaussian 0.05 [0,1]"}, "noise Gaussian noise, sigma 0.1 on"),
        ({"nfe_forward": 50}, "NFE 50, not 20"),
        ({"run": {"origins": {"eta": "command line", "nfe": "default"}}}, "eta written by hand"),
        ({"run": {"training": {"step": 600}}}, "trained for 600 iterations of 40000"),
    ],
)
def test_another_protocol_is_named(options: dict[str, Any], reason: str) -> None:
    found = judged(CELL, cell_of("ddrm", psnr=28.09, **options))
    assert found.verdict == "protocol differs"
    assert reason in found.reason
    assert found.missing == ("DDRM",)


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
    found = judged(cell, cell_of("ddrm"))
    assert found.verdict == "not run"
    assert "invbench rescore" in found.reason
    found = judged(cell, cell_of("ddrm", lpips_vgg=0.228))
    assert found.verdict == "protocol differs"
    assert METRICS["lpips_vgg"].protocol in found.reason


def test_images_without_a_score_are_counted() -> None:
    values = 28.09 + SPREAD
    values[3] = np.nan
    ddrm, fps, davi = cell_of("ddrm", psnr=values), cell_of("fps", psnr=1.0), cell_of("davi", psnr=values)
    for found in (judged(CELL, ddrm), judged(ORDER, fps, davi)):
        assert found.verdict == "protocol differs"
        assert "1 of 1000 images have no score (nan)" in found.reason


def test_a_solver_that_was_skipped_is_reported_with_its_reason() -> None:
    ours = cell_of("ddrm", n=0, run={"status": "skipped", "reason": "it needs sigma"})
    found = judged(CELL, ours)
    assert found == Finding("not run", reason="DDRM: skipped, it needs sigma")


# Orders


@pytest.mark.parametrize(
    ("lead", "expected"),
    [(0.5, "reproduced"), (0.02, "within interval"), (0.0, "undecided"), (-0.02, "undecided"), (-0.5, "contradicted")],
)
def test_an_order_of_two(lead: float, expected: str) -> None:
    cells = [cell_of("fps", psnr=20.0, n=40), cell_of("davi", psnr=20 + lead + WAVE[:40], n=40)]
    found = judged(ORDER, *cells)
    assert (found.verdict, found.n) == (expected, 40)


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


def test_a_rival_ahead_by_chance_alone_contradicts_nothing() -> None:
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
    found = judge(claim, [cell_of("davi", n=12, psnr=25.0), *surely], METRICS)
    assert found.verdict == "contradicted"
    assert "of 6 pairs 0 hold significantly, 6 the other way" in found.reason


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


def test_sets_of_other_images_are_not_compared(tmp_path: Path) -> None:
    fps = with_set(cell_of("fps", "photos", n=16), tmp_path, "swd", 0.2, 0.01)
    davi = with_set(cell_of("davi", "photos", n=48), tmp_path, "swd", 0.1, 0.01)
    found = judged(SETS, fps, davi, proxy=True)
    assert (found.verdict, found.missing) == ("protocol differs", ("DAVI", "FPS"))
    assert "swd of 16 images, not the 48 of DAVI" in found.reason
    davi = with_set(cell_of("davi", "photos", n=48), tmp_path / "common", "swd", 0.1, 0.01, n=16)
    found = judged(SETS, fps, davi, proxy=True)
    assert (found.verdict, found.n) == ("reproduced", 16)


def test_measurements_that_differ_are_not_paired() -> None:
    found = judged(ORDER, cell_of("fps", psnr=20.0), cell_of("davi", psnr=25.0, y="other"))
    assert found.verdict == "protocol differs"
    assert "measurements differ" in found.reason
    seeds = [cell_of("fps", psnr=20.0, seed=1), cell_of("davi", psnr=25.0)]
    assert verdict(ORDER, *seeds) == "protocol differs"
    assert verdict(ORDER, *seeds, cell_of("davi", psnr=25.0, seed=1)) == "reproduced"


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
    found = judged(RATIO, cell_of("davi", n=2, seconds=[1.0, 1.1]), cell_of("ddrm", n=2, seconds=slow))
    assert found.verdict == expected


def test_seconds_of_other_devices_or_batches_are_not_compared() -> None:
    fast, slow = cell_of("davi", n=2, seconds=[1, 2]), cell_of("ddrm", n=2, seconds=[60, 70], batch=4)
    found = judged(RATIO, fast, slow)
    assert found.verdict == "protocol differs"
    assert "DDRM: timed on gpu, batch 4, DAVI on gpu, batch 1" in found.reason
    assert judged(RATIO, fast).missing == ("DDRM",)


@pytest.mark.parametrize(
    ("changed", "expected", "shown"),
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
    changed: dict[str, Any], expected: str, shown: str
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
    found = judge(CLAIMS[RATIO], cells, METRICS, costs)
    assert (found.verdict, found.ours) == (expected, shown)


def test_a_ratio_of_calls_needs_no_spread() -> None:
    assert verdict("calls/ffhq256/sr4/ddrm", cell_of("davi"), cell_of("ddrm")) == "reproduced"
    assert verdict("calls/ffhq256/sr4/ddrm", cell_of("davi"), cell_of("ddrm", nfe_forward=10)) == "contradicted"


# The table and the command


def test_claims_are_found_by_id_or_its_beginning_and_others_suggested() -> None:
    claims = list(CLAIMS.values())
    assert [c.id for c in chosen(claims, [CELL])] == [CELL]
    assert len(chosen(claims, ["cell/1"])) == 63
    assert len(chosen(claims, ["table8", CELL])) == 7
    with pytest.raises(ConfigError, match="unknown claim 'tabel8'; did you mean 'table8'"):
        chosen(claims, ["tabel8"])


def test_what_the_paper_says_is_shown_with_its_nearest_rival() -> None:
    assert stated(CLAIMS[CELL]) == "28.09"
    assert stated(CLAIMS[BEST]) == "DAVI 28.23 before DDNM+ 28.17 and 5 others"
    assert stated(CLAIMS["table2-fid-deblur/imagenet256/deblur_ddrm_tiled/fid"]).startswith("DiffPIR 62.48, DAVI 63.29")
    assert stated(CLAIMS[RATIO]) == "DDRM 1.7 to DAVI 0.04, at least 20x"


def test_every_verdict_on_a_proxy_says_so() -> None:
    cells = [cell_of("davi", "photos", psnr=25.0), cell_of("fps", "photos", psnr=20.0)]
    table = claims_table(list(PROXIES.values()), cells, METRICS)
    rows = table.frame.to_dict("records")
    assert "haarpsi for LPIPS, swd for FID, deblur for deblur_ddrm_tiled, other images" in table.notes[1]
    assert len(rows) == len(PROXIES)
    assert all(r["verdict"].endswith("(proxy, protocol differs)") for r in rows)
    assert {r["claim"]: r["verdict"] for r in rows}[ORDER] == "reproduced (proxy, protocol differs)"


def commands_of(notes: Iterable[str]) -> list[str]:
    return [n.partition("made by: ")[2] for n in notes if "made by" in n]


def test_what_is_missing_has_a_command_with_its_noise() -> None:
    claims = [CLAIMS[name] for name in (ORDER, "table9/ffhq256/sr4/fid")]
    table = claims_table(claims, [cell_of("davi", psnr=25.0)], METRICS)
    assert commands_of(table.notes) == [
        "invbench run benchmark=ffhq256 solver=fps task=sr4",
        "invbench run benchmark=ffhq256 solver=davi,dps,red_diff task=sr4 task.noise='poisson 1.0' "
        "assume='0.05 [-1,1]'",
    ]


def test_judging_needs_no_torch(tmp_path: Path) -> None:
    code = """
import sys
from invbench.cli.main import main
try:
    main(["claims", "table8"])
except SystemExit as end:
    assert not end.code
assert "pandas" in sys.modules
assert not {"torch", "matplotlib", "hydra"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize("how", ["text", "md", "latex", "html", "csv"])
def test_the_command_prints_every_format(how: str) -> None:
    result = invbench("claims", "table8", "--format", how, "--out", NOWHERE)
    assert result.exit_code == 0
    assert result.output.count("DAVI 28.23 before FPS 26.92") == 1


def test_printed_cells_that_were_not_run_are_left_out_unless_named() -> None:
    rows = list(csv.DictReader(io.StringIO(invbench("claims", "--format", "csv", "--out", NOWHERE).stdout)))
    assert rows
    assert not [r for r in rows if r["claim"].startswith("cell")]
    text = invbench("claims", "--out", NOWHERE).output
    assert "'invbench claims cell' lists them" in text
    assert "invbench claims --benchmark photos" in text
    rows = list(csv.DictReader(io.StringIO(invbench("claims", "cell", "--format", "csv", "--out", NOWHERE).stdout)))
    assert len(rows) == sum(c.kind == "cell" for c in CLAIMS.values())


def test_wrong_words_are_refused() -> None:
    assert "did you mean 'photos'" in invbench("claims", "--benchmark", "photo").output
    assert "unknown table format 'pdf'" in invbench("claims", "--format", "pdf").output
    assert "unknown claim 'x'" in invbench("claims", "x").output
    assert invbench("claims", "x").exit_code == 2


def test_benchmarks_are_told_apart() -> None:
    output = invbench("claims", "--benchmark", "imagenet256", "--format", "csv", "--out", NOWHERE).stdout
    assert {r["claim"].split("/")[1] for r in csv.DictReader(io.StringIO(output))} == {"imagenet256"}
