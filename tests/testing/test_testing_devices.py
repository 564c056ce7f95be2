"""Laws of plugins on another device, where there is none."""

from __future__ import annotations

import pytest
import torch

from invbench.testing.devices import another_device, same_there, same_values
from invbench.testing.findings import Fault

CPU = torch.device("cpu")


def test_mixing_two_devices_is_a_fault() -> None:
    message = "expected it to run on any device; got, on another than the CPU"
    with pytest.raises(Fault, match=message), another_device() as device:
        torch.ones(2, device=device) + torch.ones(2)


def test_values_are_compared_in_shares_of_the_largest_and_where_they_are_finite() -> None:
    here = torch.tensor([100.0, 1.0, torch.inf])
    assert same_values("x", torch.tensor([100.001, 1.0, torch.inf]), here) == pytest.approx(1e-5, rel=0.1)
    with pytest.raises(Fault, match="expected x as on the CPU, to 0.0001; differs by 1.0e-03; draw from rng alone"):
        same_values("x", torch.tensor([100.1, 1.0, torch.inf]), here)
    with pytest.raises(Fault, match=r"expected x of shape \(3,\); got \(1,\)"):
        same_values("x", torch.zeros(1), here)


def test_what_lies_elsewhere_than_its_inputs_is_told_with_the_advice() -> None:
    assert same_there("y", torch.ones(2), torch.ones(2), CPU) == 0
    with pytest.raises(Fault, match="got it on the CPU; make tensors by y.new_zeros or with device=y.device"):
        same_there("y", torch.ones(2), torch.ones(2), torch.device("meta"))
