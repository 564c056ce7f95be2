"""The only place where a device is chosen."""

from __future__ import annotations

import platform

import torch

from invbench.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """``auto`` is the GPU if available, else the CPU. Raises ConfigError for a device that is not available."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} is not available ({reason}); use auto, cpu or cuda") from None
    return device


def describe(device: torch.device) -> str:
    """The device in words: the name of a GPU, or the kind of processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"
