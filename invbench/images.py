"""Image files in, tensors out; nothing else in invbench reads an image file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from invbench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def read_rgb(path: Path) -> Image.Image:
    """An 8-bit RGB image.

    Grayscale is repeated over the channels; transparency is laid over mid-grey; 16-bit grayscale is scaled to
    8 bits. Raises DataError for a file that is empty, truncated, or no image.
    """
    try:
        with Image.open(path) as file:
            file.load()
            image = file.copy()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        size = path.stat().st_size if path.is_file() else -1
        reason = "the file is empty" if size == 0 else "no such file" if size < 0 else str(error)
        raise DataError(f"cannot read image {path}: {reason}") from None
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_8_bit(np.asarray(image), path)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (128, 128, 128, 255)), rgba).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(values: np.ndarray, path: Path) -> np.ndarray:
    if values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 65535:
        raise DataError(f"cannot read image {path}: expected 8 or 16 bits per channel, got {values.dtype} values")
    return np.round(values / 257).astype(np.uint8)


def crop_resize(image: Image.Image, side: int) -> Image.Image:
    """Centre crop to the shorter side, then an antialiased bilinear resize to side x side (DAVI's rule)."""
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    square = image.crop((left, top, left + short, top + short))
    return square if short == side else square.resize((side, side), Image.Resampling.BILINEAR)


def to_tensor(pixels: np.ndarray | Image.Image) -> Tensor:
    """uint8 (H, W, 3) -> float32 (3, H, W) in [-1, 1]."""
    import torch

    return torch.from_numpy(np.array(pixels, dtype=np.float32)).permute(2, 0, 1).div(127.5).sub(1).contiguous()


def to_image(x: Tensor) -> Image.Image:
    """(3, H, W) or (1, H, W) in [-1, 1] -> an 8-bit image, rounded."""
    pixels = x.float().cpu().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])


@dataclass(frozen=True)
class ImageFolder:
    """Images below ``root``, recursively, in lexicographic order; ids are paths relative to it.

    ``unreadable``: "refuse" raises DataError that lists every bad file; "skip" leaves them out with a warning.
    """

    root: Path
    side: int
    unreadable: str = "refuse"
    where: str = field(default="set dataset.root=FOLDER", repr=False)  # advice for the error messages
    remedy: str = field(default="set dataset.unreadable=skip", repr=False)

    def __post_init__(self) -> None:
        if self.unreadable not in ("refuse", "skip"):
            raise ConfigError(f"unreadable must be 'refuse' or 'skip'; got {self.unreadable!r}")
        if self.side < 1:
            raise ConfigError(f"the side of an image must be at least 1 pixel; got {self.side}")

    def ids(self) -> list[str]:
        """Every readable image. Raises DataError for an absent or empty folder, or unreadable files."""
        if not self.root.is_dir():
            raise DataError(f"no folder at {self.root}; {self.where}")
        found = (p for p in self.root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        names = sorted(p.relative_to(self.root).as_posix() for p in found)
        bad = {name: reason for name in names if (reason := self._fault(name))}
        if bad and self.unreadable == "refuse":
            listed = "; ".join(bad.values())
            raise DataError(f"{len(bad)} of {len(names)} images cannot be read ({listed}); {self.remedy}")
        if bad:
            warnings.warn(f"skipped {len(bad)} unreadable images: {', '.join(bad)}", stacklevel=2)
        good = [name for name in names if name not in bad]
        if not good:
            raise DataError(f"no images in {self.root}; expected files ending in {', '.join(SUFFIXES)}")
        return good

    def load(self, name: str) -> Tensor:
        """(3, side, side) in [-1, 1]."""
        return to_tensor(crop_resize(read_rgb(self.root / name), self.side))

    def _fault(self, name: str) -> str | None:
        try:
            read_rgb(self.root / name)
        except DataError as error:
            return str(error)
        return None
