"""Image files in, tensors out."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from made_images import random_pixels, save, truncated
from PIL import Image, features

from invbench import image_files
from invbench.errors import DataError
from invbench.image_files import ORIENTATIONS, crop_resize, read_rgb, suffixes, to_tensor, upright_size


def test_colour_is_read_as_it_is(tmp_path: Path) -> None:
    pixels = random_pixels(5, 7)
    image = read_rgb(save(tmp_path / "a.png", pixels))
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), pixels)


def test_grayscale_is_repeated_over_the_channels(tmp_path: Path) -> None:
    pixels = random_pixels(5, 7, channels=1)
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


def test_a_file_that_is_not_an_image_is_refused_with_the_reason(tmp_path: Path) -> None:
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
    pixels = random_pixels(height, width)
    short = min(width, height)
    top, left = (height - short) // 2, (width - short) // 2
    square = Image.fromarray(pixels[top : top + short, left : left + short])
    expected = square.resize((side, side), Image.Resampling.BILINEAR)
    assert np.array_equal(np.asarray(crop_resize(Image.fromarray(pixels), side)), np.asarray(expected))


def test_an_image_of_the_right_size_is_not_resampled() -> None:
    pixels = random_pixels(16, 16)
    assert np.array_equal(np.asarray(crop_resize(Image.fromarray(pixels), 16)), pixels)


def test_pixels_become_channels_first_in_plus_minus_one() -> None:
    pixels = random_pixels(4, 6)
    pixels[0, 0] = (0, 255, 51)
    x = to_tensor(pixels)
    assert x.shape == (3, 4, 6)
    assert x.dtype == torch.float32
    assert x.is_contiguous()
    torch.testing.assert_close(x[:, 0, 0], torch.tensor([-1.0, 1.0, -0.6]))
    assert torch.equal(((x + 1) * 127.5).round().byte().permute(1, 2, 0), torch.from_numpy(pixels))


def quarters(mode: str = "RGB") -> Image.Image:
    """48 x 32, each quarter of another grey, so that no two of its eight turns are alike."""
    values = np.kron([[10, 80], [160, 240]], np.ones((16, 24))).astype(np.uint8)
    return Image.fromarray(values).convert(mode)


def stored(upright: Image.Image, orientation: int) -> Image.Image:
    """The picture as a camera of that EXIF orientation stores it."""
    back = {6: 8, 8: 6}.get(orientation, orientation)
    return upright.transpose(ORIENTATIONS[back]) if back > 1 else upright


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif", "mpo"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_stored_sideways_is_read_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    stored(quarters(), orientation).save(path, exif=exif, quality=95)
    image = read_rgb(path)
    assert image.size == (48, 32) == upright_size(path)
    assert np.abs(np.asarray(image).astype(int) - np.asarray(quarters()).astype(int)).mean() < 4


def test_orientation_counts_in_every_mode(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode in ("L", "P", "RGBA", "LA", "1", "I;16"):
        wide = (
            Image.fromarray(np.arange(6, dtype=np.uint16).reshape(2, 3)) if mode == "I;16" else Image.new(mode, (3, 2))
        )
        wide.save(tmp_path / "a.png", exif=exif)
        assert read_rgb(tmp_path / "a.png").size == (2, 3), mode


@pytest.mark.parametrize(
    "tags", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\1\x12"]
)
def test_damaged_tags_turn_nothing(tmp_path: Path, tags: bytes) -> None:
    quarters().save(tmp_path / "a.jpg", exif=tags)
    assert read_rgb(tmp_path / "a.jpg").size == (48, 32)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    quarters().save(tmp_path / "a.jpg", exif=exif)
    assert read_rgb(tmp_path / "a.jpg").size == (48, 32)


def test_files_that_are_not_pictures_are_not_images() -> None:
    assert {".png", ".jpg", ".jfif", ".gif", ".webp", ".tif", ".bmp", ".ppm", ".jp2", ".tga"} <= suffixes()
    assert not {".pdf", ".eps", ".ps", ".mpg", ".h5", ".wmf", ".txt", ".db", ""} & suffixes()


def test_postscript_under_another_name_is_not_run(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(DataError, match="cannot identify an image in it"):
        read_rgb(tmp_path / "a.png")


def test_the_first_picture_of_an_animation_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (value, value, value)) for value in (40, 200)]
    for ending in ("gif", "webp", "png", "tif"):
        frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:], lossless=True)
        assert np.abs(np.asarray(read_rgb(tmp_path / f"a.{ending}")).astype(int) - 40).max() <= 2, ending


def test_large_photographs_are_read_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (20_000, 10_000)).save(tmp_path / "huge.png")
    Image.new("1", (10_000, 9_000)).save(tmp_path / "a.png")  # Pillow warns from 89.5 million, refuses from 179
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert upright_size(tmp_path / "huge.png") == (20_000, 10_000)
        assert read_rgb(tmp_path / "a.png").size == (10_000, 9_000)
    monkeypatch.setattr("invbench.image_files.LARGEST", 80_000_000)
    with pytest.raises(DataError, match=r"a\.png: it has more than 80 million pixels; make it smaller"):
        read_rgb(tmp_path / "a.png")
    assert before == Image.MAX_IMAGE_PIXELS


def test_threads_that_read_leave_warnings_and_pillow_s_limit_as_they_were() -> None:
    """The second to begin ends last: what it found is not what there was before both."""
    before = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    begun, both_begun, first_done = threading.Event(), threading.Event(), threading.Event()

    def first() -> int | None:
        with image_files._quiet():
            begun.set()
            both_begun.wait(10)
            limit = Image.MAX_IMAGE_PIXELS
        first_done.set()
        return limit

    def second() -> int | None:
        begun.wait(10)
        with image_files._quiet():
            both_begun.set()
            first_done.wait(10)
            return Image.MAX_IMAGE_PIXELS

    with warnings.catch_warnings(), ThreadPoolExecutor(2) as pool:
        limits = [each.result() for each in [pool.submit(first), pool.submit(second)]]
        assert limits == [image_files.LARGEST // 2] * 2
        assert (list(warnings.filters), Image.MAX_IMAGE_PIXELS) == before
