"""The noise models a task can have: ours, and those of plugins."""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from invbench.errors import ConfigError, PluginError, unknown
from invbench.guard import preserved_state, reason_of
from invbench.level import Sigma as Sigma
from invbench.level import four_digits, number, text_of
from invbench.noise_model import Noise as Noise
from invbench.noise_model import PixelNoise as PixelNoise
from invbench.rng import Rng

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GaussianNoise(Noise):
    """y = H x + sigma n, n standard normal; if y is complex, in its real and in its imaginary part."""

    kind: ClassVar[str] = "gaussian"
    sigma: Sigma

    @property
    def sigma_y(self) -> float:
        return self.sigma.pm1

    @property
    def effective(self) -> Sigma:
        return four_digits(self.sigma.pm1)

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
        return four_digits(math.sqrt((low**2 + low * high + high**2) / 3))

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
        return f"uniform {text_of(self.low.value)}..{text_of(self.high.value)} {self.low.unit}"


@dataclass(frozen=True)
class PoissonNoise(PixelNoise):
    """Photon noise: u = clip((Hx + 1)/2, 0, 1), counts Poisson(255 rate u), y mapped back and clipped (DPS).

    Only for measurements that are pixel values on [-1, 1]: clipping would destroy others. Clipping leaves black without
    noise and white with half of it, so in very dark or bright images the truth explains y better than ``std`` says.
    """

    kind: ClassVar[str] = "poisson"
    title: ClassVar[str] = "Poisson noise"
    rate: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ConfigError(f"Poisson noise needs a positive rate; got {self.rate:g}")

    @property
    def sigma_y(self) -> None:
        return None

    @property
    def effective(self) -> Sigma:
        return four_digits(2 * math.sqrt(0.5 / (255 * self.rate)))

    def sample(self, clean: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
        if clean.is_complex():
            raise ConfigError("Poisson noise is of pixel values; got complex measurements; choose Gaussian noise")
        photons = 255 * self.rate * ((clean + 1) / 2).clamp(0, 1)
        y01 = rng.poisson(photons) / (255 * self.rate)
        std = 2 * photons.clamp(min=1).sqrt() / (255 * self.rate)  # at least that of one photon
        return (2 * y01 - 1).clamp(-1, 1), std

    @classmethod
    def from_text(cls, arguments: str) -> PoissonNoise:
        return cls(number(arguments, "the rate of Poisson noise"))

    @property
    def label(self) -> str:
        return f"Poisson noise, rate {self.rate:g}"

    def __str__(self) -> str:
        return f"poisson {float(self.rate)!r}"


OURS: tuple[type[Noise], ...] = (GaussianNoise, UniformSigma, PoissonNoise)


class Offer(NamedTuple):
    """A noise model of a plugin, and the distribution it came with."""

    cls: type[Noise]
    distribution: str
    version: str


@cache
def offered(path: tuple[str, ...]) -> tuple[list[Offer], list[str]]:
    """The noise models of entry points named ``noise_...``, and the reasons why some cannot be used.

    They are looked up only if a text names none of ours, so that records are read without loading plugins. ``path`` is
    where distributions are searched for.
    """
    del path
    offers: list[Offer] = []
    faults = []
    for point in entry_points(group="invbench"):
        if point.name.startswith("noise_"):
            try:
                offers += _offers_of(point)
            except Exception as error:  # a plugin may fail in any way
                faults.append(f"Not loaded: {point.name} ({reason_of(error)})")
    counts = Counter(offer.cls.kind for offer in offers)
    faults += [f"noise model {kind!r} is offered twice; uninstall one" for kind, n in counts.items() if n > 1]
    return [offer for offer in offers if counts[offer.cls.kind] == 1], faults


def _offers_of(point: EntryPoint) -> list[Offer]:
    """The noise models of an entry point."""
    origin = (point.dist.name, point.dist.version) if point.dist else ("(no distribution)", "0")
    with preserved_state(importing=True):
        return [Offer(cls, *origin) for cls in models_of(point.load())]


def models_of(module: ModuleType) -> list[type[Noise]]:
    """The noise models that a plugin's module offers. Raises PluginError for anything else."""
    hook = getattr(module, "invbench_register_noises", None)
    models = list(hook()) if hook else []
    for cls in models:
        if not (isinstance(cls, type) and issubclass(cls, Noise)) or inspect.isabstract(cls):
            raise PluginError(f"expected a subclass of invbench.Noise that defines all of it; got {cls!r}")
        if not re.fullmatch("[a-z][a-z0-9_]*", getattr(cls, "kind", "")) or cls.kind in {each.kind for each in OURS}:
            raise PluginError(
                f"noise model {cls.__name__} needs a kind of its own, of small letters; its texts begin so"
            )
    return models


def origin_of(noise: Noise) -> set[tuple[str, str]]:
    """Distribution and version of the plugin that a noise model came with; empty for our own."""
    if isinstance(noise, OURS):
        return set()
    return {(offer.distribution, offer.version) for offer in offered(tuple(sys.path))[0] if type(noise) is offer.cls}


def parse_noise(text: str) -> Noise:
    """Read a noise model.

    >>> parse_noise("gaussian 0.05 [0,1]").sigma_y
    0.1
    >>> str(parse_noise("uniform 0.01..0.1 [-1,1]"))
    'uniform 0.01..0.1 [-1,1]'
    """
    kind, _, arguments = str(text).strip().partition(" ")
    kinds: dict[str, type[Noise]] = {each.kind: each for each in OURS}
    faults: list[str] = []
    if kind not in kinds:
        offers, faults = offered(tuple(sys.path))
        kinds |= {offer.cls.kind: offer.cls for offer in offers}
    if kind not in kinds:
        usage = "write 'gaussian 0.05 [-1,1]', 'uniform 0.01..0.1 [-1,1]' or 'poisson 1.0'"
        if kind.replace(".", "").isdigit():
            raise ConfigError(f"noise {text!r} has no model and no unit; {usage}")
        raise ConfigError(f"{unknown('noise model', kind, kinds)}; {usage}" + "".join(f". {each}" for each in faults))
    return kinds[kind].from_text(arguments)


def canonical(text: str) -> str:
    """The canonical text of a noise model, independent of unit and spacing.

    >>> canonical("gaussian 0.05  [0, 1]"), canonical("poisson 1")
    ('gaussian 0.1 [-1,1]', 'poisson 1.0')
    """
    return str(parse_noise(text).on_pm1())
