"""High dynamic range: a scene brighter than the sensor can hold, cut off at black and white."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from invbench import ConfigError, Operator, Rng, Shape, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


class Clip(Operator):
    """y = clip(gain x, -1, 1). The gradient is zero where y is cut off."""

    def __init__(self, x_shape: Shape, gain: float) -> None:
        """For images of shape (C, H, W)."""
        self.x_shape = self.y_shape = x_shape
        self.gain = gain

    def _A(self, x: Tensor) -> Tensor:
        return (self.gain * x).clamp(-1, 1)

    def guess(self, y: Tensor) -> Tensor:
        return y / self.gain


@dataclass(frozen=True)
class HDR(Task):
    """y = clip(gain x, -1, 1), as in RED-diff: with ``gain`` 2, only mid-tones in [-0.5, 0.5] are measured.

    The noise is added after the cut, so that y can leave [-1, 1]. The initial estimate is y / gain.
    """

    name: ClassVar[str] = "hdr"
    summary: ClassVar[str] = "overexposed and cut off (nonlinear)"
    gain: float = 2.0

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        if not 0 < self.gain < math.inf:
            raise ConfigError(f"hdr: gain must be positive and finite; got {self.gain}")
        return Clip(x_shape, self.gain)


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [HDR]
