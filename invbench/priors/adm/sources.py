"""ADM networks as named priors: the small one that ships, and the two published 256 x 256 checkpoints."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import (
    Arithmetic,
    Artifact,
    ConfigError,
    Prior,
    PriorSource,
    Shape,
    TrainablePrior,
    existing,
    hookimpl,
    locate,
    weights_sha256,
)
from invbench.priors.adm.options import AdmOptions

DTYPES = ("float32", "tf32", "bfloat16", "float16")

if TYPE_CHECKING:
    import torch

    from invbench import Training
    from invbench.priors.adm.prior import AdmPrior
    from invbench.priors.adm.unet import UNetConfig


class _Network(PriorSource):
    """An ADM network; ``native_side`` is that of its training images."""

    native_side: ClassVar[int]

    dtype: str

    @staticmethod
    @abstractmethod
    def config() -> UNetConfig:
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

    def cost(self, x_shape: Shape | None = None) -> Arithmetic:
        from invbench.priors.adm.cost import count

        return count(self.config(), x_shape[1] if x_shape else self.native_side)


@dataclass(frozen=True)
class _Published(_Network):
    """A network whose weights are downloaded."""

    weights: str = ""
    dtype: str = "float32"

    def load(self, x_shape: Shape, device: torch.device | str) -> Prior:
        self.refuse(x_shape)
        return _load(self.config(), locate(self.artifacts[0], self.weights), x_shape, device, self.dtype)

    def fingerprint(self) -> str:
        return weights_sha256(locate(self.artifacts[0], self.weights))


@dataclass(frozen=True)
class _Shipped(_Network, TrainablePrior):
    """A small network whose weights ship.

    ``weights`` is another file of such a network. Without it, a training starts from random weights; with it, from that
    file (``shipped``: from the file that ships).
    """

    options: ClassVar[type[AdmOptions]] = AdmOptions
    channel_mult: ClassVar[tuple[int, ...]]
    weights: str = ""
    dtype: str = "float32"

    @classmethod
    def config(cls) -> UNetConfig:
        return _config(
            channels=32,
            channel_mult=cls.channel_mult,
            num_res_blocks=1,
            attention_factors=(),
            head_channels=16,
            groups=8,
        )

    def load(self, x_shape: Shape, device: torch.device | str) -> AdmPrior:
        self.refuse(x_shape)
        return _load(self.config(), self._path(), x_shape, device, self.dtype)

    def fingerprint(self) -> str:
        return weights_sha256(self._path())

    def fit(self, training: Training) -> Path:
        from invbench.priors.adm.prior import fresh_adm
        from invbench.priors.adm.training import fit

        x_shape, device = training.images.x_shape, training.device
        start = self.load(x_shape, device) if self.weights else fresh_adm(self.config(), x_shape, device, training.seed)
        return fit(start, training)

    def _path(self) -> Path:
        shipped = files("invbench.priors.adm") / "weights" / f"{self.name}.safetensors"
        return existing(self.weights) if self.weights not in ("", "shipped") else Path(str(shipped))


@dataclass(frozen=True)
class AdmPhotos(_Shipped):
    """1.3M parameters, trained on BSDS500 photographs; any size divisible by 4. See the model card beside it."""

    name: ClassVar[str] = "adm_photos"
    summary: ClassVar[str] = "small ADM of natural photographs, shipped (1.3M parameters)"
    native_side: ClassVar[int] = 64
    channel_mult: ClassVar[tuple[int, ...]] = (1, 2, 2)


@dataclass(frozen=True)
class AdmGmm(_Shipped):
    """What a network learns of the patch mixture ``gmm`` from draws of it: where its students begin."""

    name: ClassVar[str] = "adm_gmm"
    summary: ClassVar[str] = "small ADM of the patch mixture gmm, shipped (0.8M parameters)"
    native_side: ClassVar[int] = 16
    channel_mult: ClassVar[tuple[int, ...]] = (1, 2)


@dataclass(frozen=True)
class AdmFfhq256(_Published):
    """The FFHQ-256 checkpoint of DPS (``ffhq_10m.pt``)."""

    name: ClassVar[str] = "adm_ffhq256"
    summary: ClassVar[str] = "ADM of faces, 256x256 (93.6M parameters)"
    artifacts: ClassVar[tuple[Artifact, ...]] = (
        Artifact(
            name="adm_ffhq256",
            filename="diffusion_ffhq_10m.pt",
            url="https://huggingface.co/deepinv/diffunet/resolve/main/diffusion_ffhq_10m.pt",
            size="374 MB",
            option="prior.weights",
        ),
    )
    native_side: ClassVar[int] = 256

    @staticmethod
    def config() -> UNetConfig:
        mult = (1, 1, 2, 2, 4, 4)
        return _config(channels=128, channel_mult=mult, num_res_blocks=1, attention_factors=(16,), head_channels=64)


@dataclass(frozen=True)
class AdmImagenet256(_Published):
    """The unconditional ImageNet-256 checkpoint of guided-diffusion."""

    name: ClassVar[str] = "adm_imagenet256"
    summary: ClassVar[str] = "ADM of ImageNet, 256x256 (552.8M parameters)"
    artifacts: ClassVar[tuple[Artifact, ...]] = (
        Artifact(
            name="adm_imagenet256",
            filename="256x256_diffusion_uncond.pt",
            url="https://openaipublic.blob.core.windows.net/diffusion/jul-2021/256x256_diffusion_uncond.pt",
            sha256="a37c32fffd316cd494cf3f35b339936debdc1576dad13fe57c42399a5dbc78b1",
            size="2.2 GB",
            option="prior.weights",
        ),
    )
    native_side: ClassVar[int] = 256

    @staticmethod
    def config() -> UNetConfig:
        mult, factors = (1, 1, 2, 2, 4, 4), (8, 16, 32)
        return _config(channels=256, channel_mult=mult, num_res_blocks=2, attention_factors=factors, head_channels=64)


def _config(**fields: Any) -> UNetConfig:
    from invbench.priors.adm.unet import UNetConfig

    return UNetConfig(**fields)


def _load(config: UNetConfig, path: Path, x_shape: Shape, device: torch.device | str, dtype: str) -> AdmPrior:
    import torch

    from invbench.priors.adm.prior import load_adm

    if dtype == "tf32" and torch.device(device).type != "cuda":
        raise ConfigError(f"dtype=tf32 is a precision of GPUs alone; got device {device}; choose dtype=float32")
    return load_adm(config, path, x_shape, device, getattr(torch, "float32" if dtype == "tf32" else dtype))


@hookimpl
def invbench_register_priors() -> list[type[PriorSource]]:
    return [AdmPhotos, AdmGmm, AdmFfhq256, AdmImagenet256]
