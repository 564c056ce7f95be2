"""Bars, scatters and fronts: which panels they have, and that what they show is what the records say."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made import bench_of, loaded_cell, made_run
from matplotlib.figure import Figure
from torch import Tensor

from invbench import Measurement, SetMetric
from invbench.analysis.comparable import image_means, mean_of, solver_of
from invbench.analysis.stats import bca_interval
from invbench.cli import main
from invbench.errors import ConfigError
from invbench.figures import charts
from invbench.harness.rebuild import Remeasure
from invbench.harness.rescore import score_set
from invbench.harness.scoring import Scorer
from invbench.plugins import load_catalog
from invbench.store.reader import LoadedCell, load_cells


def invbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three solvers without a network on two tasks, one of them with fewer images."""
    folder = tmp_path_factory.mktemp("charts")
    for options in (["solver=wiener,pinv", "n=6"], ["solver=bicubic", "n=4"]):
        result = invbench("run", "benchmark=gmm", "task=sr4,denoise", "references=false", *options, f"out={folder}")
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def cells(out: Path) -> list[LoadedCell]:
    return load_cells(out)


def of(cells: Sequence[LoadedCell], task: str, solver: str) -> LoadedCell:
    matches = [c for c in cells if c.run.config.task.name == task and solver_of(c) == solver]
    return min(matches, key=lambda c: len(c.images))


def titles(fig: Figure) -> list[str]:
    return [ax.get_title() for ax in fig.axes]


def test_bars_have_a_panel_per_task_on_the_images_that_all_have(cells: list[LoadedCell]) -> None:
    fig = charts.bars(cells, "psnr", True)
    assert titles(fig) == ["denoise (n=4)", "sr4 (n=4)"]
    assert fig.axes[0].get_xlabel() == "psnr (dB)"


def test_a_bar_is_the_mean_with_its_bca_interval_and_the_best_comes_first(cells: list[LoadedCell]) -> None:
    fig = charts.bars(cells, "psnr", True)
    ax = fig.axes[1]
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == sorted(widths, reverse=True)
    wiener = of(cells, "sr4", "wiener")
    place = next(i for i, name in enumerate(names) if name.startswith("wiener"))
    images = of(cells, "sr4", "bicubic").images
    assert widths[place] == pytest.approx(mean_of(wiener, "psnr", images))
    panel = charts.panels(cells, "psnr")[1]
    bar = next(b for b in charts.bars_of(panel, "psnr") if b.name == names[place])
    assert (bar.low, bar.high) == bca_interval(image_means(wiener, "psnr", images).to_numpy(float))
    lengths = [segment[:, 0] for segment in ax.collections[0].get_segments()]
    assert lengths[place] == pytest.approx([bar.low, bar.high])


def test_lower_is_first_where_lower_is_better(cells: list[LoadedCell]) -> None:
    widths = [bar.get_width() for bar in charts.bars(cells, "seconds", False).axes[0].patches]
    assert widths == sorted(widths)


class Brightness(SetMetric):
    """The difference of the mean values: these images are too small for other metrics of sets."""

    name, protocol, higher_is_better = "brightness", "brightness/mean", False

    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        return x_hat.flatten(1).mean(1, keepdim=True)

    def distance(self, truth: Tensor, restored: Tensor) -> float:
        return float((truth.mean() - restored.mean()).abs())


def test_a_score_of_a_set_is_shown_of_cells_with_the_same_images(out: Path) -> None:
    for cell in load_cells(out):
        score_set(cell, Scorer([Brightness()]), Remeasure(cell.run, load_catalog()))
    cells = load_cells(out)
    panel = charts.panels(cells, "brightness")[0]
    assert "left out" in panel.title
    (images,) = {tuple(c.images) for c in panel.cells}
    assert len(images) == len(panel.images)
    for bar, cell in zip(charts.bars_of(panel, "brightness"), panel.cells, strict=True):
        (score,) = (s for s in cell.sets if s.metric == "brightness")
        assert (bar.value, bar.low, bar.high) == (score.value, score.low, score.high)


def test_titles_name_only_what_distinguishes_panels() -> None:
    a, b = "gaussian 0.1 [-1,1]", "gaussian 0.2 [-1,1]"
    kinds = [("sr4", a, 0), ("sr4", b, 0), ("deblur", a, 0), ("sr4", b, 1)]
    configs = [made_run({"task": {"name": t, "noise": noise}, "seed": seed}).config for t, noise, seed in kinds]
    assert charts._titles(configs) == [f"sr4, {a}", f"sr4, {b}, seed 0", "deblur", f"sr4, {b}, seed 1"]
    assert charts._titles([]) == []


def test_a_scatter_has_a_point_an_image_and_counts_both_sides(cells: list[LoadedCell]) -> None:
    fig = charts.scatter(cells, "psnr", "wiener", "pinv")
    assert len(fig.axes) == 2
    wiener, pinv = (image_means(of(cells, "sr4", s), "psnr") for s in ("wiener", "pinv"))
    _, points = fig.axes[1].lines
    assert np.allclose(sorted(points.get_ydata()), sorted(wiener))
    assert np.allclose(sorted(points.get_xdata()), sorted(pinv))
    above, below = int((wiener > pinv).sum()), int((wiener < pinv).sum())
    assert titles(fig)[1] == f"sr4 (n=6)\nwiener higher on {above}, pinv on {below}"
    assert fig.axes[1].get_xlim() == fig.axes[1].get_ylim()


def test_a_pareto_plot_has_a_different_marker_for_each_solver(cells: list[LoadedCell]) -> None:
    fig = charts.front(cells, "psnr", True, "seconds")
    assert len(fig.axes) == 2
    markers = [line for line in fig.axes[0].lines if line.get_label() and not line.get_label().startswith("_")]
    assert len(markers) == len(charts.panels(cells, "psnr")[0].cells)
    assert len({(line.get_color(), line.get_marker()) for line in markers}) == len(markers)
    (legend,) = fig.legends
    assert {line.get_label() for line in markers} == {text.get_text() for text in legend.get_texts()}
    assert [ax.get_xscale() for ax in fig.axes] == ["log", "log"]
    assert charts.front(cells, "psnr", True, "nfe").axes[0].get_xscale() == "symlog", "0 calls have a place"


@pytest.mark.parametrize("cost", ["nfe", "seconds"])
@pytest.mark.parametrize("slowest", [3.0, 300.0])
def test_ticks_of_costs_are_plain_numbers(cost: str, slowest: float) -> None:
    cells = [loaded_cell("photos", "sr4", "ddrm", {"psnr": 20.0, "nfe": 1, "seconds": 1.0})]
    cells.append(loaded_cell("photos", "sr4", "dps", {"psnr": 21.0, "nfe": slowest, "seconds": slowest}))
    ax = charts.front(cells, "psnr", True, cost).axes[0]
    low, high = ax.get_xlim()
    major = [place for place in ax.xaxis.get_majorticklocs() if low <= place <= high]
    texts = ax.xaxis.get_major_formatter().format_ticks(major)
    assert len([float(text.replace("\N{MINUS SIGN}", "-")) for text in texts]) >= 2
    assert not any(ax.xaxis.get_minor_formatter().format_ticks(ax.xaxis.get_minorticklocs()))


def test_seconds_of_a_pareto_plot_are_those_of_bench_where_all_solvers_have_them(cells: list[LoadedCell]) -> None:
    panel = charts.panels(cells, "psnr")[0]
    costs = {}
    for i, cell in enumerate(panel.cells):
        bench = bench_of(cell.run.config, 10.0 + i)
        key = bench.names
        costs[key] = bench
    first, second = charts.front(cells, "psnr", True, "seconds", costs).axes[:2]
    drawn = [line.get_xdata()[0] for line in first.lines if not line.get_label().startswith("_")]
    assert sorted(drawn) == [10.0 + i for i in range(len(panel.cells))]
    assert first.get_xlabel() == "seconds per image, one alone"
    assert second.get_xlabel() == "seconds per image of the runs"
    costs.pop(key)
    assert charts.front(cells, "psnr", True, "seconds", costs).axes[0].get_xlabel() == "seconds per image of the runs"


def test_the_line_of_a_pareto_plot_joins_the_optimal_points(cells: list[LoadedCell]) -> None:
    ax = charts.front(cells, "psnr", True, "seconds").axes[0]
    x, y = (np.asarray(values) for values in ax.lines[0].get_data())
    points = [(mean_of(c, "seconds", images), mean_of(c, "psnr", images)) for c, images in shown(cells)]
    assert y[-1] == max(value for _, value in points)
    assert x[0] == min(cost for cost, _ in points)
    assert (np.diff(y) >= 0).all()


def shown(cells: list[LoadedCell]) -> list[tuple[LoadedCell, list[str]]]:
    panel = charts.panels(cells, "psnr")[0]
    return [(cell, panel.images) for cell in panel.cells]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pie"], "unknown kind of figure 'pie'"),
        (["bars", "--metric", "lpips_vgg"], "unknown metric 'lpips_vgg'"),
        (["bars", "--solvers", "winer"], "did you mean 'wiener'?"),
        (["bars", "--zoom"], "--zoom enlarges a part of a grid"),
        (["bars", "--images", "00000"], "--images chooses pictures"),
        (["front", "--cost", "money"], "unknown cost 'money'"),
        (["bars", "--cost", "seconds"], "--cost is the axis of a front; leave it out for bars"),
        (["front", "--metric", "consistency"], "consistency has neither"),
        (["scatter"], "scatter needs two solvers, for example --solvers davi,ddrm; got 0"),
        (["scatter", "--solvers", "wiener"], "got 1"),
        (["bars", "solver=wiener", "--to", "a.doc"], "--to takes a file ending in .png, .pdf, .svg"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_what_can(out: Path, words: list[str], message: str) -> None:
    result = invbench("figure", *words, "--out", out)
    assert result.exit_code == 2
    assert message in result.output


def test_two_solvers_without_common_images_are_reported(cells: list[LoadedCell]) -> None:
    with pytest.raises(ConfigError, match="no image has a value of psnr by both wiener and ddrm; run them on one task"):
        charts.scatter(cells, "psnr", "wiener", "ddrm")


@pytest.mark.parametrize("kind", ["bars", "front", "scatter"])
@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_a_chart_is_written_in_every_format(out: Path, tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / "below" / f"{kind}.{suffix}"
    result = invbench("figure", kind, "task=sr4", "--solvers", "wiener,pinv", "--to", path, "--out", out)
    assert result.output.strip() == str(path)
    content = path.read_bytes()
    assert content.startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[suffix])
    if suffix == "svg":
        assert b">wiener" in content, "text is text"


def test_a_chart_without_a_file_lies_in_the_results_folder(out: Path) -> None:
    path = out / "bars-ssim.png"
    assert invbench("figure", "bars", "--metric", "ssim", "--out", out).output.strip() == str(path)
    assert path.is_file()


def test_cells_are_chosen_by_the_start_of_their_id_too(out: Path, cells: list[LoadedCell], tmp_path: Path) -> None:
    from invbench.figures.drawing import select

    first = cells[0]
    assert select(cells, [first.id[:6]]) == [first]
    assert select(cells, []) == cells
    with pytest.raises(ConfigError, match="unknown solver or cell"):
        select(cells, [first.id[:2]])


def test_a_chart_needs_no_torch(out: Path, tmp_path: Path) -> None:
    import subprocess

    code = f"""
import sys
from invbench.cli import main
main(["figure", "bars", "--to", "a.png", "--out", {str(out)!r}], standalone_mode=False)
assert not {{"torch", "hydra"}} & set(sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
