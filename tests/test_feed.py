"""The images of a training: what is drawn is the same wherever it is kept, and each photograph is decoded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import invbench as ib
from invbench.feed import Batch, Feed
from invbench.plugins import load_catalog

CPU = torch.device("cpu")
SEEN: Counter[str] = Counter()


class Bytes(ib.Dataset):
    """Five images of 8-bit pixels, 3x8x6; counts how often each is loaded."""

    name = "bytes"
    x_shape = (3, 8, 6)

    def ids(self) -> Sequence[str]:
        return list("abcde")

    def load(self, image_id: str) -> Tensor:
        SEEN[image_id] += 1
        return ib.Rng.single(image=image_id).integers(256, self.x_shape)[0].float().div(127.5).sub(1)


class Mixed(Bytes):
    """All but one are made of bytes."""

    def __init__(self, other: str = "a") -> None:
        self.other = other

    def load(self, image_id: str) -> Tensor:
        return super().load(image_id) * (0.3 if image_id == self.other else 1)


def feed(images: ib.Dataset, room: int = 10**9, **options: int) -> Feed:
    SEEN.clear()
    return Feed(images, CPU, room=lambda device: room, **options)


@pytest.mark.parametrize("images", [Bytes(), Mixed("a"), Mixed("d")])
@pytest.mark.parametrize("room", [10**9, 0])
def test_a_batch_holds_the_images_as_they_are_loaded(images: ib.Dataset, room: int) -> None:
    fed = feed(images, room)
    for step in range(6):
        x = fed.batch(Batch(step, 7))
        chosen = ib.Rng.single(purpose="training images", seed=0, step=step).integers(5, (7,))[0]
        assert torch.equal(x, torch.stack([images.load("abcde"[i]) for i in chosen.tolist()]))
        assert x.is_contiguous()


def test_images_of_bytes_are_kept_as_bytes_and_others_as_they_are() -> None:
    kept = {}
    for images in (Bytes(), Mixed()):
        fed = feed(images)
        fed.batch(Batch(0, 50))
        assert fed.kept is not None
        kept[type(images)] = fed.kept.data.dtype
    assert kept == {Bytes: torch.uint8, Mixed: torch.float32}


def test_an_image_is_decoded_once_where_it_is_kept_and_for_every_batch_where_it_is_not() -> None:
    for room, most in ((10**9, 1), (0, 8)):
        fed = feed(Bytes(), room)
        for step in range(8):
            fed.batch(Batch(step, 50))
        assert fed.kept is None or room
        assert max(SEEN.values()) >= most if room == 0 else set(SEEN.values()) == {most}


def test_images_that_are_not_of_bytes_need_four_times_the_room() -> None:
    need = 5 * 3 * 8 * 6
    assert feed(Bytes(), need).kept is not None
    assert feed(Mixed(), 4 * need - 1).kept is None
    assert feed(Mixed(), 4 * need).kept is not None


def test_the_room_is_shared_by_processes() -> None:
    need = 5 * 3 * 8 * 6
    assert feed(Bytes(), need).kept is not None
    assert feed(Bytes(), need, processes=2).kept is None
    assert feed(Bytes(), 2 * need, processes=2).kept is not None


def test_processes_share_the_batch_of_one() -> None:
    whole = feed(Bytes()).batch(Batch(3, 6, 4))
    for rank in (0, 1):
        assert torch.equal(whole[rank::2], feed(Bytes(), rank=rank, processes=2).batch(Batch(3, 6, 4)))


def test_crops_are_parts_of_their_images_and_differ() -> None:
    fed = feed(Bytes())
    images, crops = fed.batch(Batch(0, 9)), fed.batch(Batch(0, 9, 3))
    corners = set()
    for image, crop in zip(images, crops, strict=True):
        found = [(t, u) for t in range(6) for u in range(4) if torch.equal(image[:, t : t + 3, u : u + 3], crop)]
        assert len(found) == 1
        corners.update(found)
    assert len(corners) > 3
    with pytest.raises(ib.ConfigError, match=r"the training images are 8x6, smaller than the crop of 7; lower"):
        fed.batch(Batch(0, 9, 7))


def test_a_dataset_without_images_is_refused() -> None:
    class Empty(Bytes):
        def ids(self) -> Sequence[str]:
            return []

    with pytest.raises(ib.ConfigError, match="dataset bytes has no images to train on; expected at least one"):
        feed(Empty()).batch(Batch(0, 2))


def test_an_error_of_an_image_that_is_read_ahead_is_told_when_its_batch_is_asked_for() -> None:
    class Broken(Bytes):
        def load(self, image_id: str) -> Tensor:
            raise ib.DataError(f"{image_id} is gone")

    with pytest.raises(ib.DataError, match="is gone"):
        feed(Broken(), 0).batch(Batch(0, 2))


@pytest.mark.parametrize("crop", [0, 5])
@pytest.mark.parametrize("room", [10**9, 0])
def test_crops_and_mirror_images_of_photographs_are_those_of_the_dataset(tmp_path: Path, crop: int, room: int) -> None:
    for i, size in enumerate([(23, 17), (19, 30), (16, 16)]):
        pixels = ib.Rng.single(photo=i).integers(256, (size[1], size[0], 3))[0].byte().numpy()
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    images = load_catalog().get("dataset", "bsds500")(root=str(tmp_path), side=8, factors="1 2")
    ids, fed = images.ids(), feed(images, room)
    draws = ib.Rng.single(purpose="training images", seed=0, step=1)
    chosen, tops, lefts = (draws.integers(n, (40,))[0].tolist() for n in (len(ids), 4, 4))
    wanted = torch.stack([images.load(ids[i]) for i in chosen])
    if crop:
        wanted = torch.stack([x[:, t : t + 5, u : u + 5] for x, t, u in zip(wanted, tops, lefts, strict=True)])
    assert torch.equal(fed.batch(Batch(1, 40, crop)), wanted)
    assert {ids[i].rsplit("@", 1)[1] for i in chosen} == {"0", "1"}
    windows = images.windows()
    assert windows is not None
    assert [tuple(windows.pixels(i).shape[:2]) for i in range(len(windows.sizes))] == [*windows.sizes]
