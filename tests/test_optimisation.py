"""Averages of weights, and of gradients over processes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from invbench.optimisation import cosine, ema_decay, ema_update, set_lr


def test_the_average_copies_first_and_then_lags() -> None:
    average, net = nn.Linear(2, 2), nn.Linear(2, 2)
    ema_update(average, net, ema_decay(50))
    assert torch.equal(average.weight, net.weight)
    before = average.weight.clone()
    with torch.no_grad():
        net.weight += 1
    ema_update(average, net, ema_decay(1000))
    torch.testing.assert_close(average.weight, before + (1 - ema_decay(1000)))
    assert ema_decay(10**9) == 0.9999


def test_a_rate_falls_by_half_a_cosine_to_its_floor() -> None:
    assert [cosine(step, 4, floor=0.2) for step in (0, 2, 4)] == pytest.approx([1, 0.6, 0.2])
    optimizer = torch.optim.SGD([{"params": nn.Linear(1, 1).parameters()}, {"params": nn.Linear(1, 1).parameters()}])
    set_lr(optimizer, cosine(2, 4))
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(("updates", "decay"), [(0, 0.0), (101, 0.0), (108, 0.75), (1100, 0.99), (10**9, 0.9999)])
def test_the_warm_up_of_an_average(updates: int, decay: float) -> None:
    assert ema_decay(updates) == pytest.approx(decay)
