"""Tasks: an operator and the noise on its measurements."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

from invbench.artifacts import existing
from invbench.noise import Noise, parse_noise
from invbench.operator import PRECISIONS, Operator, Shape

if TYPE_CHECKING:
    from invbench.rng import Rng


@dataclass(frozen=True)
class Task(ABC):
    """A named experiment. Subclasses are frozen dataclasses; a benchmark preset fixes their fields.

    ``noise`` is text with a unit: ``gaussian 0.05 [-1,1]``, ``uniform 0.01..0.1 [-1,1]``, ``poisson 1.0``.
    ``places`` names the options that are files: a cell's identity has the SHA-256 of their content, not their names.
    ``precisions`` are those of x that its operator claims; runs are in float32, and ``invbench check`` tests bfloat16
    where it is claimed.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    places: ClassVar[tuple[str, ...]] = ()
    precisions: ClassVar[tuple[str, ...]] = PRECISIONS
    noise: str = "gaussian 0.05 [-1,1]"

    def __post_init__(self) -> None:
        parse_noise(self.noise)

    @final
    @property
    def noise_model(self) -> Noise:
        """The noise as an object."""
        return parse_noise(self.noise)

    def fingerprint(self) -> str:
        """SHA-256 of what determines the operator besides the options; it is a part of the cell's identity.

        Here that of the files that ``places`` names; "" if none is given. Raises DataError if one is absent.
        """
        files = [existing(path) for path in (getattr(self, key) for key in self.places) if path]
        return hashlib.sha256(b"".join(map(Path.read_bytes, files))).hexdigest() if files else ""

    @abstractmethod
    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        """The operator for images of this shape; ``rng`` has one generator, for masks and kernels.

        Raises ConfigError if parameters and image size do not fit.
        """
