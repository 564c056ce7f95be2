"""The 256 x 256 sets of the paper. The files are the user's; the folder is named by ``root`` or INVBENCH_DATA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import invbench as ib
from invbench import Benchmark, DataError, Dataset, Shape, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 256
# DAVI's measurements: sigma 0.05 on [-1, 1], 0.20 for denoising; the blur is the reference codes' own.
TASKS: dict[str, dict[str, Any]] = {
    "denoise": {"noise": "gaussian 0.2 [-1,1]"},
    "sr4": {"factor": 4},
    "sr4_bicubic": {"factor": 4},
    "inpaint": {"box": 128},
    "inpaint_anywhere": {"box": 128},
    "inpaint_random": {"missing": 0.5},
    "colorize": {},
    "deblur": {"std": 3.0, "taps": 61},
    "deblur_ddrm_tiled": {"std": 3.0, "taps": 61},
    "deblur_uniform": {"taps": 9},
    "deblur_aniso": {"std_rows": 1.0, "std_cols": 20.0, "taps": 9},
    "deblur_motion": {"length": 31.0},
    "cs4": {"ratio": 4},
    "phase_retrieval": {"oversample": 2.0},
    "hdr": {"gain": 2.0},
}
MAIN = ("denoise", "sr4", "inpaint", "deblur_ddrm_tiled", "colorize")
FFHQ = Benchmark("ffhq256", 1, "adm_ffhq256", "paper tier: faces, 256x256", 1000, TASKS, MAIN)
IMAGENET = Benchmark("imagenet256", 1, "adm_imagenet256", "paper tier: ImageNet, 256x256", 1000, TASKS, MAIN)


@dataclass(frozen=True)
class Ffhq256(Dataset):
    """FFHQ resized to 256: 00000.png to 00999.png are the validation set, in any sub-folders of the root."""

    name: ClassVar[str] = "ffhq256"
    summary: ClassVar[str] = "FFHQ 00000-00999 at 256x256 (files by hand)"
    benchmark: ClassVar[Benchmark] = FFHQ
    root: str = ""

    @property
    def x_shape(self) -> Shape:
        return (3, SIDE, SIDE)

    def ids(self) -> Sequence[str]:
        found = {Path(name).stem: name for name in _images(self.name, self.root).ids()}
        wanted = [f"{i:05d}" for i in range(1000)]
        missing = [w for w in wanted if w not in found]
        if missing:
            shown = ", ".join(missing[:5])
            raise DataError(f"ffhq256: {len(missing)} of the 1000 validation images are missing ({shown}, ...)")
        return [found[w] for w in wanted]

    def load(self, image_id: str) -> Tensor:
        return _images(self.name, self.root).load(image_id)


@dataclass(frozen=True)
class ImageNet256(Dataset):
    """ImageNet validation images, cropped and resized to 256.

    A file ``ids.txt`` in the root gives the list, one relative path a line (the paper's baselines use the 1000
    images of the Deep-Generative-Prior project); without it, every image of the folder is used.
    """

    name: ClassVar[str] = "imagenet256"
    summary: ClassVar[str] = "ImageNet validation images at 256x256 (files by hand)"
    benchmark: ClassVar[Benchmark] = IMAGENET
    root: str = ""

    @property
    def x_shape(self) -> Shape:
        return (3, SIDE, SIDE)

    def ids(self) -> Sequence[str]:
        return _listed(self.name, self.root)

    def load(self, image_id: str) -> Tensor:
        return _images(self.name, self.root).load(image_id)


@dataclass(frozen=True)
class CelebaHq256(Dataset):
    """CelebA-HQ at 256: out of distribution for the FFHQ prior (benchmark=ffhq256 dataset=celebahq256)."""

    name: ClassVar[str] = "celebahq256"
    summary: ClassVar[str] = "CelebA-HQ at 256x256, for out-of-distribution tests (files by hand)"
    root: str = ""

    @property
    def x_shape(self) -> Shape:
        return (3, SIDE, SIDE)

    def ids(self) -> Sequence[str]:
        return _listed(self.name, self.root)

    def load(self, image_id: str) -> Tensor:
        return _images(self.name, self.root).load(image_id)


@dataclass(frozen=True)
class GoPro256(Dataset):
    """GoPro frames at 256: out of distribution for the ImageNet prior (benchmark=imagenet256 dataset=gopro256)."""

    name: ClassVar[str] = "gopro256"
    summary: ClassVar[str] = "GoPro frames at 256x256, for out-of-distribution tests (files by hand)"
    root: str = ""

    @property
    def x_shape(self) -> Shape:
        return (3, SIDE, SIDE)

    def ids(self) -> Sequence[str]:
        return _listed(self.name, self.root)

    def load(self, image_id: str) -> Tensor:
        return _images(self.name, self.root).load(image_id)


def _images(name: str, root: str) -> ib.ImageFolder:
    return ib.ImageFolder(ib.data_root(name, root), SIDE, where=ib.data_advice(name))


def _listed(name: str, root: str) -> list[str]:
    images = _images(name, root)
    listing = images.root / "ids.txt"
    if not listing.is_file():
        return images.ids()
    names = [line.strip() for line in listing.read_text().splitlines() if line.strip()]
    missing = [n for n in names if not (images.root / n).is_file()]
    if missing:
        raise DataError(f"{name}: {len(missing)} of {len(names)} images of {listing} are missing ({missing[0]}, ...)")
    return names


@hookimpl
def invbench_register_datasets() -> list[type[Dataset]]:
    return [Ffhq256, ImageNet256, CelebaHq256, GoPro256]
