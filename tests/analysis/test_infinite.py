"""Exact restorations of measurements without noise: infinite PSNR in tables, tests and figures, without a warning."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invbench.analysis.seeds import seed_tables
from invbench.cli import main
from invbench.figures import charts
from invbench.metrics.distortion import PSNR
from invbench.store.reader import load_cells

METRICS = {"psnr": PSNR}
EXACT = ("pinv", "wiener", "bicubic")


def invbench(*arguments: str | Path) -> Result:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three references that restore exactly and one solver that does not, with two seeds."""
    folder = tmp_path_factory.mktemp("exact") / "runs"
    words = ["benchmark=gmm", "task=denoise", "task.noise='gaussian 0 [-1,1]'", "n=7", "seed=0,1", "references=false"]
    for solver in (["solver=ddrm", "solver.nfe=4"], ["solver=pinv,wiener,bicubic"]):
        ran = invbench("run", *solver, *words, f"out={folder}")
        assert ran.exit_code == 0, ran.output
    return folder


def row(text: str, solver: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(solver))


def test_a_table_says_inf_and_separates_exact_rows_from_others_and_not_from_each_other(out: Path) -> None:
    result = invbench("table", "seed=0", "--metrics", "psnr", "--out", out)
    assert result.exit_code == 0
    marks = [row(result.output, solver).split("inf")[1].split()[:1] for solver in EXACT]
    assert sorted(marks) == [["best"], ["tie"], ["tie"]]
    assert "best" not in row(result.output, "ddrm")
    assert "tie" not in row(result.output, "ddrm")


def test_the_consistency_of_measurements_without_noise_is_not_available(out: Path) -> None:
    """It is a residual in units of the noise: 0 / 0 for an exact restoration."""
    rows = [r for cell in load_cells(out) for r in cell.rows]
    assert "psnr" in {r.metric for r in rows}
    assert "consistency" not in {r.metric for r in rows}
    assert not any(np.isnan(r.value) for r in rows)
    assert "consistency" not in invbench("table", "--out", out).output


@pytest.mark.parametrize(
    "words",
    [
        ["table"],
        ["table", "--format", "csv"],
        ["table", "--format", "latex"],
        ["table", "--format", "html"],
        ["table", "--budgets", "10,100"],
        ["versus", "pinv", "wiener"],
        ["versus", "pinv", "ddrm"],
        ["figure", "bars", "--to", "TO/a.png"],
        ["figure", "front", "--to", "TO/b.png"],
        ["figure", "front", "--cost", "seconds", "--to", "TO/c.png"],
        ["figure", "scatter", "--solvers", "pinv,wiener", "--to", "TO/d.png"],
        ["figure", "scatter", "--solvers", "pinv,ddrm", "--to", "TO/e.png"],
        ["figure", "errors", "seed=0", "--to", "TO/f.png"],
        ["report", "--to", "TO/report.html"],
    ],
    ids=" ".join,
)
def test_every_reading_command_takes_infinite_scores(out: Path, words: list[str], tmp_path: Path) -> None:
    result = invbench(*[word.replace("TO", str(tmp_path)) for word in words], "--out", out)
    assert result.exit_code == 0, result.output


def psnr_of(text: str) -> list[str]:
    """The entries of the only row of a table of ``versus`` that is of psnr, without its place."""
    (line,) = (line for line in text.splitlines() if " psnr " in line)
    return line.replace("|", " ").split(" psnr ")[1].split()


def test_two_solvers_differ_significantly_by_exact_restorations_alone(out: Path) -> None:
    equal = psnr_of(invbench("versus", "pinv", "wiener", "seed=0", "--out", out).output)
    assert equal == ["7", "inf", "inf", "+0", "1", "1", "tie", "inf"]
    n, _, exact, lead, *_, better, needed = psnr_of(invbench("versus", "pinv", "ddrm", "seed=0", "--out", out).output)
    assert (n, exact, lead, better, needed) == ("7", "inf", "+inf", "pinv", "6")


def test_a_store_is_compared_with_itself_and_with_one_that_lost_exactness(out: Path, tmp_path: Path) -> None:
    same = invbench("compare", out, out, "--fail-on", "psnr<-0.05,psnr>0.05,psnr<0.99x")
    assert same.exit_code == 0
    assert "0 scores of 8 cells changed" in same.output
    worse = tmp_path / "worse"
    shutil.copytree(out, worse)
    for path in worse.glob("*/*/pinv-*/records.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows[0]["value"] = 80.0 if rows[0]["metric"] == "psnr" else rows[0]["value"]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    lost = invbench("compare", out, worse, "--fail-on", "psnr<-0.05")
    assert lost.exit_code == 1
    assert "psnr<-0.05 is broken, from inf to inf" in lost.output
    assert "-inf" in lost.output
    gained = invbench("compare", worse, out, "--fail-on", "psnr<-0.05")
    assert gained.exit_code == 0, gained.output


def test_seeds_of_exact_restorations_have_no_deviation(out: Path) -> None:
    (table,) = seed_tables(load_cells(out), METRICS)
    lines = {line["solver"]: line for line in table.frame.to_dict("records")}
    assert [lines["pinv"][key] for key in ("mean", "std images", "std seeds", "std rest")] == ["inf", "-", "-", "-"]
    assert "±" in lines["ddrm"]["mean"]


def test_a_bar_without_end_is_the_longest_and_says_so(out: Path) -> None:
    ax = charts.bars(load_cells(out, seed="0"), "psnr", True).axes[0]
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    widths = dict(zip(names, [bar.get_width() for bar in ax.patches], strict=True))
    assert np.isfinite(list(widths.values())).all()
    assert min(widths[name] for name in EXACT) > widths["ddrm"]
    assert [text.get_text() for text in ax.texts[:3]] == ["inf"] * 3


def test_a_pareto_plot_and_a_scatter_show_infinite_scores_at_the_edge(out: Path) -> None:
    cells = load_cells(out, seed="0")
    ax = charts.front(cells, "psnr", True, "nfe").axes[0]
    assert ax.get_ylabel() == "psnr (dB); inf at the edge"
    drawn = {line.get_label(): line.get_ydata()[0] for line in ax.lines if not line.get_label().startswith("_")}
    assert drawn["pinv"] == drawn["wiener"] > drawn["ddrm"]
    _, points = charts.scatter(cells, "psnr", "pinv", "ddrm").axes[0].lines
    assert np.isfinite(points.get_ydata()).all()
    assert min(points.get_ydata()) > max(points.get_xdata())
