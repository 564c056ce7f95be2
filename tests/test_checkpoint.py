"""The state of a training comes back to the bit, and another training's is refused with what differs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from invbench.checkpoint import State, refuse_other
from invbench.errors import ConfigError


def state(steps: int) -> State:
    """A network and its optimizer after some steps."""
    net = nn.Conv2d(1, 2, 3)
    optimizer = torch.optim.AdamW(net.parameters(), 0.1)
    for step in range(steps):
        optimizer.zero_grad()
        net(torch.full((1, 1, 3, 3), 1.0 + step)).square().sum().backward()
        optimizer.step()
    return State({"net": net}, {"adam": optimizer})


def test_networks_and_optimizers_come_back_by_name() -> None:
    old, new = state(3), state(0)
    tensors = dict(old.tensors())
    assert {"net/weight", "net/bias", "adam@0/exp_avg", "adam@1/step"} <= tensors.keys()
    new.fill(tensors)
    again = dict(new.tensors())
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[key], value) for key, value in tensors.items())


def test_moments_get_the_layout_of_their_parameter() -> None:
    old, new = state(1), state(0)
    new.networks["net"].to(memory_format=torch.channels_last)
    new.fill(dict(old.tensors()))
    weight, moments = next(iter(new.optimizers["adam"].state.items()))
    assert moments["exp_avg"].stride() == weight.stride()


def test_every_difference_of_another_training_is_named() -> None:
    ours = {"lr": 0.1, "task": {"name": "sr4", "sizes": (1, 2)}}
    refuse_other(ours, {"lr": 0.1, "task": {"name": "sr4", "sizes": [1, 2]}}, Path("f"))
    with pytest.raises(ConfigError, match=r"f is of another training: seed is 1 there and None here; task.name is 'x'"):
        refuse_other(ours, {"lr": 0.1, "seed": 1, "task": {"name": "x", "sizes": [1, 2]}}, Path("f"))
