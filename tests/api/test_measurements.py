"""Measurements of one's own: what is read, of which scale, and how borders continue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_images import noise
from PIL import Image

from invbench.api.measurements import Own, as_measured, extended, in_channels, noise_of, read_measurement, scale_of
from invbench.errors import ConfigError, DataError
from invbench.linops import BlockMean, ChannelMix, Hadamard, Identity, Selection


def test_a_picture_that_is_stored_turned_is_turned_with_its_transparency(tmp_path: Path) -> None:
    upright = Image.merge("RGBA", [Image.linear_gradient("L").resize((8, 6))] * 4)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    upright.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "t.png", exif=exif)
    own = read_measurement(tmp_path / "t.png")
    assert own.alpha is not None
    assert torch.equal(own.alpha, read_measurement(upright).alpha)


def test_files_are_read_as_they_are_stored(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, 4:] = 255
    half = Image.fromarray(pixels, "RGBA")
    half.quantize(8, method=Image.Quantize.FASTOCTREE).save(tmp_path / "palette.png")
    with (tmp_path / "y.NPY").open("wb") as file:
        np.save(file, np.full((3, 4, 4), 1j, np.complex64))
    palette = read_measurement(tmp_path / "palette.png")
    assert palette.alpha is not None
    assert palette.alpha[:, 4:].all()
    assert not palette.alpha[:, :4].any()
    measured = read_measurement(tmp_path / "y.NPY")
    assert (measured.values == 1j).all()
    assert not measured.picture


def test_noise_is_seen_in_pictures_and_borders_fade() -> None:
    flat = torch.zeros(3, 64, 64)
    assert noise_of(flat + noise(flat.shape, 0.3)) == pytest.approx(0.3, rel=0.1)
    wide = extended(torch.ones(3, 8, 8), 4, 2, 0, fade=True)
    assert wide.shape == (3, 18, 16)
    assert (wide[:, 4:12, 4:12] == 1).all()
    assert wide[:, [0, -1]].abs().max() < 0.05
    assert read_measurement(np.zeros((5, 4), np.uint8)).grey


def test_a_picture_gets_the_channels_that_the_prior_takes() -> None:
    grey, colour = torch.zeros(1, 2, 2), torch.zeros(3, 2, 2)
    repeated = in_channels(Own(grey, picture=True), 3)
    assert (repeated.values.shape, repeated.grey) == ((3, 2, 2), True)
    alone = in_channels(repeated, 1)
    assert (alone.values.shape, alone.grey) == ((1, 2, 2), False)
    own = Own(colour, picture=True)
    assert in_channels(own, 3) is own
    with pytest.raises(ConfigError, match="the prior takes grey pictures, and y has colours"):
        in_channels(own, 1)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (3, "expected a measurement as a file, a picture, an array or a tensor; got int"),
        (np.zeros((2, 2, 5), np.uint8), r"1 to 4 channels\); got shape \(2, 2, 5\)"),
        (torch.tensor([1.0, torch.inf]), "values that are not finite"),
    ],
)
def test_what_is_no_measurement_is_refused(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_measurement(y)


def test_bytes_have_the_range_0_to_255_and_numbers_are_taken_as_they_are() -> None:
    assert read_measurement(np.array([[0, 255]], np.uint8)).values[0].tolist() == [[-1, 1]]
    numbers = read_measurement(np.full((4, 5), 0.25))
    assert numbers.values.unique().tolist() == [0.25]
    assert not numbers.picture, "two axes are y as an operator has it"


def test_a_pixel_stands_for_as_many_as_the_operator_measures_from() -> None:
    picture = Own(torch.zeros(3, 6, 8), picture=True)
    assert scale_of(Identity, picture) == 1
    assert scale_of(lambda shape: BlockMean(shape, 4), picture) == 4
    with pytest.raises(ConfigError, match="a picture of 6x8 is not a measurement of this task"):
        scale_of(lambda shape: Hadamard((1, 4, 4), torch.arange(16), 5), picture)


def test_of_a_picture_an_operator_measures_kept_pixels_its_grey_or_all() -> None:
    x = torch.arange(12.0).reshape(1, 3, 2, 2)
    assert as_measured(x, Selection((3, 2, 2), torch.tensor([0, 3]))).tolist() == [[[0, 3], [4, 7], [8, 11]]]
    assert as_measured(x, ChannelMix((3, 2, 2), torch.ones(3) / 3)).tolist() == [[[[4, 5], [6, 7]]]]
    assert as_measured(x, Identity((3, 2, 2))) is x
