"""A folder of images as a dataset."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from invbench.errors import ConfigError, DataError
from invbench.image_files import crop_resize, read_channels, read_rgb, suffixes, to_tensor, upright_size
from invbench.listing import Listing, find_image, list_images, printable

if TYPE_CHECKING:
    from torch import Tensor


KEPT_BYTES = 512 * 1024**2  # of crops that were read, so that none is read twice


class _Kept:
    """Cache of image files read in this process: the last ``KEPT_BYTES`` of crops, and every failure."""

    def __init__(self) -> None:
        self.crops: OrderedDict[tuple[object, ...], np.ndarray] = OrderedDict()
        self.faults: dict[tuple[object, ...], str] = {}  # "" if the file can be read
        self.bytes = 0

    def crop(self, path: Path, side: int, channels: int | None = None) -> np.ndarray:
        """uint8 (side, side, 3), or with ``channels`` that many, then also float32. Read only. Raises DataError."""
        file = (*_state(path), channels)
        if fault := self.faults.get(file):
            raise DataError(fault)
        key = (*file, side)
        if key not in self.crops:
            self._add(key, self._read(path, side, channels, file))
        return self.crops[key]

    def fault(self, path: Path, side: int, channels: int | None = None) -> str:
        """Why a file cannot be read, or ""."""
        file = (*_state(path), channels)
        if file not in self.faults:
            try:
                self.crop(path, side, channels)
            except DataError as error:
                return str(error)
        return self.faults[file]

    def _read(self, path: Path, side: int, channels: int | None, file: tuple[object, ...]) -> np.ndarray:
        try:
            crop = _crop(path, side, channels)
        except DataError as error:
            self.faults[file] = str(error)
            raise
        self.faults[file] = ""
        return crop

    def _add(self, key: tuple[object, ...], crop: np.ndarray) -> None:
        self.crops[key] = crop
        self.bytes += crop.nbytes
        while self.bytes > KEPT_BYTES and len(self.crops) > 1:
            self.bytes -= self.crops.popitem(last=False)[1].nbytes


def _crop(path: Path, side: int, channels: int | None) -> np.ndarray:
    """(side, side, C) of a file."""
    if channels is None:
        return np.asarray(crop_resize(read_rgb(path), side))
    return np.stack([np.asarray(crop_resize(plane, side)) for plane in read_channels(path, channels)], axis=2)


def _state(path: Path) -> tuple[object, ...]:
    """A value that changes whenever the file does."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return (path,)
    return path, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


_kept = _Kept()


@dataclass(frozen=True)
class ImageFolder:
    """Images below ``root``, recursively, in lexicographic order; ids are paths relative to it.

    Every file that Pillow can read is an image, upper-case endings included; names that begin with a dot are hidden.
    Links are followed, each folder once. ``unreadable``: "refuse" raises DataError that lists every unreadable file
    among those requested; "skip" reads all and leaves unreadable ones out with a warning. A file is read once per
    process, unless it changes.

    Images are RGB. With ``channels`` they have that many, and ``.npy`` files are images too: arrays (H, W) or (C, H, W)
    of bytes or of numbers in [-1, 1]. Only these can have a number of channels other than 1 or 3.
    """

    root: Path
    side: int
    unreadable: str = "refuse"
    where: str = field(default="set dataset.root=FOLDER", repr=False)  # advice for the error messages
    remedy: str = field(default="set dataset.unreadable=skip", repr=False)
    channels: int | None = None

    def __post_init__(self) -> None:
        if self.unreadable not in ("refuse", "skip"):
            raise ConfigError(f"unreadable must be 'refuse' or 'skip'; got {self.unreadable!r}")
        if self.side < 1:
            raise ConfigError(f"the side of an image must be at least 1 pixel; got {self.side}")

    def ids(self) -> list[str]:
        """Every image. Raises DataError for an absent or empty folder, and names that cannot be recorded."""
        listing = self._listing()
        if not listing.images and not listing.unusable:
            raise DataError(_nothing(self.root, listing, self.channels is not None))
        if listing.unusable and self.unreadable == "refuse":
            raise self._refused(listing.unusable, len(listing.unusable) + len(listing.images))
        faults = self._faults(listing.images) if self.unreadable == "skip" else {}
        good = [name for name in listing.images if name not in faults]
        skipped = [*listing.unusable, *map(printable, faults)]
        self._warn(skipped, listing.dangling)
        if not good:
            raise DataError(f"none of the {len(skipped)} images in {printable(self.root)} can be read")
        return good

    def _warn(self, skipped: Sequence[str], dangling: Sequence[str]) -> None:
        """Warn of images that are left out."""
        if skipped:
            warnings.warn(f"skipped {len(skipped)} unreadable images: {', '.join(skipped)}", stacklevel=3)
        if dangling:
            names = ", ".join(dangling)
            warnings.warn(f"{printable(self.root)} holds links to nothing, left out: {names}", stacklevel=3)

    def check(self, images: Sequence[str]) -> None:
        """Raise DataError that lists every one of these images that cannot be read."""
        if bad := self._faults({name: self.path(name) for name in images}):
            raise self._refused(bad, len(images))

    def fingerprint(self, images: Sequence[str] | None = None) -> str:
        """Short SHA-256 of ids and sizes in bytes of these images, or all that are listed; none is opened."""
        paths = {n: self.path(n) for n in images} if images is not None else self._listing().images
        return sha256("".join(f"{name}\0{_bytes(path)}\n" for name, path in paths.items()).encode()).hexdigest()[:16]

    def load(self, name: str) -> Tensor:
        """(3, side, side), or (channels, side, side), in [-1, 1]."""
        return to_tensor(_kept.crop(self.path(name), self.side, self.channels))

    def path(self, name: str) -> Path:
        """The file of an id, which may be absent."""
        return find_image(self.root, name)

    def size(self, name: str) -> tuple[int, int]:
        """(width, height) of the whole image, upright."""
        return upright_size(self.path(name))

    def _listing(self) -> Listing:
        if not self.root.is_dir():
            what = "it is a file, not a folder" if self.root.is_file() else self.where
            raise DataError(f"no folder at {printable(self.root)}; {what}")
        return list_images(self.root, suffixes() if self.channels is None else suffixes() | {".npy"})

    def _faults(self, images: Mapping[str, Path]) -> dict[str, str]:
        faults = {name: _kept.fault(path, self.side, self.channels) for name, path in images.items()}
        return {name: fault for name, fault in faults.items() if fault}

    def _refused(self, bad: Mapping[str, str], among: int) -> DataError:
        return DataError(f"{len(bad)} of {among} images cannot be read ({'; '.join(bad.values())}); {self.remedy}")


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _nothing(root: Path, listing: Listing, arrays: bool) -> str:
    kinds = ".npy, .png, .jpg" if arrays else ".png, .jpg"
    other_files = [f"{count} {what}" for what, count in sorted(listing.seen.items())]
    if listing.dangling:
        other_files.append(f"links to nothing ({', '.join(listing.dangling)})")
    return (
        f"no images in {printable(root)}; expected files ending in {kinds}, .webp, .tif or another suffix that "
        f"Pillow reads, saw {', '.join(other_files) or 'no file'}"
    )
