"""Image files in, tensors out."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from invbench.errors import ConfigError, DataError
from invbench.images import (
    ORIENTATIONS,
    ImageFolder,
    _Kept,
    crop_resize,
    read_rgb,
    suffixes,
    to_tensor,
    upright_size,
)

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
    folder = ImageFolder(mixed, 16)
    with pytest.raises(DataError) as caught:
        folder.check(folder.ids())
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
        ImageFolder(tmp_path, 4).check(["a.png"])


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


WRITABLE = sorted(
    end
    for end, kind in Image.registered_extensions().items()
    if end in suffixes() and kind in Image.SAVE and end not in (".blp", ".xbm", ".msp", ".pfm")
)


@pytest.mark.parametrize("ending", [*WRITABLE, ".JPG", ".Png", ".JFIF", ".TIF"])
def test_whatever_pillow_writes_is_an_image_of_the_folder(tmp_path: Path, ending: str) -> None:
    Image.new("RGB", (32, 32), (200, 100, 50)).save(tmp_path / f"a{ending}")
    folder = ImageFolder(tmp_path, 16)
    assert folder.ids() == [f"a{ending}"]
    x = folder.load(f"a{ending}")
    assert torch.allclose(x.mean((1, 2)), torch.tensor([200.0, 100.0, 50.0]) / 127.5 - 1, atol=0.05)


def test_what_is_no_picture_is_no_image() -> None:
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


def test_large_photographs_are_read_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (20_000, 10_000)).save(tmp_path / "huge.png")
    Image.new("1", (10_000, 9_000)).save(tmp_path / "a.png")  # Pillow warns from 89.5 million, refuses from 179
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert upright_size(tmp_path / "huge.png") == (20_000, 10_000)
        assert read_rgb(tmp_path / "a.png").size == (10_000, 9_000)
    monkeypatch.setattr("invbench.images.LARGEST", 80_000_000)
    with pytest.raises(DataError, match=r"a\.png: it has more than 80 million pixels; make it smaller"):
        read_rgb(tmp_path / "a.png")
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS; run 'git lfs pull'"),
        (b"<!DOCTYPE html><html></html>", "cannot identify an image in it but a web page"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_there_in_place_of_an_image_is_told(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        ImageFolder(tmp_path, 8).check(["a.png"])


def test_pipes_folders_and_links_to_nothing_are_told_apart_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "self.png").symlink_to("self.png")
    folder = ImageFolder(tmp_path, 8)
    assert folder.ids() == ["gone.png", "pipe.png", "self.png"]
    with pytest.raises(DataError) as caught:
        folder.check(folder.ids())
    message = str(caught.value)
    assert "gone.png: it is a link to nothing" in message
    assert "pipe.png: it is no regular file" in message
    assert "self.png: Too many levels of symbolic links" in message
    with pytest.raises(DataError, match="it is a folder"):
        read_rgb(tmp_path)


class Counted:
    """Counts what is decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        monkeypatch.setattr("invbench.images.read_rgb", self)

    def __call__(self, path: Path) -> Image.Image:
        self.names.append(path.name)
        return read_rgb(path)


def test_listing_decodes_nothing_and_each_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(5):
        save(tmp_path / f"{i}.png", noise(12, 12))
    counted = Counted(monkeypatch)
    ImageFolder(tmp_path, 8).fingerprint()
    first = ImageFolder(tmp_path, 8).ids()[:2]
    assert counted.names == []
    ImageFolder(tmp_path, 8).check(first)
    loaded = [ImageFolder(tmp_path, 8).load(name) for name in first * 2]
    ImageFolder(tmp_path, 8).check(first)
    assert counted.names == ["0.png", "1.png"]
    loaded[0].zero_()
    assert torch.equal(ImageFolder(tmp_path, 8).load("0.png"), loaded[2])


def test_skipping_decodes_each_file_once(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    for _ in range(3):
        with pytest.warns(UserWarning, match="skipped 3 unreadable"):
            ImageFolder(mixed, 16, unreadable="skip").ids()
    assert sorted(counted.names) == ["b.png", "cut.png", "empty.png", "text.png", "z.JPG"]


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    folder = ImageFolder(tmp_path, 8)
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(DataError, match="cannot identify"):
        folder.load("a.png")
    save(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    assert folder.load("a.png").max() == -1
    save(tmp_path / "new.png", np.full((8, 8, 3), 255, np.uint8)).replace(tmp_path / "a.png")
    assert folder.load("a.png").min() == 1
    assert ImageFolder(tmp_path, 4).load("a.png").shape == (3, 4, 4)


def test_what_is_kept_in_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invbench.images._kept", _Kept())
    monkeypatch.setattr("invbench.images.KEPT_BYTES", 3 * 8 * 8 * 3)
    for i in range(5):
        save(tmp_path / f"{i}.png", noise(8, 8))
    folder = ImageFolder(tmp_path, 8)
    once = [folder.load(name) for name in folder.ids()]
    counted = Counted(monkeypatch)
    again = [folder.load(name) for name in ("4.png", "3.png", "0.png")]
    assert counted.names == ["0.png"]
    assert all(torch.equal(a, b) for a, b in zip(again, (once[4], once[3], once[0]), strict=True))


def test_options_of_a_folder_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unreadable must be 'refuse' or 'skip'; got 'ignore'"):
        ImageFolder(tmp_path, 16, unreadable="ignore")
    with pytest.raises(ConfigError, match="at least 1 pixel; got 0"):
        ImageFolder(tmp_path, 0)
