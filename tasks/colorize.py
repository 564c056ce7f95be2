"""Colorization: only the mean of the channels is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import invbench as ib
from invbench import Operator, Rng, Shape, Task, hookimpl


@dataclass(frozen=True)
class Colorize(Task):
    """y = 0.3333 R + 0.3334 G + 0.3333 B (the reference codes' weights)."""

    name: ClassVar[str] = "colorize"
    summary: ClassVar[str] = "one grey channel"

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        import torch

        del rng
        return ib.ChannelMix(x_shape, torch.tensor([0.3333, 0.3334, 0.3333]))


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [Colorize]
