"""Inpainting: some pixels are missing. Only kept pixels are measured, y (C, k)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import invbench as ib
from invbench import ConfigError, Operator, Rng, Shape, Task, hookimpl


@dataclass(frozen=True)
class InpaintBox(Task):
    """A centred square of side ``box`` pixels is missing (DAVI: 128 of 256)."""

    name: ClassVar[str] = "inpaint"
    summary: ClassVar[str] = "a centred square is missing"
    box: int = 128

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        import torch

        del rng
        _, H, W = x_shape
        if not 1 <= self.box < min(H, W):
            raise ConfigError(f"inpaint: the box must be smaller than the image; got box={self.box} on {H}x{W}")
        keep = torch.ones(H, W, dtype=torch.bool)
        top, left = (H - self.box) // 2, (W - self.box) // 2
        keep[top : top + self.box, left : left + self.box] = False
        return ib.Selection(x_shape, keep.flatten().nonzero()[:, 0])


@dataclass(frozen=True)
class InpaintRandom(Task):
    """A random share ``missing`` of the pixels is missing, the same pixels in every image of a cell."""

    name: ClassVar[str] = "inpaint_random"
    summary: ClassVar[str] = "random pixels are missing"
    missing: float = 0.5

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        _, H, W = x_shape
        k = H * W - round(self.missing * H * W) if 0 < self.missing < 1 else 0
        if not 1 <= k < H * W:
            raise ConfigError(f"inpaint_random: 'missing' must leave some pixels and take some; got {self.missing}")
        return ib.Selection(x_shape, rng.permutation(H * W)[0, :k].sort().values)


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [InpaintBox, InpaintRandom]
