"""Which files of a folder are images, and what they are called."""

from __future__ import annotations

import os
import unicodedata
import warnings
from pathlib import Path

import pytest
from PIL import Image

from invbench.errors import DataError
from invbench.image_files import suffixes
from invbench.images import ImageFolder
from invbench.listing import find_image, list_images, printable

NFC, NFD = (unicodedata.normalize(form, "\xe9") for form in ("NFC", "NFD"))


def picture(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 12), (value, value, value)).save(path, "PNG")
    return path


def ids(folder: Path) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ImageFolder(folder, 8).ids()


def test_hidden_files_and_folders_are_no_images(tmp_path: Path) -> None:
    hidden = [".a.png", "._b.png", ".ipynb_checkpoints/b.png", ".thumbnails/x/b.png", "deep/.c/b.png", ".git/x.png"]
    for name in ["b.png", "deep/c.png", *hidden]:
        picture(tmp_path / name)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "notes.txt"):
        (tmp_path / name).write_text("no image")
    assert ids(tmp_path) == ["b.png", "deep/c.png"]


def test_a_hidden_root_is_the_user_s_choice(tmp_path: Path) -> None:
    picture(tmp_path / ".cache" / "a.png")
    assert ids(tmp_path / ".cache") == ["a.png"]


def test_linked_folders_are_entered_once(tmp_path: Path) -> None:
    for name in ("photos/a.png", "photos/real/b.png", "disk/c.png", "disk/deep/d.png"):
        picture(tmp_path / name)
    photos = tmp_path / "photos"
    for name, target in {"alias": "real", "more": "../disk", "twice": "../disk", "zdeep": "../disk/deep"}.items():
        (photos / name).symlink_to(target)
    assert ids(photos) == ["a.png", "more/c.png", "more/deep/d.png", "real/b.png"]
    (tmp_path / "link").symlink_to("photos")
    assert ids(tmp_path / "link") == ids(photos)


def test_loops_end_and_lead_nowhere_else(tmp_path: Path) -> None:
    picture(tmp_path / "outside.png"), picture(tmp_path / "photos" / "deep" / "a.png")
    for name, target in {
        "self": ".",
        "up": "..",
        "top": "/",
        "x": "x",
        "deep/back": "..",
        "one": "two",
        "two": "one",
    }.items():
        (tmp_path / "photos" / name).symlink_to(target)
    with pytest.warns(UserWarning, match="holds links to nothing, left out: one, two, x"):
        assert ImageFolder(tmp_path / "photos", 8).ids() == ["deep/a.png"]


def test_linked_files_are_images(tmp_path: Path) -> None:
    blob = picture(tmp_path / "blobs" / "0123abc")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").symlink_to(blob)
    assert ids(tmp_path / "photos") == ["a.png"]
    ImageFolder(tmp_path / "photos", 8).check(["a.png"])


def test_a_link_to_a_disk_that_is_gone_is_reported(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "more").symlink_to("/no/such/disk")
    with pytest.warns(UserWarning, match="holds links to nothing, left out: more"):
        assert ImageFolder(tmp_path, 8).ids() == ["a.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root looks everywhere")
def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png"), picture(tmp_path / "locked" / "b.png")
    (tmp_path / "locked").chmod(0)
    with pytest.raises(DataError, match="cannot look into .*locked: Permission denied"):
        ImageFolder(tmp_path, 8).ids()
    (tmp_path / "locked").chmod(0o700)


def test_accents_are_one_id_on_every_system(tmp_path: Path) -> None:
    for form, folder in ((NFC, "linux"), (NFD, "mac")):
        picture(tmp_path / folder / f"{form}t{form}" / f"caf{form}.png", 50)
    linux, mac = ImageFolder(tmp_path / "linux", 8), ImageFolder(tmp_path / "mac", 8)
    assert ids(tmp_path / "linux") == ids(tmp_path / "mac") == [f"{NFC}t{NFC}/caf{NFC}.png"]
    assert linux.fingerprint() == mac.fingerprint()
    assert (linux.load(linux.ids()[0]) == mac.load(mac.ids()[0])).all()


def test_names_that_differ_in_their_form_alone_are_two_images(tmp_path: Path) -> None:
    twins = {f"{NFC}.png": 10, f"{NFD}.png": 200, f"{NFC}/a.png": 20, f"{NFD}/a.png": 210, f"{NFD}/b.png": 220}
    for name, value in twins.items():
        picture(tmp_path / name, value)
    names = ids(tmp_path)
    assert sorted(names) == sorted([*list(twins)[:4], f"{NFC}/b.png"])
    folder = ImageFolder(tmp_path, 8)
    for name, value in twins.items():
        name = name if name in names else unicodedata.normalize("NFC", name)
        assert round(float(folder.load(name).mean() + 1) * 127.5) == value


def test_messages_stay_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "two\nlines\x1b[31m.png").write_text("no image")
    with pytest.raises(DataError) as caught:
        ImageFolder(tmp_path, 8).check(ids(tmp_path))
    assert str(caught.value).isprintable()
    assert r"two\nlines\x1b[31m.png" in str(caught.value)
    assert printable("caf\udce9\n") == r"caf\xe9\n"
    assert printable("\ud800\udce9\u7167") == "\\ud800\\xe9\u7167"


@pytest.mark.parametrize("hostile", ["../secret.png", "/etc/passwd", "a/../../x.png", "", ".", "a//b.png", "a\0.png"])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, hostile: str) -> None:
    with pytest.raises(DataError, match="expected the path of a file below it"):
        find_image(tmp_path, hostile)


def test_a_thousand_folders_deep_ends(tmp_path: Path) -> None:
    name = "/".join(["d"] * 300) + "/a.png"
    picture(tmp_path / name)
    assert list(list_images(tmp_path, suffixes()).images) == [name]
