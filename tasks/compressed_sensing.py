"""Compressed sensing with a subsampled Walsh-Hadamard transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import invbench as ib
from invbench import ConfigError, Operator, Rng, Shape, Task, hookimpl


@dataclass(frozen=True)
class CompressedSensing(Task):
    """A random 1 / ``ratio`` of the Walsh-Hadamard coefficients, the same in every channel and image."""

    name: ClassVar[str] = "cs4"
    summary: ClassVar[str] = "a quarter of the Walsh-Hadamard coefficients"
    ratio: int = 4

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        _, H, W = x_shape
        if not 1 <= self.ratio <= H * W:
            raise ConfigError(f"cs4: ratio must be between 1 and the number of pixels {H * W}; got {self.ratio}")
        return ib.Hadamard(x_shape, rng.permutation(H * W)[0], H * W // self.ratio)


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [CompressedSensing]
