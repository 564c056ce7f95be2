"""invbench train prior=NAME, in a temporary folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import called as invbench
from PIL import Image

import invbench as ib
from invbench.cli.train_plan import build
from invbench.cli.train_request import Request
from invbench.plugins import load_catalog
from invbench.weights import read_tensors

CATALOG = load_catalog()


def weights_in(folder: Path) -> Path:
    (weights,) = folder.rglob("weights.safetensors")
    return weights


def photographs(folder: Path, side: int = 150) -> Path:

    folder.mkdir()
    for i in range(3):
        pixels = ib.Rng.single(use=str(i)).rand((side, side, 3))[0].mul(255).byte().numpy()
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.mark.long
def test_training_a_prior_ends_with_weights_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photographs(tmp_path / "photographs")
    words = ["prior=adm_photos", f"dataset.root={root}", "dataset.factors=1 2", "training.steps=2"]
    monkeypatch.setattr("invbench.priors.adm.training.SHOWN", 2)  # samples drawn to be looked at
    trained = invbench(["train", *words, "training.batch_size=4", "training.last=0.5"], tmp_path)
    assert trained.returncode == 0, trained.stderr
    weights = weights_in(tmp_path / "results" / "train" / "priors")
    card = json.loads(read_tensors(weights)[0]["card"])
    assert card["prior"] == {"name": "adm_photos", "dtype": "float32", "start": "fresh"}
    assert {"psnr_0.05", "psnr_0.2", "psnr_2.0"} <= card["validation"].keys()
    assert len(list(weights.parent.glob("samples/*.png"))) == 1
    ran = invbench([*trained.stdout.splitlines()[-1].split()[1:], "n=1", "references=false"], tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_a_crop_larger_than_the_images_is_refused(tmp_path: Path) -> None:
    root = photographs(tmp_path / "photographs")
    words = ["prior=adm_photos", f"dataset.root={root}", "dataset.factors=1", "training.crop=100", "training.steps=2"]
    refused = invbench(["train", *words], tmp_path)
    assert refused.returncode == 2
    assert "training images are 64x64, smaller than the crop of 100; lower training.crop" in refused.stderr


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
