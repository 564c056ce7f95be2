"""Tasks: an operator and the noise on its measurements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from invbench.noise import Noise, parse_noise
from invbench.operator import Operator, Shape

if TYPE_CHECKING:
    from invbench.rng import Rng


@dataclass(frozen=True)
class Task(ABC):
    """A named experiment. Subclasses are frozen dataclasses; a benchmark preset fixes their fields.

    ``noise`` is text with a unit: ``gaussian 0.05 [-1,1]``, ``uniform 0.01..0.1 [-1,1]``, ``poisson 1.0``.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    noise: str = "gaussian 0.05 [-1,1]"

    def __post_init__(self) -> None:
        parse_noise(self.noise)

    @final
    @property
    def noise_model(self) -> Noise:
        """The noise as an object."""
        return parse_noise(self.noise)

    @abstractmethod
    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        """The operator for images of this shape; ``rng`` has one generator, for masks and kernels.

        Raises ConfigError where parameters and image size do not fit.
        """
