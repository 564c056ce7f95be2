"""The common parts of named ADM priors: options, network shape, loading and training."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import Arithmetic, ConfigError, PriorSource, Shape

if TYPE_CHECKING:
    import torch

    from invbench import Training
    from invbench.priors.adm.prior import AdmPrior
    from invbench.priors.adm.unet import UNetConfig

DTYPES = ("float32", "tf32", "bfloat16", "float16")
WIDTH, GROUPS = 32, 8  # time steps of the small networks


class NamedNetwork(PriorSource):
    """An ADM network; ``native_side`` is that of its training images."""

    native_side: ClassVar[int]

    weights: str
    dtype: str

    @abstractmethod
    def config(self) -> UNetConfig:
        """The shape of the network."""

    def refuse(self, x_shape: Shape) -> None:
        config = self.config()
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype of the network must be one of {', '.join(DTYPES)}; got {self.dtype!r}")
        if x_shape[0] != config.in_channels or any(side % config.stride for side in x_shape[1:]):
            raise ConfigError(
                f"this prior takes {config.in_channels}-channel images with sides divisible by {config.stride}; "
                f"got {'x'.join(map(str, x_shape))}"
            )

    @abstractmethod
    def load(self, x_shape: Shape, device: torch.device | str) -> AdmPrior: ...

    def cost(self, x_shape: Shape | None = None) -> Arithmetic | None:
        from invbench.priors.adm.cost import count

        return count(self.config(), x_shape[1] if x_shape else self.native_side)


def form(**fields: Any) -> UNetConfig:
    """The configuration of a network, imported late, since its module needs torch."""
    from invbench.priors.adm.unet import UNetConfig

    return UNetConfig(**fields)


def small(channel_mult: tuple[int, ...], width: int = WIDTH, channels: int = 3) -> UNetConfig:
    """The shape of a network for a CPU: ``width`` channels at its first level, for images of ``channels``."""
    return form(
        channels=width,
        channel_mult=channel_mult,
        num_res_blocks=1,
        attention_factors=(),
        head_channels=16,
        in_channels=channels,
        out_channels=2 * channels,
        groups=GROUPS,
    )


def loaded(config: UNetConfig, path: Path, x_shape: Shape, device: torch.device | str, dtype: str) -> AdmPrior:
    """The network with weights of a file. Raises ConfigError for a precision that the device lacks."""
    import torch

    from invbench.priors.adm.prior import load_adm

    if dtype == "tf32" and torch.device(device).type != "cuda":
        raise ConfigError(f"dtype=tf32 is a precision of GPUs alone; got device {device}; choose dtype=float32")
    return load_adm(config, path, x_shape, device, getattr(torch, "float32" if dtype == "tf32" else dtype))


def trained(source: NamedNetwork, training: Training) -> Path:
    """Train from the source's weights or, if it has none, from random ones; returns the file."""
    from invbench.priors.adm.prior import fresh_adm
    from invbench.priors.adm.training import fit

    x_shape, device = training.images.x_shape, training.device
    if source.weights:
        return fit(source.load(x_shape, device), training)
    return fit(fresh_adm(source.config(), x_shape, device, training.seed), training)
