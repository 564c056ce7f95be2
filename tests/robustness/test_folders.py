"""Folders as users have them: odd and long names, damaged files, on any machine."""

from __future__ import annotations

import os
import random
import shutil
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_images import ODD
from PIL import Image

from invbench.errors import DataError
from invbench.image_files import read_rgb
from invbench.images import ImageFolder

NFC, NFD = (unicodedata.normalize(form, "\xe9") for form in ("NFC", "NFD"))


def picture(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 12), (value, value, value)).save(path, "PNG")
    return path


def undecodable(folder: Path) -> bytes:
    """An image with a name that is no UTF-8, as old archives hold them."""
    name = os.fsencode(folder) + b"/caf\xe9.png"
    with open(name, "wb") as file:
        file.write(picture(folder / "good.png").read_bytes())
    return name


def ids(folder: Path) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ImageFolder(folder, 8).ids()


def test_any_legal_name_is_an_id_and_loads(tmp_path: Path) -> None:
    for name in ODD:
        picture(tmp_path / name)
    folder = ImageFolder(tmp_path, 8)
    assert ids(tmp_path) == sorted(ODD)
    folder.check(ODD)
    assert all(folder.load(name).shape == (3, 8, 8) for name in ODD)


def test_a_name_that_is_not_utf8_is_refused_by_name_or_skipped(tmp_path: Path) -> None:
    undecodable(tmp_path)
    with pytest.raises(DataError) as caught:
        ImageFolder(tmp_path, 8).ids()
    assert r"1 of 2 images cannot be read (the name of" in str(caught.value)
    assert r"caf\xe9.png is not UTF-8; rename it); set dataset.unreadable=skip" in str(caught.value)
    assert str(caught.value).isascii()
    with pytest.warns(UserWarning, match=r"skipped 1 unreadable images: caf\\xe9\.png"):
        assert ImageFolder(tmp_path, 8, unreadable="skip").ids() == ["good.png"]


def test_a_folder_below_a_name_that_is_not_utf8_reads(tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xe9sum\xe9"))
    picture(root / "a.png")
    assert ids(root) == ["a.png"]
    (root / "a.png").write_text("no image")
    with pytest.raises(DataError, match=r"r\\xe9sum\\xe9/a\.png: cannot identify"):
        ImageFolder(root, 8).check(["a.png"])


def mode_or_message(path: Path) -> str:
    try:
        return read_rgb(path).mode
    except DataError as error:
        return str(error)


@pytest.mark.parametrize(
    "ending", ["png", "jpg", "gif", "webp", "tif", "bmp", "jp2", "tga", "ico", "psd", "dds", "pcx", "ppm"]
)
def test_a_damaged_file_is_read_or_refused_in_a_line(tmp_path: Path, ending: str) -> None:
    draw = random.Random(ending)
    if ending == "psd":
        whole = b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x10\0\0\0\x10\0\x08\0\3" + bytes(12) + bytes(2 + 3 * 256)
    else:
        Image.effect_noise((48, 48), 50).convert("RGB").save(tmp_path / f"whole.{ending}")
        whole = (tmp_path / f"whole.{ending}").read_bytes()
    path = tmp_path / f"a.{ending}"
    for _ in range(60):
        data = bytearray(whole[: draw.randrange(1, len(whole))] if draw.random() < 0.3 else whole)
        for _ in range(draw.choice([0, 1, 3, 30])):
            data[draw.randrange(min(len(data), draw.choice([64, len(data)])))] = draw.randrange(256)
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read = mode_or_message(path)
        assert read == "RGB" or (read.startswith(f"cannot read image {path}: ") and read.isprintable())


def test_what_was_seen_where_no_image_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images in .*; expected files ending in .* saw no file"):
        ImageFolder(tmp_path, 8).ids()
    for name in (".a.png", ".b.png", "c.txt", "d.heic", "e.heic", "README"):
        (tmp_path / name).write_text("no image")
    (tmp_path / "more").symlink_to("/no/such/disk")
    with pytest.raises(
        DataError, match=r"saw 2 ending in \.heic, 1 ending in \.txt, 2 hidden, 1 without a suffix, link"
    ) as caught:
        ImageFolder(tmp_path, 8).ids()
    assert str(caught.value).endswith("links to nothing (more)")
    with pytest.raises(DataError, match="no folder at .*c.txt; it is a file, not a folder"):
        ImageFolder(tmp_path / "c.txt", 8).ids()


def test_the_fingerprint_is_of_names_and_sizes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = tmp_path / "photos"
    picture(photos / "a.png"), picture(photos / "b" / "c.png", 30)
    shutil.copytree(photos, tmp_path / "elsewhere" / "copy")
    (tmp_path / "link").symlink_to("photos")
    monkeypatch.chdir(tmp_path)
    spellings = ["photos", "photos/", "./photos", "link", "elsewhere/../photos", tmp_path / "elsewhere" / "copy"]
    fingerprints = {ImageFolder(Path(spelling), 8).fingerprint() for spelling in spellings}
    assert len(fingerprints) == 1
    (photos / ".hidden.png").write_bytes(b"x"), (photos / "notes.txt").write_text("x")
    os.utime(photos / "a.png", (0, 0))
    assert ImageFolder(photos, 8).fingerprint() in fingerprints
    for change in (
        lambda: picture(photos / "d.png"),
        lambda: (photos / "d.png").rename(photos / "e.png"),
        lambda: (photos / "e.png").write_bytes(b"other"),
        lambda: (photos / "e.png").unlink() or (photos / "a.png").rename(photos / "b" / "a.png"),
    ):
        change()
        now = ImageFolder(photos, 8).fingerprint()
        assert now not in fingerprints
        fingerprints.add(now)


def test_ids_and_sizes_cannot_be_mistaken_for_each_other(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir(), (tmp_path / "y").mkdir()
    (tmp_path / "x" / "a.png\n1b.png").write_bytes(b"1")
    (tmp_path / "y" / "a.png").write_bytes(b"1"), (tmp_path / "y" / "1b.png").write_bytes(b"1")
    assert ImageFolder(tmp_path / "x", 8).fingerprint() != ImageFolder(tmp_path / "y", 8).fingerprint()


# Whole runs


def run(invbench: Callable[..., Any], root: str, **options: Any) -> Any:
    fixed = ("solver=pinv", "task=denoise", "references=false", "dataset=folder", "dataset.side=16", "n=50")
    return invbench("run", *fixed, f"dataset.root={root}", **options)


def test_a_run_solves_every_name_and_prints_it(invbench: Callable[..., Any], tmp_path: Path) -> None:
    names = [*ODD, "\u7167" * 83 + ".png", "a" * 251 + ".png", "/".join(["session"] * 40) + "/x.png", f"{NFD}.png"]
    for i, name in enumerate(names):
        picture(tmp_path / "photos" / name, 5 * i)
    result = run(invbench, "photos")
    assert result.returncode == 0, result.stderr
    assert f"complete, {len(names)} images" in result.stderr
    files = list(tmp_path.rglob("*.safetensors"))
    assert len(files) == len(names)


def test_a_run_refuses_what_it_cannot_record_before_it_begins(invbench: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    undecodable(tmp_path / "photos")
    result = run(invbench, "photos")
    assert result.returncode != 0
    assert r"caf\xe9.png is not UTF-8; rename it" in result.stderr
    assert "Traceback" not in result.stderr
    assert "UnicodeEncodeError" not in result.stderr
