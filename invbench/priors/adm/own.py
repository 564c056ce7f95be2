"""A user's own ADM network: trained from random weights, of any width, on images of 1 to 4 channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import (
    Arithmetic,
    ConfigError,
    DataError,
    Shape,
    TrainablePrior,
    existing,
    refuse_channels,
    weights_sha256,
)
from invbench.priors.adm.network import GROUPS, WIDTH, NamedNetwork, loaded, small, trained
from invbench.priors.adm.options import AdmOptions

if TYPE_CHECKING:
    import torch

    from invbench import Training
    from invbench.priors.adm.prior import AdmPrior
    from invbench.priors.adm.unet import UNetConfig

FORM = ("channels", "width")  # entries of the weights' metadata that describe the network


@dataclass(frozen=True)
class AdmOwn(NamedNetwork, TrainablePrior):
    """A network of your own, trained from random weights on your images of 1 to 4 channels, any size divisible by 4.

    It has the architecture of adm_photos with another ``width``, the channels of its first level: a multiple of 8, at
    least 16. A width of 32 has 1.3M parameters, 64 four times as many. In a training, ``channels`` defaults to those of
    the images and ``width`` to 32; ``weights`` is a file to start from. The file of weights records channels and width,
    so that a run needs only ``weights``; for a file without them, give both.
    """

    name: ClassVar[str] = "adm_own"
    summary: ClassVar[str] = "small ADM of your own images, of 1 to 4 channels: train it, then prior.weights=FILE"
    options: ClassVar[type[AdmOptions]] = AdmOptions
    native_side: ClassVar[int] = 64
    weights: str = ""
    channels: int | None = None
    width: int | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        _refuse_form(self.channels, self.width)

    def for_images(self, x_shape: Shape) -> AdmOwn:
        channels, width = self._form() if self.weights else (self.channels or x_shape[0], self.width or WIDTH)
        return replace(self, channels=channels, width=width)

    def config(self) -> UNetConfig:
        channels, width = self._form()
        return small((1, 2, 2), width, channels)

    def refuse(self, x_shape: Shape) -> None:
        refuse_channels(self._form()[0], x_shape)
        super().refuse(x_shape)

    def load(self, x_shape: Shape, device: torch.device | str) -> AdmPrior:
        self.refuse(x_shape)
        return loaded(self.config(), self._file(), x_shape, device, self.dtype)

    def fingerprint(self) -> str:
        return weights_sha256(self._file())

    def cost(self, x_shape: Shape | None = None) -> Arithmetic | None:
        unknown = not self.weights and None in (self.channels, self.width)
        return None if unknown else super().cost(x_shape)

    def fit(self, training: Training) -> Path:
        return trained(self.for_images(training.images.x_shape), training)

    def _file(self) -> Path:
        """The weights. Raises DataError, with the command of a training, where none are named."""
        if not self.weights:
            raise DataError(
                "prior=adm_own has no weights: train some with 'invbench train prior=adm_own dataset=arrays "
                "dataset.root=FOLDER', and name them as prior.weights=FILE"
            )
        return existing(self.weights)

    def _form(self) -> tuple[int, int]:
        """Channels and width, as given or as the weights record them. Raises DataError if both are missing.

        Raises ConfigError if the two differ.
        """
        own_values = self.channels, self.width
        recorded = _recorded(self._file()) if self.weights or None in own_values else {}
        channels, width = (
            _agreed(key, value, recorded, self.weights) for key, value in zip(FORM, own_values, strict=True)
        )
        _refuse_form(channels, width)
        return channels, width


def _refuse_form(channels: int | None, width: int | None) -> None:
    """Raise ConfigError for an impossible network; values that are not given are not checked."""
    if channels is not None and not 1 <= channels <= 4:
        raise ConfigError(f"prior.channels must be from 1 to 4; got {channels}")
    if width is not None and (width < 2 * GROUPS or width % GROUPS):
        raise ConfigError(f"prior.width must be a multiple of {GROUPS}, at least {2 * GROUPS}; got {width}")


def _recorded(path: Path) -> dict[str, int]:
    """Channels and width in the weights' metadata; empty if it has none."""
    prior = _card(path, weights_sha256(path)).get("prior")
    options = prior if isinstance(prior, dict) else {}
    return {key: options[key] for key in FORM if type(options.get(key)) is int}


@lru_cache(maxsize=4)
def _card(path: Path, _sha256: str) -> dict[str, Any]:
    """The metadata of a prior's weights, read again if the file changes. Raises DataError if they are a solver's."""
    from invbench.priors.adm.prior import card_of

    return card_of(path)


def _agreed(key: str, value: int | None, recorded: Mapping[str, int], weights: str) -> int:
    """A number that is given or recorded. Raises DataError if it is neither, ConfigError if the two differ."""
    value = recorded.get(key) if value is None else value
    if value is None:
        raise DataError(f"{weights} does not say the {key} of its network; give prior.channels and prior.width")
    if (there := recorded.get(key, value)) != value:
        raise ConfigError(f"prior.{key}={value}, but the network in {weights} has {key}={there}; leave prior.{key} out")
    return value
