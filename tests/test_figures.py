"""Pictures: what they hold, and what is said where they cannot be drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.drawing import Request, draw
from invbench.errors import ConfigError, StoreError
from invbench.figures import comparison, measurement_pictures, picture, showable
from invbench.grid import SIDE
from invbench.plugins import load_catalog
from invbench.rebuild import rebuild_bank
from invbench.records import LoadedCell, load_cells

CATALOG = load_catalog()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of three tasks by two solvers, without a network call."""
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("figures")
    options = ["solver=wiener", "task=inpaint,colorize,cs4", "benchmark=gmm", "n=3", "samples=2"]
    subprocess.run([sys.executable, "-m", "invbench.cli", "run", *options], cwd=folder, check=True, capture_output=True)
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
    bank = rebuild_bank(cells[0].run["config"], CATALOG)
    wide, narrow = tmp_path / "wide.png", tmp_path / "narrow.png"
    assert comparison(bank, cells, wide, rows=2) == wide
    assert comparison(bank, [c for c in cells if c.run["config"]["samples"] == 1], narrow, rows=2) == narrow
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
    bank = rebuild_bank(cells_of(out, "inpaint")[0].run["config"], CATALOG)
    measured = bank.measure(["00000"])
    (shown,) = measurement_pictures(bank, measured)
    assert shown.shape == (16, 16, 3)
    assert np.allclose(shown[4:12, 4:12], 0.5), "missing pixels are mid-grey"
    assert np.allclose(shown[0], picture(measured.A.pinv(measured.y)[0])[0])  # type: ignore[attr-defined]


def test_pictures_are_clipped_and_have_three_channels() -> None:
    grey = picture(torch.tensor([[[-2.0, 0.0, 2.0]]]))
    assert grey.tolist() == [[[0.0] * 3, [0.5] * 3, [1.0] * 3]]


def test_points_of_the_plane_are_not_drawn_as_images() -> None:
    assert not showable((1, 1, 2))
    assert showable((3, 16, 16))


def test_a_record_whose_plugin_has_lost_an_option_is_a_message(out: Path) -> None:
    config = cells_of(out, "inpaint")[0].run["config"]
    with pytest.raises(ConfigError, match="task inpaint: .*'shape'"):
        rebuild_bank({**config, "task": {**config["task"], "shape": "round"}}, CATALOG)


def test_an_image_that_a_kill_left_half_written_is_not_drawn(out: Path, tmp_path: Path) -> None:
    cells = cells_of(out, "colorize")
    bank = rebuild_bank(cells[0].run["config"], CATALOG)
    for cell in cells:
        cell.rows[:] = [r for r in cell.rows if r["image"] != "00000" or r["metric"] == "ssim"]
    path = tmp_path / "rest.png"
    assert comparison(bank, cells, path, rows=9) == path
    with Image.open(path) as image:
        assert round(image.height / ((SIDE + 0.2) * 200)) == 2, "two of the three images are whole"
