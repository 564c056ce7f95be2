"""The sets of the paper: which images, and what is said where they are absent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from making import PAPER, make, picture

from invbench.errors import DataError


@pytest.mark.parametrize("name", PAPER)
def test_absent_images_of_the_paper_say_what_to_set(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advice = rf"set dataset\.root=FOLDER, or INVBENCH_DATA to the folder that holds {name}/"
    with pytest.raises(DataError, match=rf"{name}: the images are not part of invbench; {advice}"):
        make(name).ids()
    with pytest.raises(DataError, match=rf"no folder at .*; {advice}"):
        make(name, root=str(tmp_path / "absent")).ids()
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match=rf"no folder at {tmp_path / name}.*; {advice}"):
        make(name).ids()


def test_a_run_without_the_images_is_a_message(invbench: Callable[..., Any]) -> None:
    words = ["solver=pinv", "task=denoise", "dataset=imagenet256", "references=false"]
    result = invbench("run", *words)
    assert result.returncode in (1, 2)
    assert "error: imagenet256: the images are not part of invbench; set dataset.root=FOLDER" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thousand names of one small image, as FFHQ lays them out, and one more that is not of the set."""
    data = tmp_path_factory.mktemp("data")
    first = picture(data / "ffhq256" / "00000" / "00000.png")
    for i in range(1, 1001):
        path = data / "ffhq256" / f"{i // 1000 * 1000:05d}" / f"{i:05d}.png"
        path.parent.mkdir(exist_ok=True)
        path.hardlink_to(first)
    return data


def test_the_faces_are_the_thousand_of_the_validation_set(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVBENCH_DATA", str(faces))
    ids = make("ffhq256").ids()
    assert [Path(i).stem for i in ids] == [f"{i:05d}" for i in range(1000)]
    assert ids == make("ffhq256", root=str(faces / "ffhq256")).ids()
    x = make("ffhq256").load(ids[999])
    assert x.shape == (3, 256, 256)
    assert torch.allclose(x, torch.full_like(x, 100 / 127.5 - 1))


def test_missing_faces_are_counted_and_named(tmp_path: Path) -> None:
    picture(tmp_path / "00001.png")
    with pytest.raises(DataError, match="999 of the 1000 validation images are missing \\(00000, 00002, 00003"):
        make("ffhq256", root=str(tmp_path)).ids()


@pytest.mark.parametrize("name", ["imagenet256", "celebahq256", "gopro256"])
def test_a_list_of_ids_gives_images_and_order(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    for stem in ("a", "b", "c"):
        picture(tmp_path / name / "val" / f"{stem}.png")
    assert make(name).ids() == ["val/a.png", "val/b.png", "val/c.png"]
    (tmp_path / name / "ids.txt").write_text("val/c.png\n\nval/a.png  \n")
    assert make(name).ids() == ["val/c.png", "val/a.png"]
    assert make(name).load("val/c.png").shape == (3, 256, 256)


def test_a_listed_image_that_is_missing_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "ids.txt").write_text("a.png\nlost.png\n")
    with pytest.raises(DataError, match=r"1 of 2 images of .*ids\.txt are missing \(lost\.png"):
        make("imagenet256", root=str(tmp_path)).ids()


def test_a_face_that_is_there_twice_is_refused(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to(faces / "ffhq256")
    picture(tmp_path / "thumbnails" / "00007.jpg")
    with pytest.raises(
        DataError, match=r"one file of each number, found images/00000/00007\.png and thumbnails/00007\.jpg"
    ):
        make("ffhq256", root=str(tmp_path)).ids()


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (b"a.png\n\xff.png\n", r"ids\.txt is not UTF-8; save it as UTF-8"),
        (b"a.png\n./a.png\n", r"1 images of .*ids\.txt are listed twice \(a\.png"),
        (b"\n \n", r"0 of 0 images of .*ids\.txt are missing"),
        (b"../secret.png\n", "expected the path of a file below it"),
        (b"/etc/passwd\n", "expected the path of a file below it"),
    ],
)
def test_a_list_of_ids_is_checked(tmp_path: Path, listing: bytes, message: str) -> None:
    picture(tmp_path / "root" / "a.png"), picture(tmp_path / "secret.png")
    (tmp_path / "root" / "ids.txt").write_bytes(listing)
    with pytest.raises(DataError, match=message):
        make("imagenet256", root=str(tmp_path / "root")).ids()


def test_a_list_of_ids_may_come_from_another_system(tmp_path: Path) -> None:
    picture(tmp_path / "caf\xe9" / "a.png"), picture(tmp_path / "b.png")
    (tmp_path / "ids.txt").write_bytes("\ufeff./cafe\u0301/a.png\r\nb.png\r\n".encode())
    dataset = make("imagenet256", root=str(tmp_path))
    assert dataset.ids() == ["caf\xe9/a.png", "b.png"]
    assert dataset.load("caf\xe9/a.png").shape == (3, 256, 256)


OF_A_FOLDER = ["folder", "imagenet256", "celebahq256", "gopro256", "bsds500"]


@pytest.mark.parametrize("name", OF_A_FOLDER)
def test_a_folder_is_identified_by_its_list_and_not_by_its_place(name: str, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        picture(tmp_path / folder / "a.png", side=300), picture(tmp_path / folder / "b.png", side=300, value=7)
    first, second = (make(name, root=str(tmp_path / folder)) for folder in ("one", "two"))
    assert first.places == ("root",)
    fingerprints = first.fingerprint()
    assert fingerprints == second.fingerprint() == make(name, root=f"{tmp_path}/two/../one/").fingerprint()
    assert len(fingerprints) >= 12
    (tmp_path / "one" / "b.png").unlink()
    assert first.fingerprint() != fingerprints


def test_the_order_of_a_list_counts(tmp_path: Path) -> None:
    picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    fingerprints = set()
    for listing in ("a.png\nb.png\n", "b.png\na.png\n", "a.png\n"):
        (tmp_path / "ids.txt").write_text(listing)
        fingerprints.add(make("gopro256", root=str(tmp_path)).fingerprint())
    assert len(fingerprints) == 3


def test_the_faces_are_identified_by_the_thousand_alone(faces: Path) -> None:
    fingerprints = make("ffhq256", root=str(faces / "ffhq256")).fingerprint()
    extra = picture(faces / "ffhq256" / "01000" / "01001.png")
    assert make("ffhq256", root=str(faces / "ffhq256")).fingerprint() == fingerprints
    extra.unlink()


@pytest.mark.parametrize("name", ["folder", "imagenet256", "celebahq256", "gopro256"])
def test_only_images_that_are_asked_for_are_checked(name: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image"), (tmp_path / "c.png").write_bytes(b"")
    dataset = make(name, root=str(tmp_path))
    assert list(dataset.ids()) == ["a.png", "b.png", "c.png"]
    dataset.check(["a.png"])
    with pytest.raises(DataError, match=r"2 of 3 images cannot be read \(.*b\.png: .*; .*c\.png: the file is empty\)"):
        dataset.check(["a.png", "b.png", "c.png"])
