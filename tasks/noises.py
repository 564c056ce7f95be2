"""Noise that is not independent and Gaussian: speckle, quantisation, correlated noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from invbench import ConfigError, Noise, Operator, PixelNoise, Rng, Sigma, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

DARKEST = 1 / 255  # of white: speckle of black is none, and metrics divide by its deviation


@dataclass(frozen=True)
class Speckle(PixelNoise):
    """Speckle of coherent light or radar over L ``looks``: u = (Hx + 1)/2, y of u times Gamma(L, 1/L), of mean 1.

    Its standard deviation is u / sqrt(L), that of y on [-1, 1] twice that. y is not clipped, so that its mean is H x.
    """

    kind: ClassVar[str] = "speckle"
    title: ClassVar[str] = "speckle"
    looks: int

    def __post_init__(self) -> None:
        if not 1 <= self.looks <= 1000:
            raise ConfigError(f"speckle needs 1 to 1000 looks, a whole number; got {self.looks}")

    @property
    def sigma_y(self) -> None:
        return None

    @property
    def effective(self) -> Sigma:
        return Sigma(float(f"{1 / math.sqrt(self.looks):.4g}"), "[-1,1]")

    def sample(self, clean: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        u = ((clean + 1) / 2).clamp(min=0)
        exponentials = [-(-rng.rand(tuple(u.shape[1:]))).log1p() for _ in range(self.looks)]
        factor = (sum(exponentials[1:], exponentials[0]) / self.looks).to(u)
        return 2 * u * factor - 1, 2 * u.clamp(min=DARKEST) / math.sqrt(self.looks)

    @classmethod
    def from_text(cls, arguments: str) -> Speckle:
        return cls(whole(arguments, "speckle", "looks, as 'speckle 16'"))

    @property
    def label(self) -> str:
        return f"Speckle, {self.looks} looks"

    def __str__(self) -> str:
        return f"speckle {self.looks}"


@dataclass(frozen=True)
class Quantised(PixelNoise):
    """y is H x rounded to the nearest of 2^``bits`` levels, even from -1 to 1, and clipped to them.

    The error lies within half a step, 1 / (2^bits - 1), and ``std`` is that of a uniform one, step / sqrt(12).
    """

    kind: ClassVar[str] = "quantised"
    title: ClassVar[str] = "quantisation"
    bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 16:
            raise ConfigError(f"quantisation needs 1 to 16 bits; got {self.bits}")

    @property
    def step(self) -> float:
        """From one level to the next."""
        return 2 / (2**self.bits - 1)

    @property
    def sigma_y(self) -> None:
        return None

    @property
    def effective(self) -> Sigma:
        return Sigma(float(f"{self.step / math.sqrt(12):.4g}"), "[-1,1]")

    def sample(self, clean: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        del rng
        y = ((clean.clamp(-1, 1) + 1) / self.step).round() * self.step - 1
        return y, clean.new_full((len(clean),) + (1,) * (clean.ndim - 1), self.step / math.sqrt(12))

    @classmethod
    def from_text(cls, arguments: str) -> Quantised:
        return cls(whole(arguments, "quantised", "bits, as 'quantised 4'"))

    @property
    def label(self) -> str:
        return f"Quantised to {self.bits} bits"

    def __str__(self) -> str:
        return f"quantised {self.bits}"


@dataclass(frozen=True)
class Correlated(Noise):
    """Gaussian noise of standard deviation ``sigma``, smooth over ``length`` pixels: white noise after a Gaussian blur.

    The blur is periodic and of standard deviation ``length``: noise d pixels apart has correlation exp(-d^2 / 4
    length^2). Of measurements that are images, (..., H, W); of complex ones, each part. Solvers, which take noise for
    white, are not given the level.
    """

    kind: ClassVar[str] = "correlated"
    sigma: Sigma
    length: float

    def __post_init__(self) -> None:
        if not 0 < self.length <= 100:
            raise ConfigError(f"correlated noise needs a length above 0, of at most 100 pixels; got {self.length:g}")

    @property
    def sigma_y(self) -> None:
        return None

    @property
    def effective(self) -> Sigma:
        return Sigma(float(f"{self.sigma.pm1:.4g}"), "[-1,1]")

    def refuse(self, A: Operator, task: str) -> None:
        if len(A.y_shape) < 3:
            raise ConfigError(
                f"task {task}: correlated noise is of images, (C, H, W); the measurements of {type(A).__name__} have "
                f"shape {tuple(A.y_shape)}, without neighbours; choose Gaussian noise, as 'gaussian 0.05 [-1,1]'"
            )

    def sample(self, clean: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        import torch

        rows, cols = (torch.fft.fftfreq(side, device=clean.device).double() for side in clean.shape[-2:])
        gain = (-2 * math.pi**2 * self.length**2 * (rows[:, None] ** 2 + cols**2)).exp()
        gain = gain / gain.square().mean().sqrt()
        white = rng.randn_like(clean).to(torch.complex128)
        smooth = torch.fft.ifft2(torch.fft.fft2(white) * gain)
        noise = (smooth if clean.is_complex() else smooth.real).to(clean.dtype)
        std = clean.real.new_full((len(clean),) + (1,) * (clean.ndim - 1), self.sigma.pm1)
        return clean + self.sigma.pm1 * noise, std

    @classmethod
    def from_text(cls, arguments: str) -> Correlated:
        level, _, length = arguments.strip().rpartition(" ")
        try:
            return cls(Sigma.parse(level), float(length))
        except ValueError:
            raise ConfigError(
                f"correlated noise is written 'correlated 0.1 [-1,1] 2', its length in pixels; got {arguments!r}"
            ) from None

    @property
    def label(self) -> str:
        return f"Gaussian noise correlated over {self.length:g} pixels, sigma {self.sigma.both}"

    def on_pm1(self) -> Correlated:
        return Correlated(self.sigma.on_pm1(), self.length)

    def __str__(self) -> str:
        return f"correlated {self.sigma} {float(self.length)!r}"


def whole(text: str, kind: str, what: str) -> int:
    """A whole number. Raises ConfigError."""
    if not text.strip().isdecimal():
        raise ConfigError(f"{kind} needs a whole number of {what}; got {text!r}")
    return int(text)


@hookimpl
def invbench_register_noises() -> list[type[Noise]]:
    return [Speckle, Quantised, Correlated]
