"""Any folder of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import invbench as ib
from invbench import ConfigError, Dataset, Shape, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Folder(Dataset):
    """Images below ``root``, recursively, in lexicographic order of their paths.

    Rule: centre crop to the shorter side, antialiased bilinear resize to ``side``. Grayscale is repeated over
    the channels, transparency is laid over mid-grey, 16 bits become 8; a photograph stored sideways is turned upright
    (EXIF). Hidden files are left out, links followed. ``unreadable``: refuse or skip.
    """

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "any folder of images: dataset.root=FOLDER dataset.side=64"
    places: ClassVar[tuple[str, ...]] = ("root",)
    root: str = ""
    side: int = 64
    unreadable: str = "refuse"

    @property
    def x_shape(self) -> Shape:
        return (3, self.side, self.side)

    def ids(self) -> Sequence[str]:
        return self._images().ids()

    def load(self, image_id: str) -> Tensor:
        return self._images().load(image_id)

    def fingerprint(self) -> str:
        return self._images().fingerprint()

    def check(self, images: Sequence[str]) -> None:
        self._images().check(images)

    def _images(self) -> ib.ImageFolder:
        if not self.root:
            raise ConfigError("dataset=folder needs the folder: dataset.root=FOLDER")
        return ib.ImageFolder(ib.data_root(self.name, self.root), self.side, self.unreadable)


@hookimpl
def invbench_register_datasets() -> list[type[Dataset]]:
    return [Folder]
