"""Image files in, tensors out."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.errors import ConfigError, DataError
from invbench.images import ImageFolder, crop_resize, read_rgb, to_tensor

RNG = np.random.default_rng(0)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, pixels: np.ndarray | Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path)
    return path


def truncated(path: Path) -> Path:
    buffer = io.BytesIO()
    Image.fromarray(noise(64, 64)).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue()[:4000])
    return path


def test_colour_is_read_as_it_is(tmp_path: Path) -> None:
    pixels = noise(5, 7)
    image = read_rgb(save(tmp_path / "a.png", pixels))
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), pixels)


def test_grayscale_is_repeated_over_the_channels(tmp_path: Path) -> None:
    pixels = noise(5, 7, channels=1)
    read = np.asarray(read_rgb(save(tmp_path / "a.png", pixels)))
    assert np.array_equal(read, np.repeat(pixels[..., None], 3, axis=2))


def test_transparency_is_laid_over_mid_grey(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0] = [(255, 0, 10, 0), (255, 0, 10, 255), (255, 0, 10, 128)]
    read = np.asarray(read_rgb(save(tmp_path / "a.png", pixels))).astype(int)
    assert read[0, 0].tolist() == [128, 128, 128]
    assert read[0, 1].tolist() == [255, 0, 10]
    share = 128 / 255
    assert np.abs(read[0, 2] - [share * c + (1 - share) * 128 for c in (255, 0, 10)]).max() <= 1


@pytest.mark.parametrize("mode", ["LA", "P"])
def test_transparency_of_other_modes_is_laid_over_mid_grey(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    if mode == "LA":
        Image.new("LA", (2, 2), (200, 0)).save(path)
    else:
        image = Image.new("P", (2, 2), 1)
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.save(path, transparency=1)
    assert np.asarray(read_rgb(path)).reshape(-1).tolist() == [128] * 12


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    values = np.array([[0, 257, 128 * 257, 65535, 300]], np.uint16)
    read = np.asarray(read_rgb(save(tmp_path / "a.png", values)))
    assert read[0, :, 0].tolist() == [0, 1, 128, 255, 1]
    assert (read == read[..., :1]).all()


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    read = np.asarray(read_rgb(save(tmp_path / "a.png", image)))
    assert read.tolist() == [[[10, 20, 30], [200, 100, 50]]]


@pytest.mark.parametrize("mode", ["1", "CMYK", "L", "RGB"])
def test_any_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    image = read_rgb(save(tmp_path / "a.tiff", Image.new(mode, (4, 3))))
    assert (image.mode, image.size) == ("RGB", (4, 3))


def test_floating_point_images_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tiff", np.full((4, 4), 0.5, np.float32))
    with pytest.raises(DataError, match=r"a\.tiff: expected 8 or 16 bits per channel, got float32"):
        read_rgb(path)


def test_a_file_that_is_no_image_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(DataError, match=r"cannot read image .*empty\.png: the file is empty"):
        read_rgb(tmp_path / "empty.png")
    with pytest.raises(DataError, match=r"cannot read image .*text\.png: cannot identify"):
        read_rgb(tmp_path / "text.png")
    with pytest.raises(DataError, match=r"cannot read image .*cut\.png: .*truncated"):
        read_rgb(truncated(tmp_path / "cut.png"))
    with pytest.raises(DataError, match=r"cannot read image .*absent\.png: no such file"):
        read_rgb(tmp_path / "absent.png")


@pytest.mark.parametrize(("width", "height", "side"), [(40, 30, 16), (31, 50, 16), (64, 64, 32), (9, 20, 18)])
def test_the_rule_is_a_centre_crop_and_a_bilinear_resize(width: int, height: int, side: int) -> None:
    pixels = noise(height, width)
    short = min(width, height)
    top, left = (height - short) // 2, (width - short) // 2
    square = Image.fromarray(pixels[top : top + short, left : left + short])
    expected = square.resize((side, side), Image.Resampling.BILINEAR)
    assert np.array_equal(np.asarray(crop_resize(Image.fromarray(pixels), side)), np.asarray(expected))


def test_an_image_of_the_right_size_is_not_resampled() -> None:
    pixels = noise(16, 16)
    assert np.array_equal(np.asarray(crop_resize(Image.fromarray(pixels), 16)), pixels)


def test_pixels_become_channels_first_in_plus_minus_one() -> None:
    pixels = noise(4, 6)
    pixels[0, 0] = (0, 255, 51)
    x = to_tensor(pixels)
    assert x.shape == (3, 4, 6)
    assert x.dtype == torch.float32
    assert x.is_contiguous()
    torch.testing.assert_close(x[:, 0, 0], torch.tensor([-1.0, 1.0, -0.6]))
    assert torch.equal(((x + 1) * 127.5).round().byte().permute(1, 2, 0), torch.from_numpy(pixels))


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with two good images, at two depths, and three bad files."""
    save(tmp_path / "b.png", noise(20, 20))
    save(tmp_path / "a" / "z.JPG", noise(20, 20))
    (tmp_path / "a" / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    truncated(tmp_path / "cut.png")
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_a_folder_with_unreadable_images_is_refused_with_all_their_names(mixed: Path) -> None:
    with pytest.raises(DataError) as caught:
        ImageFolder(mixed, 16).ids()
    message = str(caught.value)
    assert message.startswith("3 of 5 images cannot be read")
    assert all(name in message for name in ("a/empty.png", "text.png", "cut.png"))
    assert message.endswith("set dataset.unreadable=skip")


def test_unreadable_images_are_skipped_with_a_warning_that_names_them(mixed: Path) -> None:
    with pytest.warns(UserWarning, match=r"skipped 3 unreadable images: a/empty\.png, cut\.png, text\.png"):
        assert ImageFolder(mixed, 16, unreadable="skip").ids() == ["a/z.JPG", "b.png"]


def test_ids_are_relative_paths_in_lexicographic_order(tmp_path: Path) -> None:
    names = ["b/2.png", "b/10.png", "a.png", "b.png", "B.png", "c/d/e.webp", "f.bmp", "two words.jpeg"]
    for name in reversed(names):
        save(tmp_path / name, noise(4, 4))
    (tmp_path / "folder.png").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ImageFolder(tmp_path, 4).ids() == sorted(names)


def test_every_id_loads_at_the_side_asked_for(tmp_path: Path) -> None:
    pixels = noise(10, 14)
    save(tmp_path / "deep" / "er" / "x.png", pixels)
    folder = ImageFolder(tmp_path, 8)
    x = folder.load("deep/er/x.png")
    assert torch.equal(x, to_tensor(crop_resize(Image.fromarray(pixels), 8)))


def test_an_absent_folder_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder at .*absent; set dataset\.root=FOLDER"):
        ImageFolder(tmp_path / "absent", 16).ids()


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match=r"no images in .*; expected files ending in \.png, \.jpg"):
        ImageFolder(tmp_path, 16).ids()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(4, 4)).chmod(0)
    with pytest.raises(DataError, match=r"a\.png: .*[Pp]ermission denied"):
        ImageFolder(tmp_path, 4).ids()


def test_options_of_a_folder_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unreadable must be 'refuse' or 'skip'; got 'ignore'"):
        ImageFolder(tmp_path, 16, unreadable="ignore")
    with pytest.raises(ConfigError, match="at least 1 pixel; got 0"):
        ImageFolder(tmp_path, 0)
