"""Trainings: what is kept, what resumes, what is refused."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import invbench as ib
from invbench.errors import TrainingError
from invbench.training import EVERY, Training
from invbench.weights import read_tensors


class Ramp(ib.Dataset):
    """Ten images, each of one value."""

    name = "ramp"
    x_shape = (1, 6, 5)

    def ids(self) -> Sequence[str]:
        return [str(i) for i in range(10)]

    def load(self, image_id: str) -> Tensor:
        return torch.full(self.x_shape, int(image_id) / 10)


def training(folder: Path, **options: Any) -> Training:
    return Training(folder, {"lr": 0.1}, None, Ramp(), **{"save_every": 4, **options})


def run(folder: Path, total: int = 12, stop: int | None = None, dtype: str = "float32") -> dict[str, Tensor]:
    """Fit a line; with ``stop``, break off in that step. Returns the weights."""
    net = nn.Linear(30, 1)
    with torch.no_grad():
        net.weight.fill_(0.1)
        net.bias.zero_()
    t = training(folder, dtype=dtype)
    optimizer = torch.optim.AdamW(net.parameters(), 0.1)
    for step in t.steps(total, {"net": net}, {"net": optimizer}):
        x, rng = t.batch(step, 4)
        with t.autocast():
            out = net(x.flatten(1) + rng.randn_like(x).flatten(1))
        loss = (out.float() - 1).square().mean()
        t.log(step, loss=loss)
        t.backward(loss)
        if step == stop:
            break
        t.update(optimizer)
    return {key: value.clone() for key, value in net.state_dict().items()}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path, dtype: str) -> None:
    whole = run(tmp_path / "whole", dtype=dtype)
    run(tmp_path / "broken", stop=10, dtype=dtype)
    assert read_tensors(tmp_path / "broken" / "state.safetensors")[0]["step"] == "8"
    resumed = run(tmp_path / "broken", dtype=dtype)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def images_net(folder: Path, stop: int | None = None) -> dict[str, Tensor]:
    """Train a convolution whose weights are channels-last, as an ADM network's are."""
    net = nn.Conv2d(2, 4, 3, padding=1, bias=False)
    with torch.no_grad():
        net.weight.copy_(ib.Rng.single(use="weights").randn(tuple(net.weight.shape))[0])
    net.to(memory_format=torch.channels_last)
    t, optimizer = training(folder), torch.optim.AdamW(net.parameters(), 0.1, fused=True)
    for step in t.steps(8, {"net": net}, {"net": optimizer}):
        if step == stop:
            break
        _, rng = t.batch(step, 4)
        t.backward(net(rng.randn((2, 5, 5))).square().mean())
        t.update(optimizer)
    return {key: value.clone() for key, value in net.state_dict().items()}


def test_a_training_of_channels_last_weights_resumes_to_the_same_weights(tmp_path: Path) -> None:
    """Moments of another layout than their weights are taken in another order, in silence, by the fused AdamW."""
    whole = images_net(tmp_path / "whole")
    images_net(tmp_path / "broken", stop=5)
    resumed = images_net(tmp_path / "broken")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_the_log_has_no_line_twice_after_resuming(tmp_path: Path) -> None:
    run(tmp_path, stop=10)
    run(tmp_path)
    steps = [json.loads(line)["step"] for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert steps == [4, 8, 12]


def test_a_half_written_line_of_the_log_is_dropped(tmp_path: Path) -> None:
    run(tmp_path, stop=10)
    with (tmp_path / "train.jsonl").open("a") as log:
        log.write('{"step": 9, "lo')
    run(tmp_path)
    assert [json.loads(line)["step"] for line in (tmp_path / "train.jsonl").read_text().splitlines()] == [4, 8, 12]


def test_another_configuration_is_refused_and_the_difference_shown(tmp_path: Path) -> None:
    run(tmp_path, stop=5)
    other = training(tmp_path)
    other.config = {"lr": 0.2, "new": 1}
    with pytest.raises(ib.ConfigError, match=r"lr is 0.1 there and 0.2 here; new is None there and 1 here"):
        next(iter(other.steps(12, {}, {})))


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run(tmp_path, stop=5)
    (tmp_path / "state.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ib.DataError, match=r"state\.safetensors cannot be read .* delete it, and train"):
        run(tmp_path)


def diverging(t: Training, at: int) -> None:
    """A training whose loss is not finite at a step."""
    for step in t.steps(40, {"net": nn.Linear(1, 1)}, {}):
        t.log(step, loss=torch.tensor(float("nan") if step >= at else 1.0), other=1.0)


def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"loss is not finite at step 5; the last good .* of step 4, is .*lr"):
        diverging(training(tmp_path), 5)
    assert read_tensors(tmp_path / "state.safetensors")[0]["step"] == "4"
    with pytest.raises(TrainingError, match="at step 0; no checkpoint was written yet"):
        diverging(training(tmp_path / "other"), 0)


def test_a_loss_that_is_not_finite_is_seen_at_the_next_line_of_the_log(tmp_path: Path) -> None:
    reached = []
    t = training(tmp_path, save_every=1000)
    with pytest.raises(TrainingError, match="at step 3; no checkpoint"):
        for step in t.steps(100, {"net": nn.Linear(1, 1)}, {}):
            reached.append(step)
            t.log(step, loss=float("inf") if step == 3 else 0.0)
    assert len(reached) == EVERY


def test_nothing_is_kept_of_a_training_that_diverged(tmp_path: Path) -> None:
    t = training(tmp_path)
    net = nn.Linear(1, 1)
    for step in t.steps(9, {"net": net}, {}):
        t.log(step, loss=float("nan"))
        with pytest.raises(TrainingError, match="loss is not finite at step 0"):
            t.keep(net, step)
        break
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_batch_is_a_draw_of_its_step_whoever_asks(tmp_path: Path) -> None:
    one, other = training(tmp_path), training(tmp_path)
    x, rng = one.batch(7, 6)
    again, same = other.batch(7, 6)
    assert x.shape == (6, 1, 6, 5)
    assert torch.equal(x, again)
    assert torch.equal(rng.randn((3,)), same.randn((3,)))
    assert not torch.equal(x, one.batch(8, 6)[0])


def test_processes_share_the_batch_of_one(tmp_path: Path) -> None:
    whole, rng = training(tmp_path).batch(3, 6)
    noise = rng.randn_like(whole)
    for rank in (0, 1):
        x, own = training(tmp_path, rank=rank, processes=2).batch(3, 6)
        assert torch.equal(whole[rank::2], x)
        assert torch.equal(noise[rank::2], own.randn_like(x))


def test_networks_are_compiled_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    nets = [nn.Linear(1, 1), nn.Linear(1, 1)]
    training(tmp_path).compiled(*nets)
    assert not compiled
    training(tmp_path, compile=True).compiled(*nets)
    assert compiled == nets


OVERFLOW = """
import sys, torch
from pathlib import Path
from accelerate import PartialState
from invbench.training import Training

state = PartialState(cpu=True)
out = Path(sys.argv[1])
training = Training(out, {}, None, None, dtype="float16", rank=state.process_index, processes=2)
net = torch.nn.Linear(2, 1, bias=False)
torch.nn.init.ones_(net.weight)
optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
for step in range(4):
    training.backward(net(torch.full((1, 2), 1.0 + state.process_index)).square().sum())
    if step in (1, 2) and state.process_index == step - 1:
        net.weight.grad.fill_(float("inf") if step == 1 else float("nan"))
    training.update(optimizer, clip=1.0)
    line = [*net.weight.flatten().tolist(), training._scaler.get_scale()]
    with open(out / f"{state.process_index}.txt", "a") as file:
        file.write(" ".join(map(repr, line)) + "\\n")
state.destroy_process_group()
"""


@pytest.mark.long
def test_a_gradient_that_overflows_on_one_process_skips_the_step_of_all(tmp_path: Path) -> None:
    """In float16: at the second step that of the first process does, at the third that of the second."""
    (tmp_path / "work.py").write_text(OVERFLOW)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29872"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    command = [*launch, str(tmp_path / "work.py"), str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    first, second = ((tmp_path / f"{rank}.txt").read_text() for rank in (0, 1))
    assert first == second
    steps = [[float(word) for word in line.split()] for line in first.splitlines()]
    assert all(math.isfinite(value) for line in steps for value in line)
    assert [line[:2] for line in steps[1:3]] == [steps[0][:2]] * 2, "skipped"
    assert [line[2] for line in steps] == [65536.0, 32768.0, 16384.0, 16384.0]
    assert steps[3][0] < steps[0][0] < 1


@pytest.mark.parametrize(("channels", "size", "mode"), [(1, (10, 12), "L"), (3, (10, 12), "RGB"), (2, (20, 12), "L")])
def test_channels_that_are_no_colours_are_shown_side_by_side(
    tmp_path: Path, channels: int, size: tuple[int, int], mode: str
) -> None:
    x = torch.linspace(-1, 1, channels)[None, :, None, None].expand(2, channels, 6, 5)
    training(tmp_path).show(3, x, x)
    picture = Image.open(tmp_path / "samples" / "0000003.png")
    assert (picture.size, picture.mode) == (size, mode)
    if channels == 2:
        assert [picture.getpixel((column, 0)) for column in (0, 9, 10, 19)] == [0, 0, 255, 255]
