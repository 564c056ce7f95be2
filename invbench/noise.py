"""Noise levels with a unit, and the noise models a task can have.

Images live in [-1, 1] everywhere inside invbench. The literature states noise levels in two scales that
differ by a factor of two, so a level is a :class:`Sigma` and never a bare number where a user writes one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from invbench.errors import ConfigError, unknown
from invbench.rng import Rng

if TYPE_CHECKING:
    from torch import Tensor

    from invbench.operator import Operator, Shape

UNITS = {"[-1,1]": 1.0, "[0,1]": 2.0}  # factor that turns the unit into [-1, 1]
REACH = 1.15  # of |H x| up to which measurements count as pixel values: truncated blurs ring a little


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
        number, _, unit = str(text).strip().partition(" ")
        value = _number(number, "a noise level")
        if not unit.strip():
            raise ConfigError(
                f"noise level {text!r} has no unit; write '{number} [-1,1]' or '{number} [0,1]' "
                "(the same number is twice as much noise in the second)"
            )
        return cls(value, unit.replace(" ", ""))

    def __str__(self) -> str:
        return f"{_text(self.value)} {self.unit}"


class Noise(ABC):
    """The noise model of a measurement. Written and stored as text, e.g. ``gaussian 0.05 [-1,1]``."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def sigma_y(self) -> float | None:
        """Gaussian level on [-1, 1] that a solver may be given; None where the experiment hides it."""

    @property
    @abstractmethod
    def effective(self) -> Sigma:
        """Root mean square of the noise on [-1, 1], over drawn levels; of photons, at mid-grey. To four digits."""

    @abstractmethod
    def sample(self, clean: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        """Draw y given H x: (B, *y_shape) -> y and its true standard deviation, real and broadcastable to y.

        Of complex measurements it is that of the real and of the imaginary part, each.
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


@dataclass(frozen=True)
class GaussianNoise(Noise):
    """y = H x + sigma n, n standard normal; of complex y, its real and its imaginary part each."""

    kind: ClassVar[str] = "gaussian"
    sigma: Sigma

    @property
    def sigma_y(self) -> float:
        return self.sigma.pm1

    @property
    def effective(self) -> Sigma:
        return _four_digits(self.sigma.pm1)

    def sample(self, clean: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        std = clean.real.new_full((len(clean),) + (1,) * (clean.ndim - 1), self.sigma.pm1)
        return clean + std * rng.randn_like(clean), std

    @classmethod
    def from_text(cls, arguments: str) -> GaussianNoise:
        return cls(Sigma.parse(arguments))

    @property
    def label(self) -> str:
        return f"Gaussian noise, sigma {self.sigma.both}"

    def on_pm1(self) -> GaussianNoise:
        return GaussianNoise(self.sigma.on_pm1())

    def __str__(self) -> str:
        return f"gaussian {self.sigma}"


@dataclass(frozen=True)
class UniformSigma(Noise):
    """Gaussian noise whose level is drawn uniformly per image and hidden from the solver (DAVI, Table 3)."""

    kind: ClassVar[str] = "uniform"
    low: Sigma
    high: Sigma

    def __post_init__(self) -> None:
        if self.low.pm1 > self.high.pm1:
            raise ConfigError(f"uniform noise needs low <= high; got {self.low} and {self.high}")

    @property
    def sigma_y(self) -> None:
        return None

    @property
    def effective(self) -> Sigma:
        low, high = self.low.pm1, self.high.pm1
        return _four_digits(math.sqrt((low**2 + low * high + high**2) / 3))

    def sample(self, clean: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        share = rng.rand(()).to(clean.real)
        std = self.low.pm1 + (self.high.pm1 - self.low.pm1) * share
        std = std.reshape((-1,) + (1,) * (clean.ndim - 1))
        return clean + std * rng.randn_like(clean), std

    @classmethod
    def from_text(cls, arguments: str) -> UniformSigma:
        levels, _, unit = arguments.strip().partition(" ")
        low, dots, high = levels.partition("..")
        if not dots:
            raise ConfigError(f"uniform noise is written 'uniform 0.01..0.1 [-1,1]'; got {arguments!r}")
        return cls(Sigma.parse(f"{low} {unit}"), Sigma.parse(f"{high} {unit}"))

    @property
    def label(self) -> str:
        return f"Gaussian noise, sigma uniform in {self.low.pm1:g}..{self.high.pm1:g} on [-1,1], hidden"

    def on_pm1(self) -> UniformSigma:
        return UniformSigma(self.low.on_pm1(), self.high.on_pm1())

    def __str__(self) -> str:
        return f"uniform {_text(self.low.value)}..{_text(self.high.value)} {self.low.unit}"


@dataclass(frozen=True)
class PoissonNoise(Noise):
    """Photon noise: u = clip((Hx + 1)/2, 0, 1), counts Poisson(255 rate u), y mapped back and clipped (DPS).

    For measurements that are pixel values on [-1, 1]; of others, clipping would destroy them. Black gets no noise and
    white half of it, so that where there is much of either the truth explains y better than ``std`` says.
    """

    kind: ClassVar[str] = "poisson"
    rate: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ConfigError(f"Poisson noise needs a positive rate; got {self.rate:g}")

    @property
    def sigma_y(self) -> None:
        return None

    @property
    def effective(self) -> Sigma:
        return _four_digits(2 * math.sqrt(0.5 / (255 * self.rate)))

    def refuse(self, A: Operator, task: str) -> None:
        """Raise ConfigError where H x is complex, or where it leaves [-1, 1] for images that do not."""
        clean = A(_extreme_images(A.x_shape))
        reach = math.inf if clean.is_complex() else float(clean.abs().max())
        if not reach <= REACH:
            nature = "complex" if clean.is_complex() else f"as large as {reach:.3g}"
            raise ConfigError(
                f"task {task}: Poisson noise is of pixel values on [-1,1], which the measurements of "
                f"{type(A).__name__} are not: they are {nature}; choose Gaussian noise, as task.noise='gaussian 0.05 "
                "[-1,1]'"
            )

    def sample(self, clean: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        if clean.is_complex():
            raise ConfigError("Poisson noise is of pixel values; got complex measurements; choose Gaussian noise")
        photons = 255 * self.rate * ((clean + 1) / 2).clamp(0, 1)
        y01 = rng.poisson(photons) / (255 * self.rate)
        std = 2 * photons.clamp(min=1).sqrt() / (255 * self.rate)  # at least that of one photon
        return (2 * y01 - 1).clamp(-1, 1), std

    @classmethod
    def from_text(cls, arguments: str) -> PoissonNoise:
        return cls(_number(arguments, "the rate of Poisson noise"))

    @property
    def label(self) -> str:
        return f"Poisson noise, rate {self.rate:g}"

    def __str__(self) -> str:
        return f"poisson {float(self.rate)!r}"


def _extreme_images(x_shape: Shape) -> Tensor:
    """White, black, half white and half black, and two of random black and white pixels: (5, *x_shape)."""
    import torch

    white = torch.ones(1, *x_shape)
    half = white.clone()
    half[..., : x_shape[-2] // 2, :] = -1
    random = Rng.for_images(["a", "b"], purpose="extreme images").rand(x_shape).round()
    return torch.cat([white, -white, half, 2 * random - 1])


def parse_noise(text: str) -> Noise:
    """Read a noise model.

    >>> parse_noise("gaussian 0.05 [0,1]").sigma_y
    0.1
    >>> str(parse_noise("uniform 0.01..0.1 [-1,1]"))
    'uniform 0.01..0.1 [-1,1]'
    """
    kinds: dict[str, type[Noise]] = {c.kind: c for c in (GaussianNoise, UniformSigma, PoissonNoise)}
    kind, _, arguments = str(text).strip().partition(" ")
    if kind not in kinds:
        usage = "write 'gaussian 0.05 [-1,1]', 'uniform 0.01..0.1 [-1,1]' or 'poisson 1.0'"
        if kind.replace(".", "").isdigit():
            raise ConfigError(f"noise {text!r} has no model and no unit; {usage}")
        raise ConfigError(f"{unknown('noise model', kind, kinds)}; {usage}")
    return kinds[kind].from_text(arguments)


def canonical(text: str) -> str:
    """The canonical text of a noise model, independent of unit and spacing.

    >>> canonical("gaussian 0.05  [0, 1]"), canonical("poisson 1")
    ('gaussian 0.1 [-1,1]', 'poisson 1.0')
    """
    return str(parse_noise(text).on_pm1())


def _four_digits(level: float) -> Sigma:
    return Sigma(float(f"{level:.4g}"), "[-1,1]")


def _text(number: float) -> str:
    """The shortest text that parses to the same number."""
    return repr(float(number)).removesuffix(".0")


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{what} must be a number; got {text!r}") from None
