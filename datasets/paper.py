"""The 256 x 256 sets of the paper. The files are the user's; the folder is named by ``root`` or INVBENCH_DATA."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from unicodedata import normalize

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


class Images256(Dataset):
    """Images of a folder, all of them or those of a list."""

    places: ClassVar[tuple[str, ...]] = ("root",)
    root: str

    @property
    def x_shape(self) -> Shape:
        return (3, SIDE, SIDE)

    def ids(self) -> Sequence[str]:
        images = self._images()
        listing = images.root / "ids.txt"
        return _listed(images, listing) if listing.is_file() else images.ids()

    def load(self, image_id: str) -> Tensor:
        return self._images().load(image_id)

    def fingerprint(self) -> str:
        return self._images().fingerprint(self.ids())

    def check(self, images: Sequence[str]) -> None:
        self._images().check(images)

    def _images(self) -> ib.ImageFolder:
        remedy = "put them back whole"
        return ib.ImageFolder(ib.data_root(self.name, self.root), SIDE, where=ib.data_advice(self.name), remedy=remedy)


@dataclass(frozen=True)
class Ffhq256(Images256):
    """FFHQ resized to 256: 00000.png to 00999.png are the validation set, in any sub-folders of the root."""

    name: ClassVar[str] = "ffhq256"
    summary: ClassVar[str] = "FFHQ 00000-00999 at 256x256 (files by hand)"
    benchmark: ClassVar[Benchmark] = FFHQ
    root: str = ""

    def ids(self) -> Sequence[str]:
        by_stem: dict[str, list[str]] = {f"{i:05d}": [] for i in range(1000)}
        for name in self._images().ids():
            by_stem.get(Path(name).stem, []).append(name)
        if missing := [stem for stem, names in by_stem.items() if not names]:
            examples = ", ".join(missing[:5])
            raise DataError(f"ffhq256: {len(missing)} of the 1000 validation images are missing ({examples}, ...)")
        for names in by_stem.values():
            if len(names) > 1:
                raise DataError(
                    f"ffhq256: expected one file of each number, found {' and '.join(names)}; name the folder of one "
                    "kind of images in dataset.root"
                )
        return [names[0] for names in by_stem.values()]


@dataclass(frozen=True)
class ImageNet256(Images256):
    """ImageNet validation images, cropped and resized to 256.

    A file ``ids.txt`` in the root gives the list, one relative path a line (the paper's baselines use the 1000
    images of the Deep-Generative-Prior project); without it, every image of the folder is used.
    """

    name: ClassVar[str] = "imagenet256"
    summary: ClassVar[str] = "ImageNet validation images at 256x256 (files by hand)"
    benchmark: ClassVar[Benchmark] = IMAGENET
    root: str = ""


@dataclass(frozen=True)
class CelebaHq256(Images256):
    """CelebA-HQ at 256: out of distribution for the FFHQ prior (benchmark=ffhq256 dataset=celebahq256)."""

    name: ClassVar[str] = "celebahq256"
    summary: ClassVar[str] = "CelebA-HQ at 256x256, for out-of-distribution tests (files by hand)"
    root: str = ""


@dataclass(frozen=True)
class GoPro256(Images256):
    """GoPro frames at 256: out of distribution for the ImageNet prior (benchmark=imagenet256 dataset=gopro256)."""

    name: ClassVar[str] = "gopro256"
    summary: ClassVar[str] = "GoPro frames at 256x256, for out-of-distribution tests (files by hand)"
    root: str = ""


def _listed(images: ib.ImageFolder, listing: Path) -> list[str]:
    """The ids in a file, one a line. Raises DataError if it names none, one twice, or one that is not there."""
    try:
        lines = listing.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{listing} is not UTF-8; save it as UTF-8") from None
    names = [normalize("NFC", posixpath.normpath(line.strip())) for line in lines if line.strip()]
    missing = [name for name in names if not images.path(name).is_file()]
    if missing or not names:
        example = f" ({missing[0]}, ...)" if missing else ""
        raise DataError(f"{len(missing)} of {len(names)} images of {listing} are missing{example}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{len(twice)} images of {listing} are listed twice ({twice[0]}, ...)")
    return names


@hookimpl
def invbench_register_datasets() -> list[type[Dataset]]:
    return [Ffhq256, ImageNet256, CelebaHq256, GoPro256]
