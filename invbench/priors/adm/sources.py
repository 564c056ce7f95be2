"""ADM networks as named priors: small ones that ship, the user's own, and two published 256 x 256 checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from invbench import (
    Artifact,
    PriorSource,
    Shape,
    TrainablePrior,
    existing,
    hookimpl,
    locate,
    weights_sha256,
)
from invbench.priors.adm.network import NamedNetwork, form, loaded, small, trained
from invbench.priors.adm.options import AdmOptions
from invbench.priors.adm.own import AdmOwn

if TYPE_CHECKING:
    import torch

    from invbench import Training
    from invbench.priors.adm.prior import AdmPrior
    from invbench.priors.adm.unet import UNetConfig


@dataclass(frozen=True)
class _Published(NamedNetwork):
    """A network whose weights are downloaded."""

    weights: str = ""
    dtype: str = "float32"

    def load(self, x_shape: Shape, device: torch.device | str) -> AdmPrior:
        self.refuse(x_shape)
        return loaded(self.config(), locate(self.artifacts[0], self.weights), x_shape, device, self.dtype)

    def fingerprint(self) -> str:
        return weights_sha256(locate(self.artifacts[0], self.weights))


@dataclass(frozen=True)
class _Shipped(NamedNetwork, TrainablePrior):
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
        return small(cls.channel_mult)

    def load(self, x_shape: Shape, device: torch.device | str) -> AdmPrior:
        self.refuse(x_shape)
        return loaded(self.config(), self._path(), x_shape, device, self.dtype)

    def fingerprint(self) -> str:
        return weights_sha256(self._path())

    def fit(self, training: Training) -> Path:
        return trained(self, training)

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
    """A network trained on draws of the patch mixture ``gmm``, from which trainings on it start."""

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
        return form(channels=128, channel_mult=mult, num_res_blocks=1, attention_factors=(16,), head_channels=64)


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
        return form(channels=256, channel_mult=mult, num_res_blocks=2, attention_factors=factors, head_channels=64)


@hookimpl
def invbench_register_priors() -> list[type[PriorSource]]:
    return [AdmPhotos, AdmGmm, AdmOwn, AdmFfhq256, AdmImagenet256]
