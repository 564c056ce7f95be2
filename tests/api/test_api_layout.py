"""A measurement of one's own as problems: whole, or a picture padded to what operator and prior take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from invbench.api.layout import Exact, Pictured, layout
from invbench.api.measurements import Own, read_measurement
from invbench.api.parts import Parts, parts_of
from invbench.errors import ConfigError
from invbench.linops import Selection

PICTURE = Own(torch.zeros(3, 30, 42), picture=True)


def parts(task: str = "denoise", **options: Any) -> Parts:
    return parts_of("ddrm", task, "0.02 [0,1]", "adm_photos", "photos", options)


def test_a_picture_is_padded_to_the_least_that_the_prior_takes() -> None:
    placed = layout(parts(), PICTURE, 0, "")
    assert isinstance(placed, Pictured)
    ((A, y),) = placed.tiles()
    assert A.x_shape == (3, 32, 44)
    assert y.shape == (1, 3, 32, 44)
    assert placed.joined([torch.ones(1, *A.x_shape)]).shape == (1, 3, 30, 42)


def test_a_blurred_picture_has_a_margin_that_does_not_count() -> None:
    placed = Pictured(parts("deblur"), PICTURE, 0)
    ((A, _),) = placed.tiles()
    assert A.x_shape == (3, 96, 108), "32 pixels all around, and what the prior adds"
    assert placed.inside(torch.zeros(1, *A.y_shape)).shape == (1, 3, 30, 42)


def test_tiles_of_a_mask_have_their_own_pixels_and_a_tile_without_any_is_refused(tmp_path: Any) -> None:
    from PIL import Image

    missing = np.zeros((64, 64), np.uint8)
    missing[:, 40:] = 255
    Image.fromarray(missing).save(tmp_path / "m.png")
    mask = parts("inpaint", task__mask=str(tmp_path / "m.png"))
    picture = Own(torch.zeros(3, 64, 64), picture=True)
    ((A, y),) = Pictured(mask, picture, 0).tiles()
    assert isinstance(A, Selection)
    assert y.shape == (1, 3, 64 * 40)
    with pytest.raises(ConfigError, match="a whole tile of the picture is missing; choose a larger tile"):
        list(Pictured(mask, picture, 16).tiles())


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("", r"y of shape \(3, 9\) is not a picture, \(1 or 3, H, W\): expected the image's size as size=HxW"),
        ("64", "got '64'"),
        ("axb", "got 'axb'"),
        ("32x32", r"expected y in the operator's shape \(3, 256\); got \(3, 9\)"),
    ],
)
def test_what_is_no_picture_needs_the_size_of_its_image(size: str, message: str) -> None:
    own = read_measurement(np.zeros((3, 9)))
    with pytest.raises(ConfigError, match=message):
        layout(parts("cs4"), own, 0, size)


def test_a_size_may_name_the_channels() -> None:
    with pytest.raises(ConfigError, match=r"expected y in the operator's shape \(2, 4, 6\)"):
        Exact(parts(), read_measurement(np.zeros((2, 5))), "2x4x6")


def test_what_is_no_picture_is_restored_whole() -> None:
    placed = layout(parts("cs4"), read_measurement(np.zeros((3, 256))), 0, "32x32")
    ((A, y),) = placed.tiles()
    assert (A.x_shape, y.shape) == ((3, 32, 32), (1, 3, 256))
    assert placed.inside(y) is y


@pytest.mark.parametrize(
    ("y", "size", "message"),
    [
        (torch.zeros(3, 8, 8), "", "a picture of 8x8 is not a measurement of this task"),
        (torch.zeros(3, 8, 8), "8x8", "the operator's measurements are complex; y is real"),
    ],
)
def test_real_numbers_are_no_measurement_of_a_complex_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, y: torch.Tensor, size: str, message: str
) -> None:
    (tmp_path / "own_spectrum.py").write_text("import torch\n\nspectrum = torch.fft.fft2\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        layout(parts("module", task__target="own_spectrum:spectrum"), read_measurement(y), 0, size)


def test_complex_numbers_are_no_measurement_of_a_real_operator() -> None:
    with pytest.raises(ConfigError, match="the operator's measurements are real; y is complex"):
        layout(parts(), read_measurement(torch.zeros(3, 8, 8, dtype=torch.complex64)), 0, "8x8")
