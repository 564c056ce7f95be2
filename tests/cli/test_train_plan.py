"""From a request to a training: what wins, what is drawn, what is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from command import called as invbench
from made_images import photographs
from made_networks import own_weights
from PIL import Image

import invbench as ib
from invbench.cli.train_plan import Plan, build, chosen_variants
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


TINY = ["dataset=arrays", "dataset.side=16", "training.crop=8", "training.batch_size=2", "training.steps=2"]
DRAWN = ["n=1", "nfe=2", "side=16"]


def discs(folder: Path, n: int = 24, channels: int = 1, side: int = 16) -> Path:
    """Discs on black, each as a grey picture, or of two channels as an array."""
    folder.mkdir()
    v = np.linspace(-1, 1, side)
    for i in range(n):
        down, right, size = ib.Rng.single(disc=str(i)).rand((3,))[0].tolist()
        inside = (v[:, None] - down + 0.5) ** 2 + (v - right + 0.5) ** 2 < (0.2 + 0.4 * size) ** 2
        if channels == 1:
            Image.fromarray(inside).convert("L").save(folder / f"{i:02d}.png")
        else:
            np.save(folder / f"{i:02d}.npy", np.stack([2.0 * inside - 1] * channels))
    return folder


def planned(*words: str) -> Plan:
    return build(Request.parse(["prior=adm_own", *words]), CATALOG)


def test_channels_are_those_of_the_images_and_the_last_ones_are_held_out(tmp_path: Path) -> None:
    training = planned(*TINY, "prior.width=16", f"dataset.root={discs(tmp_path / 'x')}").training
    assert training.config["prior"] == {
        "name": "adm_own", "channels": 1, "width": 16, "dtype": "float32", "start": "fresh"
    }  # fmt: skip
    assert training.config["dataset"]["images"] == 24
    assert training.measured is not None
    assert training.measured.x.shape == (3, 1, 16, 16), "an eighth"
    assert training.about["held_out"] == "the last 3 images"
    assert list(training.measured.images) == ["21.png", "22.png", "23.png"]
    assert list(training.images.ids()) == [f"{i:02d}.png" for i in range(21)]
    batch, _ = training.batch(0, 4, 8)
    assert batch.shape == (4, 1, 8, 8)


def test_of_three_channels_the_benchmark_has_images_to_validate_on(tmp_path: Path) -> None:
    root = discs(tmp_path / "x")
    plan = planned("dataset=folder", f"dataset.root={root}")
    assert plan.training.measured is not None
    assert plan.training.measured.x.shape == (16, 3, 64, 64)
    assert len(plan.training.images.ids()) == 24
    assert plan.training.config["prior"]["channels"] == 3
    assert plan.use.endswith("solver=ddrm task=sr4")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prior.channels=5"], r"prior\.channels must be from 1 to 4; got 5"),
        (["prior.channels=two"], r"prior\.channels: expected a value of type int, got 'two'"),
        (["prior.width=20"], r"prior\.width must be a multiple of 8, at least 16; got 20"),
        (
            ["prior.channels=2"],
            "adm_own and dataset arrays do not fit: this prior takes 2-channel images; got 1x16",
        ),
        (["dataset.channels=2"], r"00\.png: a picture has 1 or 3 channels; images of 2 are \.npy arrays"),
        (["dataset.side=18"], "sides divisible by 4; got 1x18x18"),
    ],
)
def test_what_does_not_fit_is_said_before_a_training(tmp_path: Path, words: list[str], message: str) -> None:
    given = [word for word in TINY if word.partition("=")[0] not in {each.partition("=")[0] for each in words}]
    with pytest.raises(ib.InvbenchError, match=message):
        planned(*given, f"dataset.root={discs(tmp_path / 'x', 2)}", *words)


def test_that_the_preset_reads_colour_is_said_before_its_folder_is_looked_at() -> None:
    with pytest.raises(ib.ConfigError, match=r"bsds500 do not fit: .* Read such images with dataset=arrays"):
        planned("prior.channels=1", "dataset.root=nowhere")


def test_a_solver_is_trained_on_images_of_the_prior_s_channels(tmp_path: Path) -> None:
    words = ["solver=davi", "task=sr4", "prior=adm_own", f"prior.weights={own_weights(tmp_path)}"]
    own = ["dataset=arrays", "dataset.side=16", f"dataset.root={discs(tmp_path / 'x')}"]
    plan = build(Request.parse([*words, *own]), CATALOG)
    assert plan.training.measured is not None
    assert plan.training.measured.y.shape == (3, 1, 4, 4)
    assert plan.training.about["held_out"] == "the last 3 images"
    assert len(plan.training.images.ids()) == 21
    assert plan.use.endswith(f" {words[2]} {words[3]} dataset=arrays dataset.root=FOLDER dataset.side=16")
    with pytest.raises(ib.ConfigError, match=r"prior adm_own and dataset samples do not fit: .* got 3x64x64"):
        build(Request.parse([*words, "samples=4", f"out={tmp_path / 'train'}"]), CATALOG)
    assert not (tmp_path / "samples").exists(), "none is drawn"


def test_a_grey_prior_draws_grey_pictures(tmp_path: Path) -> None:
    drawn = invbench(["sample", "prior=adm_own", f"prior.weights={own_weights(tmp_path)}", *DRAWN], tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    assert Image.open(tmp_path / drawn.stdout.strip() / "000000.png").mode == "L"
    weights = own_weights(tmp_path, channels=2)
    refused = invbench(["sample", "prior=adm_own", f"prior.weights={weights}", *DRAWN], tmp_path)
    assert refused.returncode == 2
    assert "this prior takes 2-channel images; got 3x16x16" in refused.stderr


@pytest.mark.long
@pytest.mark.parametrize("channels", [1, 2])
def test_what_was_trained_runs_and_restores_without_its_form_being_named(
    tmp_path: Path, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invbench.priors.adm.training.SHOWN", 2)
    root = discs(tmp_path / "x", channels=channels)
    words = ["prior=adm_own", "prior.width=16", *TINY, f"dataset.root={root}", f"dataset.channels={channels}"]
    trained = invbench(["train", *words, "folder=w"], tmp_path)
    assert trained.returncode == 0, trained.stderr
    card = json.loads(read_tensors(tmp_path / "w" / "weights.safetensors")[0]["card"])
    assert (card["prior"]["channels"], card["prior"]["width"]) == (channels, 16)
    assert {"psnr_0.05", "psnr_2.0"} <= card["validation"].keys()
    side = 16 if channels == 1 else 32  # channels stand side by side
    assert Image.open(tmp_path / "w" / "samples" / "0000002.png").size == (2 * side, 16)
    run = trained.stdout.splitlines()[-1].replace("dataset.root=FOLDER", f"dataset.root={root}")
    ran = invbench([*shlex.split(run)[1:], "solver.nfe=2", "n=1"], tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    y = "x/00.png" if channels == 1 else "x/00.npy"
    size = [] if channels == 1 else ["size=2x16x16"]
    restored = ["task=denoise", "solver=ddrm", "solver.nfe=2", "sigma=0.1 [-1,1]", "to=r.npy", *size]
    prior = ["prior=adm_own", "prior.weights=w/weights.safetensors"]
    done = invbench(["restore", y, *restored, *prior], tmp_path)
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "r.npy").shape == (channels, 16, 16)


@pytest.mark.long
def test_a_short_training_restores_discs_better_than_least_squares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At four times the side, by more than 2 dB."""
    root = discs(tmp_path / "x", n=64, side=32)
    words = ["prior=adm_own", "prior.width=16", "dataset=arrays", "dataset.side=32", f"dataset.root={root}"]
    words += ["training.crop=16", "training.batch_size=8", "training.steps=120", "training.lr=0.002"]
    monkeypatch.setattr("invbench.priors.adm.training.SHOWN", 2)  # samples drawn to be looked at
    trained = invbench(["train", *words, "training.warmup=20", "folder=w"], tmp_path)
    assert trained.returncode == 0, trained.stderr
    truth = torch.from_numpy(np.array(Image.open(root / "63.png"))).float().div(127.5).sub(1)[None]  # held out
    A = ib.BlockMean((1, 32, 32), 4)
    y = A(truth[None])[0] + 0.05 * ib.Rng.single(use="noise").randn((1, 8, 8))[0]
    options = {"prior": "adm_own", "prior__weights": str(tmp_path / "w" / "weights.safetensors"), "progress": False}
    found = ib.restore("ddrm", y, A, sigma="0.05 [-1,1]", **options).mean

    def psnr(x: torch.Tensor) -> float:
        return float(10 * (4 / (x - truth).square().mean()).log10())

    assert psnr(found) > psnr(A.guess(y[None])[0]) + 2
