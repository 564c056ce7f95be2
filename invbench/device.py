"""The only place where a device is chosen."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from invbench.errors import ConfigError


def choose_device(name: str, worker: int | None = None) -> torch.device:
    """The device of that name; ``auto`` is the GPU if available, else the CPU. Raises ConfigError if not available.

    If there are several GPUs and the name chooses none, numbered workers take them in turn, one each.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and worker is not None and (count := torch.cuda.device_count()) > 1:
        name = f"cuda:{worker % count}"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} is not available ({reason}); use auto, cpu or cuda") from None
    return device


def refuse_precision(name: str, device: torch.device) -> None:
    """Raise ConfigError for a precision that the device does not have."""
    if name == "tf32" and device.type != "cuda":
        raise ConfigError(f"dtype=tf32 is a precision of NVIDIA GPUs; got device={device}; choose dtype=float32")


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """IEEE float32 in the body, except for convolutions if ``precision`` is "tf32"; restored afterwards.

    By default torch lets a GPU convolve float32 in TF32, which has 10 bits of mantissa.
    """
    cudnn, matmul = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = cudnn
        torch.set_float32_matmul_precision(matmul)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies in bfloat16; elsewhere it is emulated, many times slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # of torch.cpu, not all in its older releases
    return any(getattr(torch.cpu, name, bool)() for name in names)


def describe(device: torch.device) -> str:
    """The device as text: the name of the GPU, or the kind of processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"
