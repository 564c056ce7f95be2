"""From image files to tensors; no other module reads image files."""

from __future__ import annotations

import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from invbench.errors import DataError
from invbench.listing import printable

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 500_000_000  # pixels of an image: 1.5 GB in memory; cameras make up to 200 million
# Formats that Pillow knows by name but cannot decode, or only by running another program.
NO_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"}
ORIENTATIONS = {  # how a stored picture is turned upright, by its EXIF tag
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@lru_cache(maxsize=1)
def formats() -> tuple[str, ...]:
    """The formats of pictures that Pillow reads here."""
    Image.init()
    return tuple(f for f in Image.ID if f in Image.OPEN and f not in NO_PICTURES)


@lru_cache(maxsize=1)
def suffixes() -> frozenset[str]:
    """Endings of their files, in lower case."""
    readable = formats()
    mpo = {".mpo"}  # a JPEG with a second picture; Pillow registers the ending for writing alone
    return frozenset(end for end, kind in Image.registered_extensions().items() if kind in readable) | mpo


def read_rgb(path: Path) -> Image.Image:
    """An 8-bit RGB image, upright; the first frame of an animation.

    Grayscale is repeated over the channels; transparency is laid over mid-grey; 16-bit grayscale is scaled to
    8 bits. Raises DataError for a file that is empty, truncated, or no image.
    """
    if reason := _no_file(path):
        raise DataError(f"cannot read image {printable(path)}: {reason}")
    try:
        with _quiet(), Image.open(path, formats=formats()) as file:
            file.load()
            image, orientation = _rgb(file), _orientation(file)
    except UnidentifiedImageError:
        reason = f"cannot identify an image in it{_what_it_is(path)}"
    except Image.DecompressionBombError:
        reason = f"it has more than {LARGEST // 10**6} million pixels; make it smaller"
    except MemoryError:
        reason = "there is not enough memory for it"
    except Exception as error:  # decoders raise nearly anything where a file is damaged
        reason = printable(str(error)) or type(error).__name__
    else:
        return image.transpose(ORIENTATIONS[orientation]) if orientation in ORIENTATIONS else image
    raise DataError(f"cannot read image {printable(path)}: {reason}")


def read_plane(path: Path) -> Tensor:
    """A mask or a kernel, (H, W) float32, from a picture, as [0, 1], or from numbers in an ``.npy`` file, as they are.

    Raises DataError for a file that is neither, or has other axes.
    """
    import torch

    if not is_array(path):
        return torch.from_numpy(np.asarray(read_rgb(path), dtype=np.float32).mean(2) / 255)
    plane = read_array(path)
    if plane.ndim != 2 or not np.isfinite(plane).all():
        raise DataError(f"{printable(path)}: expected finite numbers (height, width); got shape {plane.shape}")
    return torch.from_numpy(np.ascontiguousarray(plane, dtype=np.float32))


def is_array(path: Path) -> bool:
    """Whether a file is of numbers rather than a picture, by its name."""
    return path.suffix.lower() == ".npy"


def read_array(path: Path, kinds: str = "buif") -> np.ndarray:
    """The numbers of an ``.npy`` file, of these of numpy's kinds; objects in it are refused. Raises DataError."""
    if reason := _no_file(path):
        raise DataError(f"cannot read {printable(path)}: {reason}")
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot read {printable(path)}: {printable(str(error))}; expected an .npy file") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds:
        real = "numbers" if "c" in kinds else "real numbers"
        raise DataError(f"{printable(path)}: expected an array of {real}")
    return array


def read_channels(path: Path, channels: int) -> list[Image.Image]:
    """The channels of an image, a plane each: bytes (mode L), or numbers in [-1, 1] (mode F).

    A picture is read as grey for one channel and as RGB for three. An ``.npy`` file is an array (H, W) or (C, H, W) of
    bytes, or of floating point numbers in [-1, 1]. Raises DataError for a file that cannot be read, or has another
    number of channels.
    """
    if is_array(path):
        return [Image.fromarray(plane) for plane in _planes(path, channels)]
    if channels not in (1, 3):
        raise DataError(f"{printable(path)}: a picture has 1 or 3 channels; images of {channels} are .npy arrays")
    image = read_rgb(path)
    return [image.convert("L")] if channels == 1 else list(image.split())


def _planes(path: Path, channels: int) -> np.ndarray:
    """The array of a file, (channels, H, W), uint8 or float32. Raises DataError for another."""
    array = read_array(path)
    planes = array[None] if array.ndim == 2 else array
    if planes.ndim != 3 or len(planes) != channels or not planes.size:
        raise DataError(f"{printable(path)}: expected an array ({channels}, height, width); got shape {array.shape}")
    if planes.dtype == np.uint8:
        return planes
    if planes.dtype.kind != "f":
        raise DataError(f"{printable(path)}: expected bytes, or floating point numbers; got {planes.dtype}")
    low, high = float(planes.min()), float(planes.max())
    if not -1 <= low <= high <= 1:  # nan is neither
        raise DataError(f"{printable(path)}: expected numbers in [-1, 1]; got {low:.3g} to {high:.3g}; scale them")
    return np.ascontiguousarray(planes, dtype=np.float32)


def upright_size(path: Path) -> tuple[int, int]:
    """(width, height) of the image that ``read_rgb`` returns; most files are read no further than their header."""
    with _quiet(), Image.open(path, formats=formats()) as file:
        if file.format == "TIFF":  # Pillow turns it as it is read
            file.load()
        turned = _orientation(file) >= 5
        return (file.height, file.width) if turned else file.size


def _no_file(path: Path) -> str:
    """Why the file cannot be opened, or "". Pipes are refused: reading one would never end."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return "it is a link to nothing" if path.is_symlink() else "no such file"
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        return getattr(error, "strerror", None) or str(error)
    if not stat.S_ISREG(status.st_mode):
        return "it is a folder" if stat.S_ISDIR(status.st_mode) else "it is not a regular file"
    return "" if status.st_size else "the file is empty"


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(200).lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return " but a pointer of Git LFS; run 'git lfs pull'"
    return " but a web page" if start.startswith((b"<!doctype", b"<html")) else ""


class _Limit:
    """Sets Pillow's limit of pixels to ours while any thread reads."""

    def __init__(self) -> None:
        self.lock, self.readers, self.before = threading.Lock(), 0, Image.MAX_IMAGE_PIXELS

    def __enter__(self) -> None:
        with self.lock:
            if not self.readers:
                self.before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, LARGEST // 2  # it refuses twice as many
            self.readers += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.readers -= 1
            if not self.readers:
                Image.MAX_IMAGE_PIXELS = self.before


_limit = _Limit()


@contextmanager
def _quiet() -> Iterator[None]:
    """Set Pillow's limit to ours, and hide its warnings (metadata, sizes below the limit).

    Warnings are hidden in the main thread only, since Python filters them for all threads at once.
    """
    with _limit, ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        yield


def _orientation(file: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8. Damaged tags count as 1: viewers do not rotate such a picture."""
    try:
        return int(file.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # as of the image itself
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (128, 128, 128, 255)), rgba).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 65535:
        raise ValueError(f"expected 8 or 16 bits per channel, got {values.dtype} values")
    return np.round(values / 257).astype(np.uint8)


def crop_resize(image: Image.Image, side: int) -> Image.Image:
    """Centre crop to the shorter side, then an antialiased bilinear resize to side x side (DAVI's rule)."""
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    square = image.crop((left, top, left + short, top + short))
    return square if short == side else square.resize((side, side), Image.Resampling.BILINEAR)


def to_tensor(pixels: np.ndarray | Image.Image) -> Tensor:
    """uint8 (H, W, C) -> float32 (C, H, W) in [-1, 1]; numbers in [-1, 1] stay as they are."""
    import torch

    array = np.asarray(pixels)
    x = torch.from_numpy(np.array(array, dtype=np.float32)).permute(2, 0, 1)
    return (x.div(127.5).sub(1) if array.dtype == np.uint8 else x).contiguous()


def to_image(x: Tensor) -> Image.Image:
    """(3, H, W) or (1, H, W) in [-1, 1] -> an 8-bit image, rounded."""
    pixels = x.float().cpu().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
