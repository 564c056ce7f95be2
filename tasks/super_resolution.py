"""Super-resolution. Papers mean two operators by "SR x4": block means (DDRM, DDNM, DAVI) and bicubic (DPS, DiffPIR)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import invbench as ib
from invbench import ConfigError, Operator, Rng, Shape, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SuperResolution(Task):
    """y is the mean of each factor x factor block (``sr4x_avgpool`` in DAVI)."""

    name: ClassVar[str] = "sr4"
    summary: ClassVar[str] = "mean of each 4x4 block"
    factor: int = 4

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        return ib.BlockMean(x_shape, self.factor)


@dataclass(frozen=True)
class BicubicSuperResolution(Task):
    """Antialiased bicubic reduction (Keys, a = -0.5, 4 x factor taps) with symmetric boundary, as in DDRM's SRConv."""

    name: ClassVar[str] = "sr4_bicubic"
    summary: ClassVar[str] = "bicubic reduction by 4"
    factor: int = 4

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        _, H, W = x_shape
        if self.factor < 2 or H % self.factor or W % self.factor:
            raise ConfigError(f"sr4_bicubic: image sides must be divisible by factor={self.factor}; got {H}x{W}")
        return ib.Separable(x_shape, bicubic_matrix(H, self.factor), bicubic_matrix(W, self.factor))


def bicubic_taps(factor: int) -> Tensor:
    """The 4 x factor weights of one output pixel, normalised, float64."""
    import torch

    d = ((torch.arange(4 * factor, dtype=torch.float64) + 0.5) / factor - 2).abs()
    near, far = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2  # Keys cubic, a = -0.5
    taps = torch.where(d <= 1, near, far)
    return taps / taps.sum()


def bicubic_matrix(n: int, factor: int) -> Tensor:
    """(n / factor, n) float64: one axis of the reduction, reflected at the border (-1 -> 0)."""
    import torch

    taps, rows = bicubic_taps(factor), n // factor
    first = factor * torch.arange(rows)[:, None] + factor // 2 - 2 * factor
    cols = first + torch.arange(4 * factor)
    cols = (cols % (2 * n)).where(cols % (2 * n) < n, 2 * n - 1 - cols % (2 * n))
    return torch.zeros(rows, n, dtype=torch.float64).scatter_add_(1, cols, taps.expand(rows, -1).contiguous())


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [SuperResolution, BicubicSuperResolution]
