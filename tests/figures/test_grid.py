"""What the columns of a figure hold, and which images and measurements they show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from invbench.analysis.comparable import label
from invbench.errors import StoreError
from invbench.figures import pictures
from invbench.figures.drawing import draw
from invbench.figures.grid import SIDE
from invbench.figures.pictures import comparison, measurement_pictures, picture
from invbench.harness.cell import Cell, Options
from invbench.harness.rebuild import rebuild_bank
from invbench.harness.runner import run_cell
from invbench.plugins import load_catalog
from invbench.store.reader import LoadedCell, load_cells

CATALOG = load_catalog()
Columns = list[tuple[str, list[np.ndarray], list[str]]]


def record(out: Path, solver: str, task: str = "denoise", n: int = 3, benchmark: str = "gmm", **changes: Any) -> None:
    preset = CATALOG.benchmark(benchmark)
    cell = Cell(
        benchmark=preset,
        task=CATALOG.get("task", task)(**preset.tasks[task]),
        dataset=CATALOG.get("dataset", benchmark)(),
        source=CATALOG.get("prior", preset.prior)(),
        solver=CATALOG.get("solver", solver)(),
        **changes,
    )
    metrics = [plugin.cls() for plugin in CATALOG.plugins["metric"].values()]
    outcome = run_cell(cell, metrics, Options(out, n=n))
    assert outcome.status == "complete", outcome.reason


def bank_of(cells: list[LoadedCell]) -> Any:
    return rebuild_bank(cells[0].run, CATALOG)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two solvers on one measurement, one of them with two samples; and another measurement."""
    out = tmp_path_factory.mktemp("recorded")
    record(out, "pinv")
    record(out, "oracle", n=2, samples=2)
    record(out, "pinv", task="sr4")
    return out


@pytest.fixture
def denoised(recorded: Path) -> list[LoadedCell]:
    return load_cells(recorded, task="denoise")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Columns:
    """The columns of the last figure, which is not written."""
    drawn_columns: Columns = []

    def keep(columns: Columns, *_boxes: Any) -> None:
        drawn_columns[:] = columns

    monkeypatch.setattr(pictures, "grid", keep)
    monkeypatch.setattr(pictures, "save", lambda fig, path: path)
    return drawn_columns


def test_there_is_a_column_for_truth_measurement_and_each_solver(denoised: list[LoadedCell], drawn: Columns) -> None:
    comparison(bank_of(denoised), denoised, Path("unused.png"))
    names = {c.run.config.solver.name: label(c, denoised) for c in denoised}
    assert [title for title, _, _ in drawn] == ["truth", "measurement", names["pinv"], names["oracle"], "mean of 2"]


def test_images_are_those_that_every_solver_has(denoised: list[LoadedCell], drawn: Columns) -> None:
    comparison(bank_of(denoised), denoised, Path("unused.png"), rows=9)
    assert {len(pictures) for _, pictures, _ in drawn} == {2}
    comparison(bank_of(denoised), denoised, Path("unused.png"), rows=1)
    assert {len(pictures) for _, pictures, _ in drawn} == {1}


def test_pictures_and_captions_are_those_of_the_records(denoised: list[LoadedCell], drawn: Columns) -> None:
    bank = bank_of(denoised)
    comparison(bank, denoised, Path("unused.png"))
    x = bank.dataset.load("00000")
    assert np.array_equal(drawn[0][1][0], picture(x))
    (pinv,) = (c for c in denoised if c.run.config.solver.name == "pinv")
    psnr = next(r.value for r in pinv.rows if (r.image, r.metric) == ("00001", "psnr"))
    assert drawn[2][2][1] == f"{psnr:.2f} dB"
    assert np.array_equal(drawn[2][1][0], drawn[1][1][0])  # with H = I the pseudo-inverse is the measurement


def test_a_figure_is_an_image_with_a_column_each(denoised: list[LoadedCell], tmp_path: Path) -> None:
    path = comparison(bank_of(denoised), denoised, tmp_path / "below" / "a.png", rows=2)
    assert path == tmp_path / "below" / "a.png"
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        assert image.width == pytest.approx(5 * SIDE * 200, rel=0.05)
        assert image.height == pytest.approx(2 * SIDE * 200, rel=0.25), "captions and titles besides"
        assert len(image.convert("RGB").getcolors(2**24)) > 100


def test_a_figure_that_cannot_be_written_is_a_message(denoised: list[LoadedCell], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write the figure to"):
        comparison(bank_of(denoised), denoised, tmp_path / "file" / "a.png", rows=1)


@pytest.mark.parametrize("task", ["sr4", "colorize", "inpaint", "inpaint_random", "cs4", "deblur"])
def test_every_measurement_can_be_shown(task: str, tmp_path: Path) -> None:
    record(tmp_path, "pinv", task=task, n=2)
    cells = load_cells(tmp_path)
    bank = bank_of(cells)
    measured = bank.measure(["00000", "00001"])
    pictures = measurement_pictures(bank, measured)
    assert len(pictures) == 2
    for image in pictures:
        assert image.shape[2] == 3
        assert 0 <= image.min() < image.max() <= 1
    path = comparison(bank, cells, tmp_path / "a.png")
    assert path is not None
    with Image.open(path) as image:
        image.verify()


def test_cells_without_rows_make_no_figure(denoised: list[LoadedCell], tmp_path: Path) -> None:
    empty = LoadedCell("x", denoised[0].run, [], denoised[0].folders, 0)
    assert comparison(bank_of(denoised), [empty], tmp_path / "a.png") is None
    assert not (tmp_path / "a.png").exists()


def test_each_measurement_has_a_figure_beside_its_records(recorded: Path) -> None:
    paths = list(draw(load_cells(recorded), CATALOG, recorded))
    assert sorted(p.parent.relative_to(recorded).as_posix() for p in paths) == ["gmm/denoise", "gmm/denoise", "gmm/sr4"]
    assert any(p.name.startswith("samples-") for p in paths)
    assert all(p.stat().st_size > 1000 for p in paths)


def test_the_command_writes_a_vector_figure(recorded: Path, invbench: Callable[..., Any], tmp_path: Path) -> None:
    result = invbench("figure", "task=sr4", "--to", "a.svg", "--rows", "1", "--out", str(recorded))
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "a.svg"
    assert (tmp_path / "a.svg").read_text().count("<image") == 3
