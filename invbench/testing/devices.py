"""Laws of plugins on a device other than the CPU, on machines that have none: :mod:`invbench.testing.elsewhere`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from invbench.testing.elsewhere import DeviceError, elsewhere
from invbench.testing.findings import Fault, expect

SAME = 1e-4  # relative to the largest value: the kernels are the same, though they may be reached on other paths


@contextmanager
def another_device() -> Iterator[torch.device]:
    """A device that is not the CPU. Raises Fault if the body mixes tensors of the two."""
    try:
        with elsewhere() as device:
            yield device
    except DeviceError as error:
        raise Fault(f"expected it to run on any device; got, on another than the CPU: {error}") from error


def same_there(what: str, there: Tensor, here: Tensor, device: torch.device) -> float:
    """How far values differ from the CPU's. Raises Fault if they are not on the device, or differ too much."""
    advice = f"make tensors by {what}.new_zeros or with device={what}.device"
    expect(there.device == device, f"expected {what} on the device of its inputs; got it on the CPU; {advice}")
    return same_values(what, there, here)


def same_values(what: str, there: Tensor, here: Tensor) -> float:
    """How far values differ from the CPU's, whatever their device. Raises Fault if they differ too much."""
    moved, here = there.detach().cpu(), here.detach()
    expect(moved.shape == here.shape, f"expected {what} of shape {tuple(here.shape)}; got {tuple(moved.shape)}")
    finite = moved.isfinite() | here.isfinite()
    difference, scale = (z[finite].abs().amax() if finite.any() else z.new_zeros(()) for z in (moved - here, here))
    off = float(difference / scale.clamp(min=1))
    expect(off <= SAME, f"expected {what} as on the CPU, to {SAME:g}; differs by {off:.1e}; draw from rng alone")
    return off
