"""From a request to a training: what wins, what is drawn, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import called as invbench
from made_images import photographs

import invbench as ib
from invbench.cli.train_plan import build, chosen_variants
from invbench.cli.train_request import Request
from invbench.plugins import load_catalog
from invbench.weights import read_tensors

CATALOG = load_catalog()
PLANE = ["solver=davi", "benchmark=gmm2d", "task=denoise", "training.batch_size=8"]


@pytest.mark.parametrize("hardware", [True, False])
def test_bfloat16_is_for_hardware_that_has_it(hardware: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invbench.cli.train_plan.has_bfloat16", lambda device: hardware)
    plan = build(Request.parse([*PLANE, "device=cpu", "dtype=auto"]), CATALOG)
    assert plan.training.dtype == plan.training.config["dtype"] == ("bfloat16" if hardware else "float32")
    request = Request.parse([*PLANE, "device=cpu", "dtype=bfloat16"])
    if hardware:
        assert build(request, CATALOG).training.dtype == "bfloat16"
    else:
        with pytest.raises(ib.ConfigError, match=r"dtype=bfloat16 is emulated on this cpu, .* use float32, or auto"):
            build(request, CATALOG)


def test_what_the_user_wrote_wins_over_a_variant_and_that_over_the_preset() -> None:
    davi = CATALOG.get("solver", "davi")
    assert chosen_variants(davi, {"ablation": "d"})["solver"] == {"perturbation": "constant", "h": 0.01}
    assert [chosen_variants(davi, {"ablation": each})["solver"]["h"] for each in "abcdef"] == [0.01] * 2 + [0] + [
        0.01
    ] * 3
    plan = build(Request.parse([*PLANE, "+ablation=d", "solver.h=0.3", "training.gamma=7"]), CATALOG)
    assert plan.training.config["solver"]["perturbation"] == "constant"
    assert plan.training.config["solver"]["h"] == 0.3
    assert plan.training.options.gamma == 7
    assert plan.training.options.density == "uniform"
    assert plan.training.options.reg == build(Request.parse(PLANE), CATALOG).training.options.reg == 0.0


def weights_in(folder: Path) -> Path:
    (weights,) = folder.rglob("weights.safetensors")
    return weights


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
