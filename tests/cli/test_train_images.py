"""What a training learns from and is validated on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from made_images import photographs

import invbench as ib
from invbench.cli.train_images import parted
from invbench.cli.train_plan import build
from invbench.cli.train_request import Request
from invbench.plugins import load_catalog

CATALOG = load_catalog()


def test_photographs_smaller_than_the_crop_are_refused(tmp_path: Path) -> None:
    root = photographs(tmp_path / "photographs", side=60)
    with pytest.raises(
        ib.DataError, match=r"none of the 3 photographs .* holds a crop of 64x64; choose a smaller datas"
    ):
        build(Request.parse(["prior=adm_photos", f"dataset.root={root}"]), CATALOG)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ib.DataError, match="no images in"):
        build(Request.parse(["prior=adm_photos", f"dataset.root={tmp_path}"]), CATALOG)


@pytest.mark.parametrize("words", [["dataset.factors=1"], ["dataset=folder", "dataset.side=64"]])
def test_an_image_that_cannot_be_read_is_refused_before_a_training(tmp_path: Path, words: list[str]) -> None:
    root = photographs(tmp_path / "photographs")
    (root / "x.png").write_text("no image")
    with pytest.raises(ib.DataError, match=r"1 of 4 images cannot be read \(.*x\.png: cannot identify an image in it"):
        build(Request.parse(["prior=adm_photos", f"dataset.root={root}", *words]), CATALOG)


@pytest.mark.parametrize(("n", "held"), [(7, 0), (8, 1), (1000, 16)])
def test_an_eighth_is_held_out_and_at_most_sixteen(n: int, held: int) -> None:
    images = CATALOG.get("dataset", "gmm2d")(size=n)
    seen, measured = parted(CATALOG.benchmark("photos"), CATALOG, None, images, 0)
    assert len(seen.ids()) == n - held
    assert list(seen.ids()) == list(images.ids()[: n - held])
    assert (0 if measured is None else len(measured.x)) == held
    if measured is not None:
        assert torch.equal(measured.x[-1], images.load(images.ids()[-1]))


def test_an_estimate_draws_no_images() -> None:
    request = Request.parse(["solver=davi", "task=sr4", "+recipe=davi_g", "samples=7", "out=new/train"], dry_run=True)
    with pytest.raises(
        ib.ConfigError, match=r"draws no images, and 7 of 7 .* prior=adm_photos n=7 side=64 nfe=20 out=new/samples"
    ):
        build(request, CATALOG)
