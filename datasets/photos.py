"""The embedded benchmark: 64 x 64 crops of the photographs of the Kodak suite, and of five that scikit-image ships.

All are halved by exact 2 x 2 means. Of each, sixteen squares of a 4 x 4 grid that spans it (they overlap in
photographs of fewer than 256 rows), in the order of the SHA-256 of their pixels; overlapping an earlier one, last.
``photos.csv`` lists them. Crops of Kodak's photographs, of rocket and retina, which are no lossless files, and of a
moving camera are in ``photos_crops``, a picture a photograph with its crops side by side; the others are cut out of
scikit-image's files.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from invbench import Benchmark, ConfigError, DataError, Dataset, Shape, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 64
CROPS = Path(__file__).with_name("photos_crops")
SPLITS = {
    "test": ("test",),
    "large": ("test", "large"),
    "tune": ("tune",),
    "other": ("other",),
    "moving": ("moving",),
    "face": ("face",),
}  # and the lines of photos.csv that are in each
PHOTOS = Benchmark(
    name="photos",
    version=2,
    prior="adm_photos",
    summary="embedded tier: 64x64 crops of real photographs, small shipped prior",
    n=66,
    tasks={
        "denoise": {"noise": "gaussian 0.2 [-1,1]"},
        "sr4": {"factor": 4},
        "sr4_bicubic": {"factor": 4},
        "inpaint": {"box": 32},
        "inpaint_anywhere": {"box": 32},
        "inpaint_random": {"missing": 0.5},
        "inpaint_strokes": {"strokes": 4, "width": 6},
        "colorize": {},
        "deblur": {"std": 1.5, "taps": 31},
        "deblur_ddrm_tiled": {"std": 1.5, "taps": 31},
        "deblur_uniform": {"taps": 5},
        "deblur_aniso": {"std_rows": 0.5, "std_cols": 5.0, "taps": 9},
        "deblur_motion": {"length": 9.0},
        "cs4": {"ratio": 4},
        "phase_retrieval": {"oversample": 2.0},
        "hdr": {"gain": 2.0},
    },
    main_tasks=("denoise", "sr4", "inpaint", "deblur", "colorize"),
    training={"name": "bsds500", "side": SIDE},
)


class Crop(NamedTuple):
    """One line of ``photos.csv``: a square of SIDE pixels in a photograph of half its scale."""

    id: str
    split: str
    photograph: str
    top: int
    left: int
    sha256: str


@dataclass(frozen=True)
class Photos(Dataset):
    """Fixed crops of photographs.

    - ``test``: the first 3 crops of each of 22 photographs, 66: 18 of the Kodak suite, astronaut, chelsea, coffee and
      motorcycle_left. The first 22 are one of each photograph
    - ``large``: all 16 crops of the same photographs, 352, those of ``test`` first
    - ``tune``: 4 crops of each of 7 others, 28, for choosing hyper-parameters: every fourth of the Kodak suite, and the
      rocket
    - ``other``: images of another kind than the prior's, 4 crops of each of scikit-image's ihc (stained tissue),
      retina, page (of text), brick, grass and gravel, 24; squares of nearly one colour, with a standard deviation of at
      most 4 of 255, are left out
    - ``moving``: the first crop of each photograph of ``test`` as a moving camera takes it, 22. As in the GoPro data
      (Nah et al., CVPR 2017) it is the mean of frames, here 7, in linear light (gamma 2.2); each is one pixel further
      right, down, down and right, or down and left, in turn
    - ``face``: one crop, the face of astronaut

    Each crop's pixels are verified by SHA-256. The crops of a photograph are a group.
    """

    name: ClassVar[str] = "photos"
    summary: ClassVar[str] = "64x64 crops of photographs: the Kodak suite and scikit-image's"
    benchmark: ClassVar[Benchmark] = PHOTOS
    split: str = "test"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ConfigError(f"photos: split must be one of {', '.join(SPLITS)}; got {self.split!r}")

    @property
    def x_shape(self) -> Shape:
        return (3, SIDE, SIDE)

    def ids(self) -> Sequence[str]:
        return [crop.id for crop in _crops().values() if crop.split in SPLITS[self.split]]

    def group(self, image_id: str) -> str:
        return _crops()[image_id].photograph

    def load(self, image_id: str) -> Tensor:
        import torch

        crop = _crops()[image_id]
        pixels = _shipped(crop) if (CROPS / f"{crop.photograph}.png").is_file() else _cut(crop)
        if hashlib.sha256(pixels.tobytes()).hexdigest() != crop.sha256:
            raise DataError(
                f"photos: the pixels of {image_id} are not those of the benchmark (SHA-256 differs); "
                "reinstall invbench and scikit-image"
            )
        return torch.from_numpy(pixels).permute(2, 0, 1).float().div(127.5).sub(1).contiguous()


@cache
def _crops() -> dict[str, Crop]:
    text = Path(__file__).with_name("photos.csv").read_text()
    rows = csv.DictReader(text.splitlines())
    crops = (Crop(r["id"], r["split"], r["photograph"], int(r["top"]), int(r["left"]), r["sha256"]) for r in rows)
    return {crop.id: crop for crop in crops}


def _shipped(crop: Crop) -> Any:
    """uint8 (SIDE, SIDE, 3), out of the picture with the photograph's crops side by side."""
    mine = [each.id for each in _crops().values() if each.photograph == crop.photograph]
    left = SIDE * mine.index(crop.id)
    return _pixels(CROPS / f"{crop.photograph}.png")[:, left : left + SIDE].copy()


def _cut(crop: Crop) -> Any:
    """uint8 (SIDE, SIDE, 3), out of the whole photograph."""
    rows, cols = (slice(start, start + SIDE) for start in (crop.top, crop.left))
    return _half_scale(crop.photograph)[rows, cols].copy()


@cache
def _half_scale(photograph: str) -> Any:
    """uint8 (H // 2, W // 2, 3): rounded mean of every 2 x 2 block of a photograph of scikit-image."""
    import numpy as np

    path = Path(str(files("skimage") / "data" / f"{photograph}.png"))
    if not path.is_file():
        raise DataError(f"photos: scikit-image does not hold data/{path.name}; reinstall scikit-image")
    full = _pixels(path).astype(np.uint16)
    full = full[: full.shape[0] // 2 * 2, : full.shape[1] // 2 * 2]
    total = full[0::2, 0::2] + full[1::2, 0::2] + full[0::2, 1::2] + full[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


@cache
def _pixels(path: Path) -> Any:
    """uint8 (H, W, 3)."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@hookimpl
def invbench_register_datasets() -> list[type[Dataset]]:
    return [Photos]
