"""Per-image metrics. A number is comparable only within its protocol, so every metric names its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from invbench.operator import Operator, Shape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Measurement:
    """A batch of measured images: the truth x, y = A(x) + noise, the noise's true std, and SHA-256 of each y."""

    images: tuple[str, ...]
    x: Tensor  # (B, C, H, W)
    y: Tensor  # (B, *y_shape)
    std: Tensor  # broadcastable to y
    sha256: tuple[str, ...]
    A: Operator


class Metric(ABC):
    """A number per image.

    ``protocol`` states everything the number depends on (range, colour handling, clipping, quantisation);
    numbers of different protocols never share a column.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    protocol: ClassVar[str]
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool | None]  # None: nearest to a target is best

    def unavailable(self, x_shape: Shape) -> str | None:
        """Why the metric has no value for images of this shape; None if it has."""
        del x_shape
        return None

    @abstractmethod
    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B,)."""
