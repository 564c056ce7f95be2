"""Several seeds of one experiment, and the components of what varies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made import loaded_cell

from invbench.analysis.seeds import seed_tables
from invbench.analysis.stats import components
from invbench.cli import main
from invbench.plugins import load_catalog
from invbench.store.reader import load_cells

METRICS = load_catalog().for_tables()[0]


def drawn(rng: np.random.Generator, n: int, k: int, images: float, seeds: float, rest: float) -> np.ndarray:
    return (
        25
        + rng.normal(0, images, (n, 1))
        + rng.normal(0, seeds, (1, k))
        + (rng.normal(0, rest, (n, k)) if rest else np.zeros((n, k)))
    )


def test_components_are_those_the_scores_were_drawn_with() -> None:
    rng = np.random.default_rng(0)
    estimates = np.array([components(drawn(rng, 20, 6, 2.0, 0.5, 0.3))[2:] for _ in range(400)])
    assert np.sqrt((estimates**2).mean(0)) == pytest.approx([2.0, 0.5, 0.3], rel=0.08)


@pytest.mark.parametrize(
    ("n", "k", "seeds", "least"),
    [(30, 30, 1.0, 0.93), (48, 3, 0.3, 0.93), (48, 5, 1.0, 0.93), (48, 3, 1.0, 0.91), (48, 2, 1.0, 0.88)],
)
def test_the_interval_covers_other_images_and_seeds(n: int, k: int, seeds: float, least: float) -> None:
    """Of two or three seeds that matter as much as images it covers less, as the table's note says."""
    rng = np.random.default_rng(1)
    drawings = (components(drawn(rng, n, k, 1, seeds, 1)) for _ in range(2000))
    covered = [abs(mean - 25) <= half for mean, half, *_ in drawings]
    assert least <= np.mean(covered) <= 0.985


def test_nothing_varies_where_all_is_equal() -> None:
    assert components(np.full((4, 3), 7.0)) == (7.0, 0.0, 0.0, 0.0, 0.0)


def test_only_the_seed_is_pooled() -> None:
    cells = [loaded_cell("photos", "sr4", "ddrm", {"psnr": 24.0 + s}, 3, seed=s) for s in (0, 1, 2)]
    other = [
        loaded_cell("photos", "sr4", "dps", {"psnr": 20.0}, 3),
        loaded_cell("photos", "deblur", "ddrm", {"psnr": 1.0}),
    ]
    (table,) = seed_tables([*cells, *other], METRICS)
    (line,) = table.frame.to_dict("records")
    assert (line["solver"], line["seeds"], line["metric"], line["n"]) == ("ddrm", "0, 1, 2", "psnr", "3")
    assert line["mean"].startswith("25.00 ±")
    assert (line["std images"], line["std seeds"], line["std rest"]) == ("0.00", "1.00", "0.00")
    assert "seed" not in table.title.removesuffix("| seeds")
    assert seed_tables(cells[:1], METRICS) == []


@pytest.mark.long
def test_a_run_of_several_seeds_says_what_varied(tmp_path: Path) -> None:
    arguments = ["run", "solver=wiener", "task=denoise", "seed=0,1", "n=2", f"out={tmp_path}"]
    ran = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert ran.exit_code == 0
    table = CliRunner().invoke(main, ["table", "--out", str(tmp_path)], catch_exceptions=False)
    for text in (ran.output, table.output):
        assert "| seeds" in text
        assert "std seeds" in text


def test_several_seeds_of_a_solver_that_is_skipped_are_no_experiment(tmp_path: Path) -> None:
    noise = "task.noise='uniform 0.01..0.1 [-1,1]'"
    arguments = ["run", "solver=ddrm", "benchmark=gmm", "task=denoise", noise, "seed=0,1", "n=2", f"out={tmp_path}"]
    ran = CliRunner().invoke(main, [*arguments, "references=false"], catch_exceptions=False)
    assert "Skipped ddrm" in ran.output
    table = CliRunner().invoke(main, ["table", "--out", str(tmp_path)], catch_exceptions=False)
    assert "Skipped ddrm" in table.output


def test_a_level_that_is_assumed_is_given_and_recorded(tmp_path: Path) -> None:
    hidden = ["benchmark=gmm", "task=denoise", "task.noise='uniform 0.01..0.1 [-1,1]'", "n=2", f"out={tmp_path}"]
    for level in ("0.05", "0.1"):
        words = ["run", "solver=wiener,bicubic", *hidden, f"assume='{level} [-1,1]'", "references=false"]
        assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    table = CliRunner().invoke(main, ["table", "--out", str(tmp_path)], catch_exceptions=False).output
    assert "Given a noise level of 0.05 [-1,1], not the image's own: wiener assume=0.05 [-1,1]." in table
    rows = [line.split("  ")[0] for line in table.splitlines() if line.startswith(("bicubic", "wiener"))]
    assert sorted(rows) == ["bicubic", "wiener assume=0.05 [-1,1]", "wiener assume=0.1 [-1,1]"]
    (cell, _) = load_cells(tmp_path, solver="wiener")
    verified = CliRunner().invoke(main, ["verify", cell.id, "--out", str(tmp_path), "--images", "1"])
    assert verified.exit_code == 0, verified.output
    words = ["run", "solver=wiener", *hidden, "assume=effective", "references=false"]
    told = CliRunner().invoke(main, words, catch_exceptions=False).output
    assert "Given a noise level of 0.06083 [-1,1], not the image's own: wiener" in told, "sqrt(0.0037)"
    refused = CliRunner().invoke(main, ["run", "solver=wiener", "task=denoise", "assume='0.05 [-1,1]'"])
    assert refused.exit_code == 1
    assert "states its level. Leave assume out" in refused.output
