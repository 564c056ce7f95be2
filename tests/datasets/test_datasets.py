"""Datasets: which images, in which order, and what is said where they are absent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.dataset import Dataset
from invbench.errors import ConfigError, DataError
from invbench.plugins import load_catalog

CATALOG = load_catalog()
Photos = CATALOG.get("dataset", "photos")
PAPER = ["ffhq256", "imagenet256", "celebahq256", "gopro256", "bsds500"]


def make(name: str, **fields: Any) -> Dataset:
    dataset: Dataset = CATALOG.get("dataset", name)(**fields)
    return dataset


def photos_module() -> Any:
    import invbench_datasets.photos

    return invbench_datasets.photos


def picture(path: Path, side: int = 8, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(path)
    return path


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INVBENCH_DATA", raising=False)


@pytest.fixture
def fresh_photos() -> Any:
    """Nothing remembered before and after."""
    module = photos_module()
    for cached in (module._half_scale, module._pixels):
        cached.cache_clear()
    yield module
    for cached in (module._half_scale, module._pixels):
        cached.cache_clear()


@pytest.mark.parametrize("name", [*PAPER, "photos", "folder", "gmm", "gmm2d"])
def test_the_shape_is_known_without_the_images(name: str) -> None:
    shape = make(name).x_shape
    assert len(shape) == 3
    assert shape[0] in (1, 3)


def crops(split: str) -> list[Any]:
    return [photos_module()._crops()[image] for image in Photos(split).ids()]


def test_the_photographs_are_66_to_report_352_at_large_and_28_to_tune() -> None:
    test, large, tune = (list(Photos(split).ids()) for split in ("test", "large", "tune"))
    assert (len(test), len(large), len(tune)) == (66, 352, 28)
    assert large[:66] == test, "the same measurements"
    assert len({*large, *tune}) == 380
    assert len(test) == Photos.benchmark.n


def test_22_photographs_are_tested_and_7_others_tuned_on() -> None:
    test, large, tune = (Counter(crop.photograph for crop in crops(split)) for split in ("test", "large", "tune"))
    assert len(test) == len(large) == 22
    assert set(test) == set(large)
    assert (set(test.values()), set(large.values()), set(tune.values())) == ({3}, {16}, {4})
    kodak = [f"kodim{k:02d}" for k in range(1, 25)]
    assert set(tune) == {"rocket", *kodak[3::4]}
    assert set(test) == {"astronaut", "chelsea", "coffee", "motorcycle_left", *kodak} - set(tune)


def test_other_kinds_are_4_crops_of_6_images_of_which_none_is_of_one_colour() -> None:
    other = Counter(crop.photograph for crop in crops("other"))
    assert other == dict.fromkeys(("ihc", "retina", "page", "brick", "grass", "gravel"), 4)
    for image in Photos("other").ids():
        assert Photos("other").load(image).std() > 4 / 127.5


def test_the_first_22_images_are_of_as_many_photographs() -> None:
    assert len({crop.photograph for crop in crops("test")[:22]}) == 22


def test_crops_of_a_photograph_are_a_group() -> None:
    dataset = Photos("large")
    assert dataset.group("kodim01_064_320") == "kodim01"
    assert len({dataset.group(image) for image in dataset.ids()}) == 22
    assert make("gmm").group("7") == "7"


def test_no_two_crops_that_are_tested_or_tuned_on_overlap() -> None:
    for a, b in combinations(crops("test") + crops("tune"), 2):
        apart = abs(a.top - b.top) >= 64 or abs(a.left - b.left) >= 64
        assert a.photograph != b.photograph or apart, f"{a.id} and {b.id} overlap"


def test_crops_are_squares_of_a_grid_in_the_order_of_their_hashes_overlapping_ones_last() -> None:
    for name in {crop.photograph for crop in crops("large")}:
        chosen = [crop for crop in crops("large") if crop.photograph == name]
        assert len({crop.top for crop in chosen}) == len({crop.left for crop in chosen}) == 4
        first: list[Any] = []
        for crop in sorted(chosen, key=lambda crop: crop.sha256):
            if all(max(abs(crop.top - c.top), abs(crop.left - c.left)) >= 64 for c in first):
                first.append(crop)
        last = sorted((crop for crop in chosen if crop not in first), key=lambda crop: crop.sha256)
        assert chosen == first + last


@pytest.mark.parametrize("split", ["large", "tune", "other"])
def test_every_crop_is_verified_and_in_range(split: str) -> None:
    dataset = Photos(split)
    for image in dataset.ids():
        x = dataset.load(image)
        assert x.shape == dataset.x_shape == (3, 64, 64)
        assert x.dtype == torch.float32
        assert -1 <= x.min() < x.max() <= 1


CHELSEA = "chelsea_086_000"


def test_pixels_are_rounded_means_of_two_by_two_blocks() -> None:
    import skimage

    crop = photos_module()._crops()[CHELSEA]
    full = np.asarray(Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png").convert("RGB")).astype(float)
    top, left = 2 * crop.top + 10, 2 * crop.left + 20
    expected = np.floor(full[top : top + 2, left : left + 2].mean((0, 1)) + 0.5)
    x = Photos().load(crop.id)[:, 5, 10]
    assert ((x + 1) * 127.5).round().tolist() == expected.tolist()


@pytest.mark.parametrize(("image", "source"), [(CHELSEA, "_half_scale"), ("kodim01_064_320", "_pixels")])
def test_an_altered_pixel_is_refused(
    image: str, source: str, fresh_photos: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = getattr(fresh_photos, source)
    monkeypatch.setattr(fresh_photos, source, lambda which: original(which) ^ 1)
    with pytest.raises(DataError, match=rf"the pixels of {image} are not those .*reinstall invbench and scikit-image"):
        Photos().load(image)
    monkeypatch.undo()
    assert Photos().load(image).shape == (3, 64, 64)


def test_absent_photographs_say_what_to_do(fresh_photos: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh_photos, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match=r"scikit-image does not hold data/chelsea\.png; reinstall scikit-image"):
        Photos().load(CHELSEA)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="split must be one of test, large, tune, other; got 'train'"):
        Photos("train")


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


@pytest.mark.parametrize("name", ["photos", "gmm", "gmm2d"])
def test_what_ships_needs_no_fingerprint(name: str) -> None:
    dataset = make(name)
    assert (dataset.places, dataset.fingerprint()) == ((), "")
    dataset.check(dataset.ids()[:2])


def test_crops_of_a_photograph_stored_sideways_are_of_it_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.repeat(np.arange(0, 240, 2, dtype=np.uint8)[:, None, None], 80, 1).repeat(3, 2)  # brighter downwards
    Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    crops = make("bsds500", root=str(tmp_path), side=64, factors="1").ids()
    assert len(crops) == 2 * (120 - 64 + 1) * (80 - 64 + 1)
    x = make("bsds500", root=str(tmp_path), side=64, factors="1").load(crops[-1])
    assert torch.allclose(((x + 1) * 127.5)[0, :, 0], torch.arange(112.0, 240.0, 2), atol=0.01)


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


@pytest.mark.parametrize("name", ["gmm", "gmm2d"])
def test_a_draw_does_not_depend_on_the_size(name: str) -> None:
    few, many = make(name, size=3), make(name, size=500)
    assert list(few.ids()) == ["00000", "00001", "00002"]
    assert len(many.ids()) == 500
    for image in few.ids():
        x = few.load(image)
        assert torch.equal(x, many.load(image))
        assert x.shape == few.x_shape
        assert x.dtype == torch.float32
    assert not torch.equal(few.load("00000"), few.load("00001"))


@pytest.mark.parametrize("name", ["gmm", "gmm2d"])
def test_a_mixture_dataset_needs_a_draw(name: str) -> None:
    with pytest.raises(ConfigError, match="at least one draw; got size=0"):
        make(name, size=0)
