"""What a run prints and leaves in the folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_runs_leave_their_results_in_the_current_folder(invbench: Callable[..., Any], tmp_path: Path) -> None:
    result = invbench("run", "solver=ddrm", "benchmark=gmm", "task=denoise", "n=4")
    assert result.returncode == 0, result.stderr
    rows = [line.split()[0] for line in result.stdout.splitlines() if re.match(r"\w+ +4 ", line)]
    assert sorted(rows) == ["ddrm", "oracle", "pinv"], "the references stand beside it"
    assert "other " in result.stdout
    figure = re.search(r"^figure: (.*)$", result.stdout, re.M)
    assert figure
    assert (tmp_path / figure[1]).is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results"]

    again = invbench("run", "solver=ddrm", "benchmark=gmm", "task=denoise", "n=4")
    same = [line for line in again.stdout.splitlines() if line.startswith(("ddrm ", "pinv "))]
    assert all(line in result.stdout for line in same), "a complete cell is not run again"
    assert "images, already recorded, cell" in again.stderr


def test_a_launcher_free_sweep_prints_one_table_per_measurement(invbench: Callable[..., Any]) -> None:
    result = invbench("run", "solver=pinv,wiener", "benchmark=gmm", "task=denoise", "seed=0,1", "n=2")
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"\| seed 0$", result.stdout, re.M)) == 1
    assert len(re.findall(r"\| seed 1$", result.stdout, re.M)) == 1


def test_samples_on_an_exact_tier_print_a_table_with_the_reference_sampler(
    invbench: Callable[..., Any], tmp_path: Path
) -> None:
    """DDRM with two calls is far from the posterior of two pixels; exact samples are not."""
    options = ["benchmark=gmm2d", "task=inpaint_random", "n=8", "samples=16"]
    result = invbench("run", "solver=ddrm", "solver.nfe=2", *options)
    assert result.returncode == 0, result.stderr
    table = invbench("table", "benchmark=gmm2d").stdout
    card = table.partition("| posterior\n")[2]
    for score in ("swd_range", "swd_null", "gap_range", "gap_null", "std_range", "cover_null →0.9", "modes"):
        assert score in card.splitlines()[0]
    rows = {line.split()[0]: line for line in card.splitlines() if line.startswith(("oracle", "ddrm", "pinv"))}
    assert set(rows) == {"oracle", "ddrm"}
    assert "*" in rows["ddrm"]
    assert "*" not in rows["oracle"]
    assert "The row of oracle is the floor" in card
    assert "| samples\n" in table
    chosen = invbench("table", "benchmark=gmm2d", "--metrics", "modes,swd_range").stdout
    assert [line.split()[3:5] for line in chosen.splitlines() if line.startswith("solver")] == [["modes", "↓"]]
    assert "psnr" not in chosen
    figure = next((tmp_path / "results/runs/gmm2d/inpaint_random").glob("figure-*.png"))
    assert figure.stat().st_size > 10_000
