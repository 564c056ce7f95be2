"""Trainings on the device: one that was interrupted resumes to the weights of one that was not; crops a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import called
from measuring import DEVICE, ON_GPU
from PIL import Image
from safetensors.torch import load_file
from training_speed import ffhq, iterations, training_speed

from invbench.priors.adm.sources import AdmPhotos
from invbench.training import Training

PRIOR = ("prior=adm_photos", "training.crop=16")
DAVI = ("solver=davi", "task=sr4")


def train(words: tuple[str, ...], folder: str, cwd: Path) -> int:
    """The exit status of a training of four steps on images of noise."""
    photographs = cwd / "photographs"
    if not photographs.exists():  # the noise is another each time
        photographs.mkdir()
        for i in range(4):
            Image.effect_noise((64, 64), 60 + i).convert("RGB").save(photographs / f"{i}.png")
    options = ("training.steps=4", "training.batch_size=4", "save_every=2", f"device={DEVICE.type}", f"folder={folder}")
    return called(["train", *words, *options, "dataset=folder", f"dataset.root={photographs}"], cwd).returncode


@pytest.mark.parametrize(("words", "cut"), [(PRIOR, 3), (DAVI, 5)])  # backward passes, all in the third step
def test_a_training_resumes(
    words: tuple[str, ...], cut: int, figure: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, backward = iter(range(1, 1000)), Training.backward

    def interrupted(training: Training, *args: Any, **kwargs: Any) -> Any:
        if next(calls) == cut:
            raise KeyboardInterrupt
        return backward(training, *args, **kwargs)

    assert train(words, "whole", tmp_path) == 0
    with monkeypatch.context() as patched:
        patched.setattr(Training, "backward", interrupted)
        assert train(words, "cut", tmp_path) != 0
    assert train(words, "cut", tmp_path) == 0
    whole, resumed = (load_file(tmp_path / folder / "weights.safetensors") for folder in ("whole", "cut"))
    apart = max(float((whole[key].float() - resumed[key].float()).abs().max()) for key in whole)
    scale = max(float(value.abs().max()) for value in whole.values())
    figure(f"{words[0]}: resumed training, largest difference of a weight", apart / scale, "{:.1e}", at_most=1e-3)
    assert torch.tensor([value.isfinite().all() for value in resumed.values()]).all()


@pytest.mark.parametrize(("what", "bar"), [("prior", 5000), ("davi", 1500)])
def test_crops_a_second(what: str, bar: int, figure: Callable[..., None], tmp_path: Path) -> None:
    options = {"dtype": "bfloat16", "compile": True} if ON_GPU else {}
    batch, side, steps = (256, 64, 40) if ON_GPU else (4, 16, 2)
    speed = training_speed(what, DEVICE.type, tmp_path, batch, side, steps, **options)
    figure(f"training of {what}, {side}x{side}, crops a second", speed, "{:.0f}", at_least=bar)


def test_an_iteration_of_davi_takes_a_share_of_the_official_order(figure: Callable[..., None], tmp_path: Path) -> None:
    prior, batch = (ffhq(DEVICE.type), 8) if ON_GPU else (AdmPhotos().load((3, 16, 16), "cpu"), 2)
    found = iterations(prior, DEVICE.type, tmp_path, batch)
    own, official = found["invbench"], found["official order"]
    size = "x".join(map(str, prior.x_shape[1:]))
    figure(
        f"DAVI, {size}, batch {batch}: iteration, of the official order", own.seconds / official.seconds, at_most=0.65
    )
    figure(f"DAVI, {size}, batch {batch}: seconds an iteration", own.seconds)
    figure(f"DAVI, {size}, batch {batch}: peak memory in GiB", own.memory / 2**30)
