"""Folders of images: pictures and arrays of 1 to 4 channels, and what is said of those that are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_images import random_pixels, save
from making import make, picture
from PIL import Image

from invbench import ConfigError, DataError, ImageFolder
from invbench.dataset import Dataset
from invbench.plugins import load_catalog

RNG = np.random.default_rng(3)


def arrays(root: Path, side: int = 8, **options: Any) -> Dataset:
    dataset: Dataset = load_catalog().get("dataset", "arrays")(root=str(root), side=side, **options)
    return dataset


def numbers(*shape: int) -> np.ndarray:
    return RNG.uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays_are_read_as_they_are(tmp_path: Path, channels: int) -> None:
    x = numbers(channels, 8, 8)
    bytes_ = RNG.integers(0, 256, (channels, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", x)
    np.save(tmp_path / "b.npy", bytes_)
    with (tmp_path / "c.NPY").open("wb") as file:
        np.save(file, x.astype(np.float64))
    dataset = arrays(tmp_path, channels=channels)
    assert dataset.ids() == ["a.npy", "b.npy", "c.NPY"]
    assert dataset.x_shape == (channels, 8, 8)
    dataset.check(dataset.ids())
    assert torch.equal(dataset.load("a.npy"), torch.from_numpy(x))
    assert torch.equal(dataset.load("b.npy"), torch.from_numpy(bytes_).float().div(127.5).sub(1))
    assert torch.equal(dataset.load("c.NPY"), torch.from_numpy(x))
    assert len(dataset.fingerprint()) == 16


def test_a_plane_is_one_channel_and_large_arrays_are_cropped_and_resized(tmp_path: Path) -> None:
    """A ramp along the columns stays one: the crop takes columns 4 to 20 of 24, of which pairs are averaged."""
    ramp = np.broadcast_to(np.linspace(-1, 1, 24, dtype=np.float32), (16, 24))
    np.save(tmp_path / "a.npy", ramp)
    x = arrays(tmp_path).load("a.npy")
    assert x.shape == (1, 8, 8)
    middles = torch.from_numpy(ramp[0, 4:20].copy()).reshape(8, 2).mean(1)
    torch.testing.assert_close(x[0, 3, 1:-1], middles[1:-1], rtol=0, atol=1e-6)  # at the ends there is no neighbour


def test_pictures_are_grey_or_rgb_as_the_channels_say(tmp_path: Path) -> None:
    grey, colour = random_pixels(8, 8, channels=1), random_pixels(8, 8)
    save(tmp_path / "a.png", grey)
    save(tmp_path / "b.png", colour)
    one, three = arrays(tmp_path), arrays(tmp_path, channels=3)
    torch.testing.assert_close(one.load("a.png")[0], torch.from_numpy(grey).float().div(127.5).sub(1))
    luma = np.array(Image.fromarray(colour).convert("L"))
    torch.testing.assert_close(one.load("b.png")[0], torch.from_numpy(luma).float().div(127.5).sub(1))
    folder = load_catalog().get("dataset", "folder")(root=str(tmp_path), side=8)
    for name in ("a.png", "b.png"):
        assert torch.equal(three.load(name), folder.load(name))


def test_other_folders_of_images_have_no_arrays(tmp_path: Path) -> None:
    save(tmp_path / "a.png", random_pixels(8, 8))
    np.save(tmp_path / "b.npy", numbers(3, 8, 8))
    assert ImageFolder(tmp_path, 8).ids() == ["a.png"]
    assert ImageFolder(tmp_path, 8, channels=3).ids() == ["a.png", "b.npy"]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (numbers(2, 8, 8), r"a.npy: expected an array \(1, height, width\); got shape \(2, 8, 8\)"),
        (numbers(8, 8, 1), r"expected an array \(1, height, width\); got shape \(8, 8, 1\)"),
        (numbers(4), r"got shape \(4,\)"),
        (numbers(1, 0, 8), r"got shape \(1, 0, 8\)"),
        (2 * numbers(1, 8, 8), r"expected numbers in \[-1, 1\]; got -[\d.]+ to [\d.]+; scale them"),
        (np.full((1, 8, 8), np.nan), "got nan to nan; scale them"),
        (np.zeros((1, 8, 8), np.int16), "expected bytes, or floating point numbers; got int16"),
        (np.zeros((1, 8, 8), np.complex64), "expected an array of real numbers"),
    ],
)
def test_an_array_that_is_no_such_image_is_a_line(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", array)
    dataset = arrays(tmp_path)
    with pytest.raises(DataError, match=message):
        dataset.check(dataset.ids())
    with pytest.raises(DataError, match=message):
        dataset.load("a.npy")


def test_of_a_folder_of_other_channels_one_image_is_named(tmp_path: Path) -> None:
    for i in range(5):
        save(tmp_path / f"{i}.png", random_pixels(8, 8))
    dataset = arrays(tmp_path, channels=2)
    with pytest.raises(DataError, match=r"0\.png: a picture has 1 or 3 channels; images of 2 are \.npy arrays$"):
        dataset.check(dataset.ids())


def test_of_a_folder_with_some_other_images_all_are_named_or_left_out(tmp_path: Path) -> None:
    for name, channels in (("a", 2), ("b", 1), ("c", 3)):
        np.save(tmp_path / f"{name}.npy", numbers(channels, 8, 8))
    dataset = arrays(tmp_path, channels=2)
    with pytest.raises(DataError, match=r"2 of 3 images cannot be read \(.*b\.npy.*c\.npy.*dataset.unreadable=skip"):
        dataset.check(dataset.ids())
    with pytest.warns(UserWarning, match=r"skipped 2 unreadable images: b\.npy, c\.npy"):
        assert arrays(tmp_path, channels=2, unreadable="skip").ids() == ["a.npy"]


@pytest.mark.parametrize("channels", [0, 5])
def test_images_have_one_to_four_channels(channels: int) -> None:
    with pytest.raises(ConfigError, match=f"images have 1 to 4 channels; got channels={channels}"):
        arrays(Path(), channels=channels)


def test_a_folder_is_needed_and_images_in_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dataset=arrays needs the folder: dataset.root=FOLDER"):
        load_catalog().get("dataset", "arrays")().ids()
    with pytest.raises(DataError, match=r"expected files ending in \.npy, \.png"):
        arrays(tmp_path).ids()


def test_the_home_folder_of_an_unknown_user_is_a_message() -> None:
    with pytest.raises(DataError, match="~nobody-of-this-name/x: that user has no home folder"):
        make("folder", root="~nobody-of-this-name/x").ids()


def test_a_folder_needs_its_root() -> None:
    with pytest.raises(ConfigError, match=r"dataset=folder needs the folder: dataset\.root=FOLDER"):
        make("folder").ids()


def test_a_folder_of_images_is_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    picture(tmp_path / "mine" / "deep" / "a.png", side=20)
    dataset = make("folder", root="~/mine", side=16)
    assert dataset.ids() == ["deep/a.png"]
    assert dataset.load("deep/a.png").shape == dataset.x_shape == (3, 16, 16)


def test_a_folder_of_images_runs(invbench: Callable[..., Any], tmp_path: Path) -> None:
    for i in range(2):
        picture(tmp_path / "my pictures" / f"{i}.png", side=20, value=50 + 100 * i)
    (tmp_path / "my pictures" / "bad.png").write_text("not a picture")
    words = ["solver=pinv", "task=sr4", "dataset=folder", "dataset.root=my pictures", "dataset.side=16"]
    refused = invbench("run", *words, "references=false")
    assert refused.returncode == 1
    assert "error: 1 of 3 images cannot be read" in refused.stderr
    result = invbench("run", *words, "references=false", "dataset.unreadable=skip")
    assert result.returncode == 0, result.stderr
    assert "warning: skipped 1 unreadable images: bad.png" in result.stderr
    assert "photos/sr4/pinv: complete, 2 images" in result.stderr
