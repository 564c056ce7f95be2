"""What came of a restoration: its numbers, its pictures, its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.api.restored import Restored
from invbench.errors import ConfigError

SAMPLES = torch.stack([torch.full((3, 4, 5), value) for value in (0.0, 0.5)])


def restored(samples: torch.Tensor = SAMPLES, grey: bool = False, alpha: torch.Tensor | None = None) -> Restored:
    return Restored(samples, 0.2, 0.1, 20, 1.0, grey, alpha)


def test_mean_and_deviation_are_those_of_the_samples() -> None:
    assert restored().mean.unique().item() == 0.25
    assert restored().std.unique().item() == restored().spread == 0.25
    assert restored(SAMPLES[:1]).spread == 0
    assert repr(restored()) == (
        "2 samples of 3x4x5: misfit 0.2000, 2.00 times the noise, spread 0.250; 20 network calls, 1.0 s"
    )


def test_numbers_are_written_exactly_and_the_deviation_as_a_picture_white_at_a_half(tmp_path: Path) -> None:
    files = restored().save(tmp_path / "below" / "x.npy")
    assert [path.name for path in files] == ["x.npy", "x-0.npy", "x-1.npy", "x-std.npy"]
    assert [float(np.load(path)[0, 0, 0]) for path in files] == [0.25, 0, 0.5, 0.25]
    *_, deviation = restored().save(tmp_path / "x.png")
    assert Image.open(deviation).getpixel((0, 0)) == (128, 128, 128)
    assert [path.name for path in restored(SAMPLES[:1]).save(tmp_path / "one.png")] == ["one.png"]


def test_pictures_are_grey_or_transparent_as_y_was_and_of_two_channels_their_magnitude() -> None:
    assert restored(SAMPLES, grey=True).picture.mode == "L"
    clear = restored(SAMPLES, alpha=torch.zeros(2, 2)).picture
    assert (clear.mode, clear.size, clear.getpixel((0, 0))) == ("RGBA", (5, 4), (159, 159, 159, 0))
    complex_ = torch.tensor([0.6, 0.8])[None, :, None, None].expand(1, 2, 4, 5)
    assert restored(complex_).picture.getpixel((0, 0)) == 255


def test_a_name_of_no_picture_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="x.txt: expected the name of a picture, for example x.png"):
        restored().save(tmp_path / "x.txt")
    assert list(tmp_path.iterdir()) == []
