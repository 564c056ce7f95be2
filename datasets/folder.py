"""Any folder of images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import invbench as ib
from invbench import ConfigError, Dataset, Shape, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


class _Files(Dataset):
    """Images below a folder of the user's."""

    places: ClassVar[tuple[str, ...]] = ("root",)
    root: str

    def ids(self) -> Sequence[str]:
        return self._images().ids()

    def load(self, image_id: str) -> Tensor:
        return self._images().load(image_id)

    def fingerprint(self) -> str:
        return self._images().fingerprint()

    def check(self, images: Sequence[str]) -> None:
        self._images().check(images)

    @abstractmethod
    def _images(self) -> ib.ImageFolder:
        """What is in the folder."""

    def _root(self) -> Path:
        if not self.root:
            raise ConfigError(f"dataset={self.name} needs the folder: dataset.root=FOLDER")
        return ib.data_root(self.name, self.root)


@dataclass(frozen=True)
class Folder(_Files):
    """Images below ``root``, recursively, in lexicographic order of their paths.

    Rule: centre crop to the shorter side, antialiased bilinear resize to ``side``. Grayscale is repeated over
    the channels, transparency is laid over mid-grey, 16 bits become 8; a photograph stored sideways is turned upright
    (EXIF). Hidden files are left out, links followed. ``unreadable``: refuse or skip.
    """

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "any folder of images: dataset.root=FOLDER dataset.side=64"
    root: str = ""
    side: int = 64
    unreadable: str = "refuse"

    @property
    def x_shape(self) -> Shape:
        return (3, self.side, self.side)

    def _images(self) -> ib.ImageFolder:
        return ib.ImageFolder(self._root(), self.side, self.unreadable)


@dataclass(frozen=True)
class Arrays(_Files):
    """Images of 1 to 4 ``channels`` below ``root``: ``.npy`` arrays, and for 1 or 3 channels pictures.

    An array is (H, W) or (C, H, W), of bytes or of floating point numbers in [-1, 1]. A picture is grey for one
    channel, where colours become their luma (ITU-R 601), and RGB for three. They are cropped, resized, ordered and
    refused as those of dataset ``folder``.
    """

    name: ClassVar[str] = "arrays"
    summary: ClassVar[str] = "a folder of grey pictures or .npy arrays of 1 to 4 channels: dataset.root=FOLDER"
    root: str = ""
    side: int = 64
    channels: int = 1
    unreadable: str = "refuse"

    def __post_init__(self) -> None:
        if not 1 <= self.channels <= 4:
            raise ConfigError(f"arrays: images have 1 to 4 channels; got channels={self.channels}")

    @property
    def x_shape(self) -> Shape:
        return (self.channels, self.side, self.side)

    def check(self, images: Sequence[str]) -> None:
        if images:
            self.load(images[0])  # of a folder of other channels one image says so
        super().check(images)

    def _images(self) -> ib.ImageFolder:
        remedy = f"images have {self.channels} channels as dataset.channels says; dataset.unreadable=skip omits others"
        return ib.ImageFolder(self._root(), self.side, self.unreadable, remedy=remedy, channels=self.channels)


@hookimpl
def invbench_register_datasets() -> list[type[Dataset]]:
    return [Folder, Arrays]
