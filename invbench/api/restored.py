"""The result of a restoration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from invbench.atomic import write_atomic
from invbench.errors import ConfigError
from invbench.image_files import is_array, to_image


@dataclass(frozen=True)
class Restored:
    """Samples (K, C, H, W) in [-1, 1], and figures that can be computed without the truth.

    ``misfit`` is the rms of A x - y, on [-1, 1], and ``sigma`` the level of the noise, None if none was given: their
    ratio should be near 1. ``calls`` are network evaluations per sample, ``seconds`` the time of all samples.
    """

    samples: Tensor
    misfit: float
    sigma: float | None
    calls: float
    seconds: float
    grey: bool = False
    alpha: Tensor | None = None

    @property
    def mean(self) -> Tensor:
        """Mean of the samples: (C, H, W)."""
        return self.samples.mean(0)

    @property
    def std(self) -> Tensor:
        """Standard deviation of the samples at every pixel: (C, H, W); 0 for a single sample."""
        return self.samples.std(0, correction=0)

    @property
    def spread(self) -> float:
        """Root mean square of ``std``."""
        return float(self.std.square().mean().sqrt())

    @cached_property
    def picture(self) -> Image.Image:
        """The mean as a picture, in grey or with transparency if y was.

        Two channels are a complex image's real and imaginary part: the picture is the magnitude, white at 1.
        """
        return self._pictured(self.mean)

    def save(self, path: str | Path) -> list[Path]:
        """Write the mean; with several samples also each, ``NAME-0.png``, and ``NAME-std.png``. ``.npy`` is exact.

        The picture of the deviation is white at 0.5.
        """
        path = Path(path).expanduser()
        pictures = {path: self.mean}
        if len(self.samples) > 1:
            pictures |= {path.with_stem(f"{path.stem}-{k}"): x for k, x in enumerate(self.samples)}
            pictures[path.with_stem(f"{path.stem}-std")] = self.std if is_array(path) else 4 * self.std - 1
        for each, x in pictures.items():
            self._write(each, x)
        return list(pictures)

    def __repr__(self) -> str:
        _, C, H, W = self.samples.shape
        level = f", {self.misfit / self.sigma:.2f} times the noise" if self.sigma else ""
        several = f", spread {self.spread:.3f}" if len(self.samples) > 1 else ""
        what = f"{len(self.samples)} samples of {C}x{H}x{W}" if len(self.samples) > 1 else f"{C}x{H}x{W}"
        return f"{what}: misfit {self.misfit:.4f}{level}{several}; {self.calls:g} network calls, {self.seconds:.1f} s"

    def _repr_png_(self) -> bytes:
        data = BytesIO()
        self.picture.save(data, format="PNG")
        return data.getvalue()

    def _pictured(self, x: Tensor) -> Image.Image:
        x = 2 * x.norm(dim=0, keepdim=True) - 1 if len(x) == 2 else x
        image = to_image(x.mean(0, keepdim=True).expand(3, -1, -1) if len(x) == 3 and self.grey else x)
        image = image.convert("L") if self.grey or len(x) == 1 else image
        if self.alpha is not None:
            alpha = Image.fromarray((255 * self.alpha).round().byte().numpy()).resize(image.size)
            image.putalpha(alpha)
        return image

    def _write(self, path: Path, x: Tensor) -> None:
        refuse_target(path)
        data = _numbers(x) if is_array(path) else _encoded(self._pictured(x), path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)


def refuse_target(path: Path) -> None:
    """Raise ConfigError for a name that is neither that of a picture that can be written nor that of numbers."""
    if is_array(path):
        return
    try:
        _encoded(Image.new("RGB", (8, 8)), path)
    except (KeyError, OSError):
        raise ConfigError(
            f"{path}: expected the name of a picture, for example x.png, or of an array, for example x.npy"
        ) from None


def _numbers(x: Tensor) -> bytes:
    """As an ``.npy`` file."""
    data = BytesIO()
    np.save(data, x.numpy())
    return data.getvalue()


def _encoded(image: Image.Image, path: Path) -> bytes:
    """As a file of that name; without transparency in a format that has none, as JPEG. KeyError for one unknown."""
    data, kind = BytesIO(), Image.registered_extensions()[path.suffix.lower()]
    try:
        image.save(data, format=kind)
    except OSError:
        data = BytesIO()
        image.convert(image.mode.removesuffix("A")).save(data, format=kind)
    return data.getvalue()
