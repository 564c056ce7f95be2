"""The embedded benchmark: 64 x 64 crops of photographs that scikit-image ships."""

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
PHOTOS = Benchmark(
    name="photos",
    version=1,
    prior="adm_photos",
    summary="embedded tier: 64x64 crops of real photographs, small shipped prior",
    n=48,
    tasks={
        "denoise": {"noise": "gaussian 0.2 [-1,1]"},
        "sr4": {"factor": 4},
        "sr4_bicubic": {"factor": 4},
        "inpaint": {"box": 32},
        "inpaint_anywhere": {"box": 32},
        "inpaint_random": {"missing": 0.5},
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
    """One line of ``photos.csv``: a square of SIDE pixels in a half-scale photograph."""

    id: str
    split: str
    file: str
    top: int
    left: int
    sha256: str


@dataclass(frozen=True)
class Photos(Dataset):
    """Fixed crops of photographs halved by exact 2 x 2 means, no two overlapping.

    ``test``: 48 crops of astronaut, chelsea, coffee and motorcycle_left, alternating between them. ``tune``: 24
    crops of rocket and ihc, for choosing hyper-parameters. Each crop's pixels are verified by SHA-256.
    """

    name: ClassVar[str] = "photos"
    summary: ClassVar[str] = "64x64 crops of scikit-image's colour photographs"
    benchmark: ClassVar[Benchmark] = PHOTOS
    split: str = "test"

    def __post_init__(self) -> None:
        splits = sorted({crop.split for crop in _crops().values()})
        if self.split not in splits:
            raise ConfigError(f"photos: split must be one of {', '.join(splits)}; got {self.split!r}")

    @property
    def x_shape(self) -> Shape:
        return (3, SIDE, SIDE)

    def ids(self) -> Sequence[str]:
        return [crop.id for crop in _crops().values() if crop.split == self.split]

    def load(self, image_id: str) -> Tensor:
        import torch

        crop = _crops()[image_id]
        rows, cols = (slice(start, start + SIDE) for start in (crop.top, crop.left))
        pixels = _half_scale(crop.file)[rows, cols].copy()
        if hashlib.sha256(pixels.tobytes()).hexdigest() != crop.sha256:
            raise DataError(
                f"photos: the pixels of {image_id} are not those of the benchmark (SHA-256 differs); "
                f"scikit-image's {crop.file} or the image decoder has changed"
            )
        return torch.from_numpy(pixels).permute(2, 0, 1).float().div(127.5).sub(1).contiguous()


@cache
def _crops() -> dict[str, Crop]:
    text = Path(__file__).with_name("photos.csv").read_text()
    rows = csv.DictReader(text.splitlines())
    crops = (Crop(r["id"], r["split"], r["file"], int(r["top"]), int(r["left"]), r["sha256"]) for r in rows)
    return {crop.id: crop for crop in crops}


@cache
def _half_scale(file: str) -> Any:
    """uint8 (H // 2, W // 2, 3): rounded mean of every 2 x 2 block."""
    import numpy as np
    from PIL import Image

    path = files("skimage") / "data" / file
    if not path.is_file():
        raise DataError(f"photos: scikit-image does not hold data/{file}; reinstall scikit-image")
    with path.open("rb") as stream, Image.open(stream) as image:
        full = np.asarray(image.convert("RGB")).astype(np.uint16)
    full = full[: full.shape[0] // 2 * 2, : full.shape[1] // 2 * 2]
    total = full[0::2, 0::2] + full[1::2, 0::2] + full[0::2, 1::2] + full[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


@hookimpl
def invbench_register_datasets() -> list[type[Dataset]]:
    return [Photos]
