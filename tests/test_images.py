"""Folders of image files: what is listed, what is refused or skipped, and what is decoded once."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from made_images import random_pixels, save, truncated
from PIL import Image

from invbench.errors import ConfigError, DataError
from invbench.image_files import crop_resize, read_rgb, suffixes, to_tensor
from invbench.images import ImageFolder, _Kept


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with two good images, at two depths, and three bad files."""
    save(tmp_path / "b.png", random_pixels(20, 20))
    save(tmp_path / "a" / "z.JPG", random_pixels(20, 20))
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
        save(tmp_path / name, random_pixels(4, 4))
    (tmp_path / "folder.png").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ImageFolder(tmp_path, 4).ids() == sorted(names)


def test_every_id_loads_at_the_side_asked_for(tmp_path: Path) -> None:
    pixels = random_pixels(10, 14)
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
    save(tmp_path / "a.png", random_pixels(4, 4)).chmod(0)
    with pytest.raises(DataError, match=r"a\.png: .*[Pp]ermission denied"):
        ImageFolder(tmp_path, 4).check(["a.png"])


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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS; run 'git lfs pull'"),
        (b"<!DOCTYPE html><html></html>", "cannot identify an image in it but a web page"),
        (b"", "the file is empty"),
    ],
)
def test_another_object_in_place_of_an_image_is_reported(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        ImageFolder(tmp_path, 8).check(["a.png"])


def test_pipes_folders_and_dangling_links_are_distinguished_and_never_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "self.png").symlink_to("self.png")
    folder = ImageFolder(tmp_path, 8)
    assert folder.ids() == ["gone.png", "pipe.png", "self.png"]
    with pytest.raises(DataError) as caught:
        folder.check(folder.ids())
    message = str(caught.value)
    assert "gone.png: it is a link to nothing" in message
    assert "pipe.png: it is not a regular file" in message
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
        save(tmp_path / f"{i}.png", random_pixels(12, 12))
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
        save(tmp_path / f"{i}.png", random_pixels(8, 8))
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
