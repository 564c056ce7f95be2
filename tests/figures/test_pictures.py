"""Pictures: what they hold, and what is said where they cannot be drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from command import called
from made import changed
from PIL import Image

from invbench.cli import main
from invbench.errors import ConfigError, StoreError
from invbench.figures.drawing import Request, draw
from invbench.figures.grid import SIDE, Box, grid, worst_square
from invbench.figures.pictures import comparison, error_map, measurement_pictures, picture, showable
from invbench.harness.rebuild import rebuild_bank
from invbench.plugins import load_catalog
from invbench.store.reader import LoadedCell, load_cells

CATALOG = load_catalog()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of three tasks by two solvers, without a network call."""
    folder = tmp_path_factory.mktemp("figures")
    options = ["solver=wiener", "task=inpaint,colorize,cs4", "benchmark=gmm", "n=3", "samples=2"]
    assert called(["run", *options], folder).returncode == 0
    return folder / "results" / "runs"


def cells_of(out: Path, task: str) -> list[LoadedCell]:
    return load_cells(out, task=task)


@pytest.mark.parametrize("task", ["inpaint", "colorize", "cs4"])
def test_a_run_leaves_a_picture(out: Path, task: str) -> None:
    (path,) = (out / "gmm" / task).glob("figure-gmm-seed0-*.png")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.std() > 20, "the picture is not blank"


def test_a_picture_has_a_column_for_truth_measurement_and_each_estimate(out: Path, tmp_path: Path) -> None:
    cells = cells_of(out, "inpaint")
    bank = rebuild_bank(cells[0].run, CATALOG)
    wide, narrow = tmp_path / "wide.png", tmp_path / "narrow.png"
    assert comparison(bank, cells, wide, rows=2) == wide
    assert comparison(bank, [c for c in cells if c.run.config.samples == 1], narrow, rows=2) == narrow
    with Image.open(wide) as a, Image.open(narrow) as b:
        columns = [round(image.width / (SIDE * 200)) for image in (a, b)]
    # truth, measurement, pinv; the exact sampler and wiener each with the mean of their two samples
    assert columns == [7, 3]


def test_a_picture_can_be_a_vector_file(out: Path, tmp_path: Path) -> None:
    (path,) = draw(cells_of(out, "colorize"), CATALOG, out, Request(rows=1, to=tmp_path / "grey.pdf"))
    assert path.read_bytes().startswith(b"%PDF")


def test_one_file_for_several_measurements_is_refused(out: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--to names one file, the filters leave 3 measurements"):
        list(draw(load_cells(out), CATALOG, out, Request(to=tmp_path / "one.png")))


def test_an_unknown_suffix_is_refused(invbench: Callable[..., Any], out: Path) -> None:
    result = invbench("figure", "task=inpaint", "--to", "picture.doc", "--out", str(out))
    assert result.returncode == 2
    assert "picture.doc" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_reconstruction_names_its_image(out: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(out / "gmm" / "cs4", tmp_path / "gmm" / "cs4")
    cells = load_cells(tmp_path)
    for cell in cells:
        cell.image_path("00000").unlink()  # type: ignore[union-attr]
    with pytest.raises(StoreError, match="the reconstruction of 00000 is missing"):
        list(draw(cells, CATALOG, tmp_path))


def test_measurements_that_are_no_images_are_shown_as_the_pseudo_inverse(out: Path) -> None:
    bank = rebuild_bank(cells_of(out, "inpaint")[0].run, CATALOG)
    measured = bank.measure(["00000"])
    (picture_of_y,) = measurement_pictures(bank, measured)
    assert picture_of_y.shape == (16, 16, 3)
    assert np.allclose(picture_of_y[4:12, 4:12], 0.5), "missing pixels are mid-grey"
    assert np.allclose(picture_of_y[0], picture(measured.A.pinv(measured.y)[0])[0])  # type: ignore[attr-defined]


def test_complex_measurements_in_the_shape_of_an_image_are_shown_as_the_initial_estimate(tmp_path: Path) -> None:
    (tmp_path / "own_scan.py").write_text(
        "import torch\n\n\ndef spectrum(x):\n    return torch.fft.fft2(x, norm='ortho')\n"
    )
    options = ["task=module", "task.target=own_scan:spectrum", "task.linear=true", "solver.nfe=2", "n=1"]
    assert called(["run", "solver=diffpir", "benchmark=gmm", *options], tmp_path).returncode == 0
    assert [*tmp_path.glob("results/runs/gmm/module/figure-gmm-seed0-*.png")]


def test_pictures_are_clipped_and_have_three_channels() -> None:
    grey = picture(torch.tensor([[[-2.0, 0.0, 2.0]]]))
    assert grey.tolist() == [[[0.0] * 3, [0.5] * 3, [1.0] * 3]]


def test_points_of_the_plane_are_not_drawn_as_images() -> None:
    assert not showable((1, 1, 2))
    assert showable((3, 16, 16))


def test_a_record_whose_plugin_has_lost_an_option_is_a_message(out: Path) -> None:
    run = changed(cells_of(out, "inpaint")[0].run, task={"shape": "round"})
    with pytest.raises(ConfigError, match="task inpaint: .*'shape'"):
        rebuild_bank(run, CATALOG)


def test_an_image_that_a_kill_left_half_written_is_not_drawn(out: Path, tmp_path: Path) -> None:
    cells = cells_of(out, "colorize")
    bank = rebuild_bank(cells[0].run, CATALOG)
    for cell in cells:
        cell.rows[:] = [r for r in cell.rows if r.image != "00000" or r.metric == "ssim"]
    path = tmp_path / "rest.png"
    assert comparison(bank, cells, path, rows=9) == path
    with Image.open(path) as image:
        assert round(image.height / ((SIDE + 0.2) * 200)) == 2, "two of the three images are whole"


def test_a_grid_has_a_picture_an_image_and_method_and_an_enlargement_of_each() -> None:
    pictures = [np.full((8, 8, 3), 0.5)] * 2
    columns = [("truth", pictures, ["", ""]), ("davi", pictures, ["20.00 dB", "21.00 dB"])]
    plain, zoomed = grid(columns), grid(columns, [Box(0, 0, 2), Box(6, 6, 2)])
    assert len(plain.axes) == 4
    assert [ax.get_xlabel() for ax in plain.axes] == ["", "20.00 dB", "", "21.00 dB"]
    assert [ax.get_title() for ax in plain.axes] == ["truth", "davi", "", ""]
    assert [len(ax.child_axes) for ax in zoomed.axes] == [1] * 4
    for ax, box in zip(zoomed.axes, [Box(0, 0, 2)] * 2 + [Box(6, 6, 2)] * 2, strict=True):
        (frame,) = ax.patches
        assert frame.get_xy() == (box.left - 0.5, box.top - 0.5)
        assert ax.child_axes[0].images[0].get_array().shape == (2, 2, 3)


def test_a_small_measurement_shows_the_part_that_is_enlarged() -> None:
    large, small = np.zeros((64, 64, 3)), np.zeros((16, 16, 3))
    zoomed = grid([("truth", [large], [""]), ("measurement", [small], [""])], [Box(48, 40, 16)])
    assert zoomed.axes[1].child_axes[0].images[0].get_array().shape == (4, 4, 3)
    assert Box(48, 40, 16).scaled(0.25) == Box(12, 10, 4)


def test_error_maps_share_one_colour_scale() -> None:
    picture, maps = np.zeros((4, 4, 3)), [np.full((4, 4), 0.1), np.full((4, 4), 0.4)]
    fig = grid([("truth", [picture] * 2, ["", ""]), ("davi", maps, ["", ""])], scale="error")
    *panels, bar = fig.axes
    assert len(panels) == 4
    assert bar.get_ylabel() == "error"
    assert {ax.images[0].get_clim() for ax in panels[1::2]} == {(0, 0.4)}


def test_an_error_is_the_mean_distance_of_the_channels() -> None:
    x = torch.zeros(3, 1, 2)
    x_hat = torch.tensor([[[0.3, 0.0]], [[-0.3, 0.0]], [[0.0, 0.6]]])
    assert np.allclose(error_map(x_hat, x), [[0.2, 0.2]])


def test_the_enlarged_square_is_where_the_median_method_errs_most() -> None:
    truth = np.zeros((16, 16, 3))
    others = [truth.copy() for _ in range(3)]
    for other in others[:2]:
        other[9:13, 4:8] = 0.5
    others[2][:] = 1.0  # one that fails everywhere does not decide
    others[2][9:13, 4:8] = 0.5
    assert worst_square(truth, others) == Box(9, 4, 4)
    assert worst_square(truth[:2, :2], [truth[:2, :2]]) == Box(0, 0, 1), "small pictures have one too"


@pytest.mark.parametrize("words", [["grid", "--zoom", "--metric", "ssim"], ["errors", "--images", "00002,00000"]])
def test_the_command_draws_what_was_asked(out: Path, tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "a.svg"
    result = CliRunner().invoke(main, ["figure", *words, "task=inpaint", "--to", str(path), "--out", str(out)])
    assert result.output.strip() == str(path), result.output
    text = path.read_text()
    ssim = [f">{r.value:.3f}<" in text for c in cells_of(out, "inpaint") for r in c.rows if r.metric == "ssim"]
    assert any(ssim) == (words[0] == "grid")
    assert text.count(" dB<") == (0 if words[0] == "grid" else 2 * len(cells_of(out, "inpaint")))


def test_an_image_that_is_not_there_is_reported(out: Path) -> None:
    result = CliRunner().invoke(main, ["figure", "task=inpaint", "--images", "00009", "--out", str(out)])
    assert result.exit_code == 2
    assert "unknown image that every solver has finished '00009'" in result.output


def test_error_maps_of_data_that_are_not_images_are_refused(tmp_path: Path) -> None:
    run = ["run", "solver=pinv", "benchmark=gmm2d", "task=denoise", "n=1", "references=false", f"out={tmp_path}"]
    assert CliRunner().invoke(main, run).exit_code == 0
    result = CliRunner().invoke(main, ["figure", "errors", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "errors are mapped of images; gmm2d has shape (1, 1, 2)" in result.output
