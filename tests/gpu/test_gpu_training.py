"""A training that was interrupted on the device gives, when it is resumed, the weights of one that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import called
from measuring import DEVICE
from safetensors.torch import load_file

from invbench.training import Training

PRIOR = ("prior=adm_photos", "training.crop=16")
DAVI = ("solver=davi", "task=sr4")


def train(words: tuple[str, ...], folder: str, cwd: Path) -> int:
    options = ("training.steps=4", "training.batch_size=4", "save_every=2", f"device={DEVICE.type}", f"folder={folder}")
    return called(["train", *words, *options], cwd).returncode


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
