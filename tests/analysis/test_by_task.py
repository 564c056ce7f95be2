"""One table of several tasks: which cells stand in it, how seeds are averaged, and what the notes say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tabling import METRICS, cell_of, complete

from invbench.analysis.by_task import by_task_table
from invbench.analysis.cell import Spread
from invbench.analysis.rows import mean_scores
from invbench.analysis.table import Table
from invbench.errors import ConfigError
from invbench.metrics.perceptual import LPIPSVgg
from invbench.store.reader import LoadedCell
from invbench.store.schema import Score

SR4 = {"task": {"name": "sr4", "noise": "gaussian 0.1 [-1,1]"}, "seed": 0}
EIGHT = {i: float(k) for k, i in enumerate("abcdefgh")}


def cell(solver: str, task: str, mean: float, seed: int = 0, scale: float = 1.0, **changes: Any) -> LoadedCell:
    """A cell with a PSNR of eight images around a mean; each seed has measurements of its own."""
    return complete(solver, task, {i: mean + scale * (v - 3.5) for i, v in EIGHT.items()}, seed, **changes)


def table(*cells: LoadedCell, spread: Spread = "none", only: tuple[str, ...] = ("psnr",)) -> Table:
    return by_task_table(cells, METRICS, only, spread)


def notes(of: Table) -> str:
    return "\n".join(of.notes)


def test_each_solver_has_a_row_and_each_task_its_columns() -> None:
    made = table(cell("a", "sr4", 20.0), cell("b", "sr4", 21.0), cell("b", "deblur", 30.0))
    assert made.frame.set_index("solver").to_dict("index") == {
        "a": {"deblur psnr ↑ (dB)": "-", "sr4 psnr ↑ (dB)": "_20.00_"},
        "b": {"deblur psnr ↑ (dB)": "30.00", "sr4 psnr ↑ (dB)": "*21.00*"},
    }
    assert made.groups == ("", "deblur", "sr4")


def test_seeds_are_averaged_image_by_image_and_deviate() -> None:
    seeds = [
        cell("a", "sr4", mean, seed, scale) for seed, (mean, scale) in enumerate(((20.0, 1.0), (21.0, -1.0), (22.0, 0)))
    ]
    made = table(*seeds, spread="std")
    assert made.frame["sr4 psnr ↑ (dB)"].tolist() == ["21.00 ± 1.00"]  # of the means 20, 21, 22
    assert "standard deviation over the 3 seeds 0, 1, 2" in notes(made)
    assert "sr4: seeds 0, 1, 2 averaged image by image" in notes(made)
    averaged = table(*seeds[:2], spread="interval")
    assert averaged.frame["sr4 psnr ↑ (dB)"].tolist() == ["20.50"], (
        "the images' differences cancel in the mean of two seeds"
    )


def test_of_one_seed_images_deviate() -> None:
    made = table(cell("a", "sr4", 20.0), spread="std")
    assert made.frame["sr4 psnr ↑ (dB)"].tolist() == ["20.00 ± 2.45"]  # of 0, ..., 7
    assert "over images" in made.notes[0]


def test_rows_are_of_the_seeds_that_all_have() -> None:
    made = table(cell("a", "sr4", 20.0, 0), cell("a", "sr4", 26.0, 1), cell("b", "sr4", 21.0, 0))
    assert made.frame["sr4 psnr ↑ (dB)"].tolist() == ["_20.00_", "*21.00*"]
    assert "sr4: left out, seeds that not all rows have, of a." in notes(made)
    apart = table(cell("a", "sr4", 20.0, 0), cell("b", "sr4", 21.0, 1))
    assert "WARNING, there is no seed that all rows have" in notes(apart)


def test_the_configuration_nearest_to_the_defaults_stands_for_a_solver() -> None:
    usual = cell("a", "sr4", 20.0, nfe=20)
    written = cell("a", "sr4", 30.0, nfe=99, origins={"nfe": "command line"})
    made = table(written, usual)
    assert made.frame["sr4 psnr ↑ (dB)"].tolist() == ["20.00"]
    assert "sr4: left out, configurations farther from the defaults, of a." in notes(made)


def test_a_task_with_two_noises_has_columns_for_each() -> None:
    made = table(cell("a", "sr4", 20.0), cell("a", "sr4", 18.0, noise="poisson 1.0"), cell("a", "deblur", 30.0))
    assert made.groups == ("", "deblur", "sr4 gaussian 0.1 [-1,1]", "sr4 poisson 1.0")


def test_rows_of_other_measurements_are_warned_of() -> None:
    other = cell("b", "sr4", 21.0, y="else")
    assert "sr4: WARNING: rows saw different measurements" in notes(table(cell("a", "sr4", 20.0), other))


def test_the_best_of_a_task_has_its_ties() -> None:
    wave = {i: 20.0 + 0.5 * (-1) ** k for k, i in enumerate(EIGHT)}
    near = complete("b", "sr4", {i: v - 0.001 for i, v in wave.items()})
    made = table(cell("a", "sr4", 20.0, scale=0.1), near)
    assert made.frame["sr4 psnr ↑ (dB)"].tolist() == ["*20.00*", "_20.00_ tie"]


def test_a_metric_that_no_cell_has_says_how_to_get_it() -> None:
    made = by_task_table([cell("a", "sr4", 20.0)], {**METRICS, "lpips_vgg": LPIPSVgg}, ("psnr", "lpips_vgg"), "none")
    assert "lpips_vgg: not available: run" in notes(made)
    with pytest.raises(ConfigError, match="unknown metric 'pnsr'"):
        by_task_table([cell("a", "sr4", 20.0)], METRICS, ("psnr", "pnsr"), "none")


def test_cells_without_scores_have_no_table() -> None:
    with pytest.raises(ConfigError, match="no scores yet"):
        table(cell_of(values={}, status="skipped", reason="no"))


def test_scores_of_sets_are_averaged_where_every_seed_has_them() -> None:
    def score(metric: str, value: float) -> Score:
        return Score(metric, metric, "", value, value - 1, value + 1)

    (mean,) = mean_scores([[score("kid", 1.0), score("fid", 9.0)], [score("kid", 2.0)]])
    assert (mean.metric, mean.value) == ("kid", 1.5)
    assert np.isnan([mean.low, mean.high]).all()
    assert mean_scores([[score("kid", 1.0)]]) == [score("kid", 1.0)]


def test_released_records_have_one_table_of_all_tasks(invbench: Callable[..., Any], tmp_path: Path) -> None:
    words = ("table", "benchmark=photos", "noise=gaussian 0.05 [-1,1]", "--out", "reference", "--by-task")
    result = invbench(*words, "--metrics", "psnr,kid_alex", "--format", "csv")
    assert result.returncode == 0, result.stderr
    header, *lines = result.stdout.strip().splitlines()
    assert header.split(",")[:3] == ["solver", "colorize psnr ↑ (dB)", "colorize kid_alex ↓"]
    davi = next(line for line in lines if line.startswith("davi,"))
    proxies = invbench("table", "--paper", "1", "benchmark=photos", "--format", "csv")
    (same,) = {line.split(",")[4] for line in proxies.stdout.splitlines() if line.startswith("davi,")}
    assert same in davi.split(","), "the paper's layout and this table have one PSNR of sr4"


def test_tasks_with_other_seeds_say_over_what_they_deviate() -> None:
    made = table(cell("a", "sr4", 20.0), cell("a", "deblur", 30.0), cell("a", "deblur", 31.0, 1), spread="std")
    assert "deblur: Means over images ± standard deviation over the 2 seeds 0, 1" in notes(made)
    assert "sr4: Means over images ± standard deviation over images" in notes(made)


def test_cells_that_failed_or_were_cut_are_said_to_be() -> None:
    cut = cell("a", "sr4", 20.0, status="interrupted")
    failed = cell_of({"name": "b"}, {}, "b", status="failed", reason="no memory", config=SR4)
    text = notes(table(cut, failed))
    assert "sr4: Incomplete a: interrupted; run the same command to resume." in text
    assert "sr4: FAILED b: no memory" in text
