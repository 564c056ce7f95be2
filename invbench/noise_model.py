"""What a noise model is, ours or a plugin's."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from invbench.errors import ConfigError
from invbench.level import Sigma
from invbench.rng import Rng

if TYPE_CHECKING:
    from torch import Tensor

    from invbench.operator import Operator, Shape

REACH = 1.15  # of |H x| up to which measurements count as pixel values: truncated blurs ring a little


class Noise(ABC):
    """The noise model of a measurement. Written and stored as text, e.g. ``gaussian 0.05 [-1,1]``.

    Subclasses are frozen dataclasses, ``kind`` is the first word of the text, and ``str`` of one is a text that
    ``from_text`` of the rest reads back.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def sigma_y(self) -> float | None:
        """Gaussian level on [-1, 1] that a solver may be given; None if the experiment hides it."""

    @property
    @abstractmethod
    def effective(self) -> Sigma:
        """Root mean square of the noise on [-1, 1], averaged over drawn levels, or at mid-grey; to four digits."""

    @abstractmethod
    def sample(self, clean: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        """Draw y given H x: (B, *y_shape) -> y and its true standard deviation, real and broadcastable to y.

        For complex measurements it is the deviation of the real part, and of the imaginary part.
        """

    def refuse(self, A: Operator, task: str) -> None:
        """Raise ConfigError if this noise has no meaning on measurements by ``A``; most noise models apply to all."""
        del A, task

    @classmethod
    @abstractmethod
    def from_text(cls, arguments: str) -> Noise:
        """Read the text after the kind."""

    @property
    @abstractmethod
    def label(self) -> str:
        """One phrase for tables and captions."""

    def on_pm1(self) -> Noise:
        """The same noise, its levels written on [-1, 1]."""
        return self


class PixelNoise(Noise):
    """Noise that is defined only for measurements that are pixel values on [-1, 1]."""

    title: ClassVar[str]  # as sentences about it begin

    def refuse(self, A: Operator, task: str) -> None:
        """Raise ConfigError if H x is complex, or leaves [-1, 1] for images within [-1, 1]."""
        clean = A(_extreme_images(A.x_shape))
        reach = math.inf if clean.is_complex() else float(clean.abs().max())
        if not reach <= REACH:
            nature = "complex" if clean.is_complex() else f"as large as {reach:.3g}"
            raise ConfigError(
                f"task {task}: {self.title} is of pixel values on [-1,1], which the measurements of "
                f"{type(A).__name__} are not: they are {nature}; choose Gaussian noise, for example "
                "task.noise='gaussian 0.05 [-1,1]'"
            )


def _extreme_images(x_shape: Shape) -> Tensor:
    """White, black, half white and half black, and two of random black and white pixels: (5, *x_shape)."""
    import torch

    white = torch.ones(1, *x_shape)
    half = white.clone()
    half[..., : x_shape[-2] // 2, :] = -1
    random = Rng.for_images(["a", "b"], purpose="extreme images").rand(x_shape).round()
    return torch.cat([white, -white, half, 2 * random - 1])
