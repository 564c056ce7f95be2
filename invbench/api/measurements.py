"""The user's measurements: read from pictures, files and arrays, and brought into the form of an operator's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from invbench.errors import ConfigError, DataError
from invbench.image_files import is_array, read_array, read_rgb
from invbench.linops import Circular, Convolution, Selection, Separable
from invbench.operator import Operator, real_parts

BLURS = (Circular, Convolution, Separable)


@dataclass(frozen=True)
class Own:
    """A measurement as it was read: ``values`` in [-1, 1], an image (C, h, w) if ``picture``, else in A's shape.

    A ``grey`` picture is repeated over three channels; ``alpha`` (h, w) in [0, 1] is its transparency.
    """

    values: Tensor
    picture: bool
    grey: bool = False
    alpha: Tensor | None = None


def in_channels(own: Own, channels: int) -> Own:
    """The picture with the number of channels that the prior takes, 1 or 3: a grey one is repeated if needed.

    Raises ConfigError for colours if the prior takes only grey.
    """
    if channels == 3:
        return replace(own, values=own.values.expand(3, -1, -1), grey=True) if len(own.values) == 1 else own
    if len(own.values) > 1 and not own.grey:
        raise ConfigError("the prior takes grey pictures, and y has colours; make it grey, or choose another prior")
    return replace(own, values=own.values[:1], grey=False)


def read_measurement(y: Any) -> Own:
    """A measurement from a path, a PIL image, an array or a tensor.

    Pictures and arrays of bytes, (H, W), (H, W, 3) or (H, W, 4), have the range 0 to 255. Other arrays and tensors, and
    ``.npy`` files of them, are measurements in [-1, 1]: an image (C, H, W), or y in the operator's shape.
    Raises DataError for anything else.
    """
    if isinstance(y, str | Path):
        path = Path(y).expanduser()
        y = read_array(path, "buifc") if is_array(path) else _opened(path)
    if isinstance(y, Image.Image):
        y = np.asarray(_as_stored(y) or y.convert("RGB"))
    if isinstance(y, np.ndarray):
        return _of_bytes(y) if y.dtype == np.uint8 else _of_numbers(torch.from_numpy(np.ascontiguousarray(y)))
    if isinstance(y, Tensor):
        return _of_numbers(y.detach().cpu())
    raise DataError(f"expected a measurement as a file, a picture, an array or a tensor; got {type(y).__name__}")


def _of_numbers(values: Tensor) -> Own:
    """A measurement in [-1, 1]. Raises DataError for one that is empty or not finite."""
    values = values if values.is_complex() else values.float()
    if not values.numel():
        raise DataError(f"the measurement is empty: its shape is {tuple(values.shape)}")
    if not real_parts(values).isfinite().all():
        raise DataError("the measurement holds values that are not finite")
    return Own(values, picture=values.ndim == 3 and values.shape[0] in (1, 3) and not values.is_complex())


def _opened(path: Path) -> Image.Image:
    """A picture as it is stored: with transparency or in grey, if it is so."""
    rgb = read_rgb(path)
    with Image.open(path) as file:
        if (stored := _as_stored(file)) and stored.mode in ("RGBA", "LA"):
            return ImageOps.exif_transpose(stored)
        grey = len(file.getbands()) == 1 and file.mode != "P"
    return rgb.convert("L") if grey else rgb


def _as_stored(image: Image.Image) -> Image.Image | None:
    """The image in grey or in colours, each with its transparency where it has some; None for a mode of other kinds."""
    plain = {"L": "L", "RGB": "RGB", "P": "RGB", "LA": "L", "RGBA": "RGB", "PA": "RGB"}.get(image.mode)
    if plain is None:
        return None
    return image.convert(f"{plain}A" if image.has_transparency_data else plain)


def _of_bytes(pixels: np.ndarray) -> Own:
    """(H, W), (H, W, 1 to 4) of 0 to 255."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or 0 in pixels.shape:
        raise DataError(f"expected a picture (height, width, 1 to 4 channels); got shape {pixels.shape}")
    values = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)
    alpha = values[-1] if len(values) in (2, 4) else None
    colour = values[:-1] if alpha is not None else values
    return Own(2 * colour.expand(3, -1, -1) - 1, picture=True, grey=len(colour) == 1, alpha=alpha)


def scale_of(make: Any, y: Own, small: int = 256) -> int:
    """The factor by which the image's sides exceed those of a picture, for operators that ``make`` returns.

    Raises ConfigError if no operator of this task measures such a picture.
    """
    channels, h, w = y.values.shape
    fault: ConfigError | None = None
    for side in ((min(h, small), min(w, small)), (h, w)):
        for scale in (1, 2, 4, 8, 16):
            try:
                A = make((channels, side[0] * scale, side[1] * scale))
            except ConfigError as error:
                fault = error if scale == 1 else fault
                continue
            if (isinstance(A, Selection) and scale == 1) or _is_picture(A, side):
                return scale
    advice = "its measurements are not images; give y as an .npy file, and size=HxW"
    raise fault or ConfigError(f"a picture of {h}x{w} is not a measurement of this task: {advice}")


def _is_picture(A: Operator, side: tuple[int, int]) -> bool:
    """Whether an operator measures pictures with these sides."""
    return len(A.y_shape) == 3 and tuple(A.y_shape[1:]) == side and not A.measures_complex


def as_measured(picture: Tensor, A: Operator) -> Tensor:
    """A picture (B, C, h, w) as y of A, (B, *y_shape): its measured pixels, its mean over channels, or itself."""
    if isinstance(A, Selection):
        return A(picture)
    if A.y_shape[0] == 1 and picture.shape[1] == 3:
        return picture.mean(1, keepdim=True)
    return picture


def extended(picture: Tensor, margin: int, bottom: int, right: int, fade: bool) -> Tensor:
    """A picture (C, h, w) with its borders repeated: a margin all around, and more below and at the right.

    With ``fade`` the margin fades to 0, mid-grey, which suits blurs with zero borders and with periodic borders.
    """
    pads = (margin, margin + right, margin, margin + bottom)
    wide = F.pad(picture[None], pads, mode="replicate")[0]
    if not fade or not margin:
        return wide
    rows = _falling(wide.shape[1], margin, margin + bottom)
    return wide * rows[:, None] * _falling(wide.shape[2], margin, margin + right)


def _falling(length: int, before: int, after: int) -> Tensor:
    """Weights: 1 inside, half a cosine down to 0 over the margins."""
    at = torch.arange(length)
    inside = torch.minimum((at + 0.5) / before, (length - at - 0.5) / after).clamp(max=1)
    return 0.5 - 0.5 * torch.cos(torch.pi * inside)


def noise_of(picture: Tensor) -> float:
    """Standard deviation of white noise in a picture (C, h, w), from its second differences (Immerkaer, 1996).

    This is an upper estimate, since fine texture counts too.
    """
    kernel = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]])[None, None]
    response = F.conv2d(picture[:, None], kernel)
    return float(response.abs().median() / 0.6745 / 6)
