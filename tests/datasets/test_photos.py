"""The embedded photographs: which crops, of which split, and to the byte."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from making import CATALOG, make
from PIL import Image

from invbench.errors import ConfigError, DataError

Photos = CATALOG.get("dataset", "photos")


def photos_module() -> Any:
    import invbench_datasets.photos

    return invbench_datasets.photos


@pytest.fixture
def fresh_photos() -> Any:
    """Nothing remembered before and after."""
    module = photos_module()
    for cached in (module._half_scale, module._pixels):
        cached.cache_clear()
    yield module
    for cached in (module._half_scale, module._pixels):
        cached.cache_clear()


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


@pytest.mark.parametrize("split", ["large", "tune", "other", "moving", "face"])
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


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "motorcycle_left"])
def test_a_moving_camera_averages_seven_frames_in_linear_light(name: str) -> None:
    tested = [crop.photograph for crop in crops("test")[:22]]
    (moving,) = [crop for crop in crops("moving") if crop.photograph == f"{name}_moving"]
    down, right = [(0, 1), (1, 0), (1, 1), (1, -1)][tested.index(name) % 4]
    whole = photos_module()._half_scale(name) / 255
    places = [(moving.top + k * down, moving.left + k * right) for k in range(7)]
    light = np.mean([whole[top : top + 64, left : left + 64] ** 2.2 for top, left in places], axis=0)
    ours = (Photos("moving").load(moving.id).permute(1, 2, 0).numpy() + 1) / 2
    np.testing.assert_allclose(ours, light ** (1 / 2.2), atol=0.51 / 255)
    (still,) = [crop for crop in crops("test")[:22] if crop.photograph == name]
    assert max(abs(still.top - moving.top), abs(still.left - moving.left)) <= 6


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
    with pytest.raises(ConfigError, match="split must be one of test, large, tune, other, moving, face; got 'train'"):
        Photos("train")
