"""Images, measurements and image files made by hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from invbench import Identity, Measurement, Rng, SVDOperator, parse_noise

RNG = np.random.default_rng(0)
IDS = [str(i) for i in range(4)]
ODD = [  # names that file systems take
    "two words.png",
    "end .png",
    "trailing.png ",
    "new\nline.png",
    "tab\t.png",
    "-dash.png",
    "--n=3.png",
    "a#b.png",
    "100%.png",
    "%41.png",
    "a=b,c.png",
    "[x].png",
    "{y}.png",
    "$HOME.png",
    "quote'\".png",
    "back\\slash.png",
    "pipe|.png",
    "star*.png",
    "what?.png",
    "~tilde.png",
    "a..b.png",
    "\u7167\u7247.png",
    "\U0001f4f7.png",
    "\u202eright-to-left.png",
    "A.png",
    "a.png",
    "CON.png",
]


def pair(shape: tuple[int, ...] = (3, 24, 33)) -> tuple[Tensor, Tensor]:
    """Smooth images in [-1, 1] and noisy versions of them, each with its own level."""
    rng = Rng.for_images(IDS, use="metrics")
    x = torch.cumsum(rng.randn(shape), -1).div(6).tanh()
    return x + torch.linspace(0.01, 0.4, 4)[:, None, None, None] * rng.randn(shape), x


def measurement(x: Tensor, A: SVDOperator | None = None, noise: str = "gaussian 0.1 [-1,1]") -> Measurement:
    A = A or Identity(tuple(x.shape[1:]))
    ids = tuple(str(i) for i in range(len(x)))
    y, std = parse_noise(noise).sample(A(x), Rng.for_images(ids, use="noise"))
    return Measurement(ids, x, y, std, ("",) * len(x), A)


def random_pixels(height: int, width: int, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, pixels: np.ndarray | Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path)
    return path


def truncated(path: Path) -> Path:
    buffer = io.BytesIO()
    Image.fromarray(random_pixels(64, 64)).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue()[:4000])
    return path


def photographs(folder: Path, side: int = 150) -> Path:
    """A folder of three colour pictures."""
    folder.mkdir()
    for i in range(3):
        pixels = Rng.single(use=str(i)).rand((side, side, 3))[0].mul(255).byte().numpy()
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def photo(height: int, width: int) -> Tensor:
    """A part of a photograph, (3, H, W) in [-1, 1]."""
    skimage = pytest.importorskip("skimage.data")
    pixels = skimage.astronaut()[100 : 100 + height, 150 : 150 + width]
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1


def saved(x: Tensor, path: Path) -> Path:
    """Write an image in [-1, 1] as a picture."""
    Image.fromarray(((x + 1) * 127.5).clamp(0, 255).round().byte().permute(1, 2, 0).numpy()).save(path)
    return path


def noise(shape: tuple[int, ...], sigma: float) -> Tensor:
    """The same white noise in every call."""
    return sigma * Rng.single(use="noise").randn(shape)[0]
