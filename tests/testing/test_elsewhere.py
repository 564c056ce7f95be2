"""The second device: real numbers, the CPU's to the last bit, and an error where the two devices meet."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invbench.device import choose_device
from invbench.rng import Rng
from invbench.testing.elsewhere import ELSEWHERE, DeviceError, Elsewhere, elsewhere
from invbench.weights import load_strict

X = torch.arange(6.0).reshape(2, 3)


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.SiLU(), nn.Conv2d(4, 3, 1))


MIXED: dict[str, Callable[[Tensor], Any]] = {
    "arithmetic": lambda x: x + torch.ones(3),
    "a number of the device, and a tensor that is not": lambda x: x.sum() * torch.ones(3),
    "mask": lambda x: torch.where(torch.ones(2, 3) > 0, x, x),
    "list": lambda x: torch.cat([x, torch.ones(1, 3)]),
    "product": lambda x: x @ torch.ones(3, 2),
    "schedule": lambda x: torch.linspace(0, 1, 9)[x.long()[:, 0]],
    "in place": lambda x: torch.zeros(2, 3).add_(x),
    "convolution": lambda x: F.conv2d(x[None, None], torch.ones(1, 1, 1, 1)),
    "generator": lambda x: x.clone().normal_(generator=torch.Generator()),
    "generator of the device": lambda x: torch.zeros(3).normal_(generator=torch.Generator(x.device)),
    "new draw": lambda x: torch.randn(2, device=x.device, generator=torch.Generator()),
    "numpy": lambda x: x.numpy(),
}
FINE: dict[str, Callable[[Tensor], Any]] = {
    "number": lambda x: x * torch.tensor(2.0) + 1,
    "list of rows": lambda x: x[[1, 0]],
    "indices of the CPU": lambda x: x[:, torch.tensor([2, 0])],
    "set": lambda x: x.clone().index_put_((torch.tensor([0]),), torch.tensor(7.0)),
    "data": lambda x: x * torch.tensor([1.0, 2.0, 3.0], device=x.device) + x.new_tensor([1, 0, 2]),
    "factory": lambda x: torch.arange(3, device=x.device) + x.new_zeros(3) + torch.full((3,), 2.0, device=x.device),
    "like": lambda x: torch.arange(3.0).to(x) + torch.ones_like(x),
    "decomposition": lambda x: torch.linalg.svd(x, full_matrices=False)[1],
    "spectrum": lambda x: torch.fft.irfft(torch.fft.rfft(x)),
    "draws": lambda x: Rng.for_images(["a", "b"]).randn_like(x),
    "draws of a generator there": lambda x: torch.zeros_like(x).normal_(
        generator=torch.Generator(x.device).manual_seed(1)
    ),
    "control flow": lambda x: x if bool((x > 1).any()) and float(x.sum()) > x[0].tolist()[0] else None,
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("operation", MIXED.values(), ids=MIXED)
def test_an_operation_that_mixes_devices_fails(operation: Callable[[Tensor], Any], inference: bool) -> None:
    with elsewhere() as device, torch.inference_mode(inference), pytest.raises(DeviceError):
        operation(X.to(device))


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("operation", FINE.values(), ids=FINE)
def test_other_operations_give_the_bits_of_the_cpu(operation: Callable[[Tensor], Tensor], inference: bool) -> None:
    with elsewhere() as device, torch.inference_mode(inference):
        there = operation(X.to(device))
        assert there.device == device
    with torch.inference_mode(inference):  # results outlive the body
        assert torch.equal(there.cpu(), operation(X))


def test_the_error_names_operation_and_shapes() -> None:
    with elsewhere() as device, pytest.raises(DeviceError, match=r"add mixes tensors of the CPU, \(3,\), with others"):
        X.to(device).add(torch.ones(3))


def test_a_network_moves_trains_and_comes_back_with_the_same_weights() -> None:
    here, x = network(), torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def train(net: nn.Module, x: Tensor) -> list[Tensor]:
        optimizer = torch.optim.AdamW(net.parameters(), 1e-2, fused=True)
        for _ in range(3):
            net(x).square().mean().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        return [p.detach() for p in net.parameters()]

    with elsewhere() as device:
        there = copy.deepcopy(here).to(device)
        assert all(isinstance(p, Elsewhere) and p.requires_grad for p in copy.deepcopy(there).parameters())
        moved, expected = train(there, x.to(device)), train(here, x)
        assert all(torch.equal(a.cpu(), b) for a, b in zip(moved, expected, strict=True))
        assert {type(p) for p in there.cpu().parameters()} == {nn.Parameter}
        with pytest.raises(DeviceError):
            copy.deepcopy(here).to(device)(x)


@pytest.mark.parametrize("change", [nn.Module.double, nn.Module.half])
def test_a_network_there_takes_another_type(change: Callable[[nn.Module], nn.Module]) -> None:
    with elsewhere() as device:
        moved = change(network().to(device))
        kinds = {(p.dtype, p.numbers.dtype) for p in moved.parameters() if isinstance(p, Elsewhere)}
    assert kinds == {(change(network())[0].weight.dtype,) * 2}


def test_a_network_that_is_loaded_there_stays_there() -> None:
    state = network().state_dict()
    with elsewhere() as device:
        there = network().to(device)
        load_strict(there, state, "a file")
        assert {p.device for p in there.parameters()} == {device}
        there(torch.zeros(1, 3, 4, 4, device=device))


def test_a_network_on_the_meta_device_is_loaded_where_the_file_is() -> None:
    with elsewhere(), torch.device("meta"):
        bare = network()
    assert {p.device for p in bare.parameters()} == {torch.device("meta")}
    load_strict(bare, network().state_dict(), "a file")
    assert {p.device for p in bare.parameters()} == {torch.device("cpu")}


def test_it_is_chosen_as_any_device_is() -> None:
    with elsewhere() as device:
        assert choose_device(str(device)) == device == ELSEWHERE


def test_afterwards_all_is_as_before() -> None:
    future = torch.__future__
    with elsewhere():
        assert future.get_overwrite_module_params_on_conversion()
    assert not future.get_overwrite_module_params_on_conversion()
    assert not isinstance(torch.zeros(2, device=ELSEWHERE), Elsewhere)
