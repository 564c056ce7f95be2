"""Noise levels with a unit.

Images live in [-1, 1] everywhere inside invbench. The literature states noise levels in two scales that
differ by a factor of two, so a level is a :class:`Sigma` and never a bare number where a user writes one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from invbench.errors import ConfigError, unknown

UNITS = {"[-1,1]": 1.0, "[0,1]": 2.0}  # factor that turns the unit into [-1, 1]


@dataclass(frozen=True)
class Sigma:
    """Standard deviation of noise together with the image range it refers to.

    >>> Sigma(0.05, unit="[0,1]").pm1
    0.1
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ConfigError(unknown("unit of a noise level", self.unit, UNITS))
        if not (math.isfinite(self.value) and self.value >= 0):
            raise ConfigError(f"a noise level must be finite and not negative; got {self.value:g}")

    @property
    def pm1(self) -> float:
        """The level on images in [-1, 1]."""
        return self.value * UNITS[self.unit]

    def on_pm1(self) -> Sigma:
        """The same level, written on [-1, 1]."""
        return Sigma(self.pm1, "[-1,1]")

    @property
    def both(self) -> str:
        """The level in both units, for tables."""
        return f"{self.pm1:g} on [-1,1] = {self.pm1 / 2:g} on [0,1]"

    @classmethod
    def parse(cls, text: str) -> Sigma:
        """Read ``"0.05 [-1,1]"``; a number without its unit is refused."""
        digits, _, unit = str(text).strip().replace("[", " [", 1).partition(" ")
        value = number(digits, "a noise level")
        if not unit.strip():
            raise ConfigError(
                f"noise level {text!r} has no unit; write '{digits} [-1,1]' or '{digits} [0,1]' "
                "(the same number is twice as much noise in the second)"
            )
        return cls(value, unit.replace(" ", ""))

    def __str__(self) -> str:
        return f"{text_of(self.value)} {self.unit}"


def four_digits(level: float) -> Sigma:
    """A level on [-1, 1], rounded."""
    return Sigma(float(f"{level:.4g}"), "[-1,1]")


def text_of(number: float) -> str:
    """The shortest text that parses to the same number."""
    return repr(float(number)).removesuffix(".0")


def number(text: str, what: str) -> float:
    """The number of a text. Raises ConfigError, which says what it should be."""
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{what} must be a number; got {text!r}") from None
