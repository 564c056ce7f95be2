"""BSDS500 (Arbelaez et al., TPAMI 2011): photographs to train on. The files are the user's."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, overload

import invbench as ib
from invbench import ConfigError, DataError, Dataset, Shape, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Bsds500(Dataset):
    """Every crop of ``side`` pixels, and its mirror image, of every photograph below ``root`` at every scale.

    An id drawn uniformly is thus a random crop and flip, of a photograph and scale in proportion to its area.
    ``factors`` are the reductions (Lanczos), whole numbers separated by blanks. Without ``root``, the photographs are
    those in ``bsds500`` of INVBENCH_DATA. The embedded prior was trained on them: never report results on them.
    """

    name: ClassVar[str] = "bsds500"
    summary: ClassVar[str] = "all crops of the BSDS500 photographs, for training (files by hand)"
    places: ClassVar[tuple[str, ...]] = ("root",)
    root: str = ""
    side: int = 64
    factors: str = "2 3 4"

    def __post_init__(self) -> None:
        if self.side < 1:
            raise ConfigError(f"bsds500: the side of a crop must be at least 1 pixel; got {self.side}")
        if not self.factors.split() or not all(f.isdecimal() and int(f) for f in self.factors.split()):
            raise ConfigError(f"bsds500: factors are whole numbers separated by blanks; got {self.factors!r}")

    @property
    def x_shape(self) -> Shape:
        return (3, self.side, self.side)

    def ids(self) -> Sequence[str]:
        return _crops(self._images(), tuple(map(int, self.factors.split())))

    def windows(self) -> ib.Windows:
        images, crops = self._images(), _crops(self._images(), tuple(map(int, self.factors.split())))

        def pixels(index: int) -> Any:
            source = crops.sources[index]
            return _read(images.path(source.file), source.factor)

        sizes = [(source.rows + self.side - 1, source.cols + self.side - 1) for source in crops.sources]
        return ib.Windows(sizes, pixels, crops.places)

    def fingerprint(self) -> str:
        return self._images().fingerprint()

    def load(self, image_id: str) -> Tensor:
        import torch

        file, factor, top, left, flip = image_id.rsplit("@", 4)
        rows, cols = (slice(int(start), int(start) + self.side) for start in (top, left))
        pixels = _reduced(self._images().path(file), int(factor))[rows, cols]
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().div(127.5).sub(1)
        return (x.flip(2) if flip == "1" else x).contiguous()

    def _images(self) -> ib.ImageFolder:
        remedy = "take them out of the folder, or put them back whole"
        root = ib.data_root(self.name, self.root)
        return ib.ImageFolder(root, self.side, where=ib.data_advice(self.name), remedy=remedy)


class Source(NamedTuple):
    """A photograph at one scale, and how many positions a crop has along its rows and columns."""

    file: str
    factor: int
    rows: int
    cols: int


class Crops(Sequence[str]):
    """Ids ``file@factor@top@left@flip``, millions of them, each made when it is asked for."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self.ends = list(accumulate(2 * s.rows * s.cols for s in sources))

    def __len__(self) -> int:
        return self.ends[-1]

    def places(self, chosen: Tensor) -> Tensor:
        """Positions, int64 (B,) -> int64 (4, B): source, top, left, mirrored."""
        import torch

        ends, cols = torch.tensor(self.ends), torch.tensor([s.cols for s in self.sources])
        which = torch.searchsorted(ends, chosen, right=True)
        inside = chosen - torch.cat([ends.new_zeros(1), ends[:-1]])[which]
        return torch.stack([which, inside // 2 // cols[which], inside // 2 % cols[which], inside % 2])

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        which = bisect_right(self.ends, index)
        source = self.sources[which]
        place, flip = divmod(index - (self.ends[which - 1] if which else 0), 2)
        top, left = divmod(place, source.cols)
        return f"{source.file}@{source.factor}@{top}@{left}@{flip}"


@cache
def _crops(images: ib.ImageFolder, factors: tuple[int, ...]) -> Crops:
    sources, side = [], images.side
    names = images.ids()
    images.check(names)
    for name in names:
        width, height = images.size(name)
        sizes = ((f, height // f - side + 1, width // f - side + 1) for f in factors)
        sources += [Source(name, f, rows, cols) for f, rows, cols in sizes if rows > 0 and cols > 0]
    if not sources:
        raise DataError(
            f"bsds500: none of the {len(names)} photographs in {images.root}, "
            f"reduced by {' or '.join(map(str, factors))}, holds a crop of {side}x{side}; choose "
            "a smaller dataset.side or smaller dataset.factors"
        )
    return Crops(sources)


@cache
def _reduced(path: Path, factor: int) -> Any:
    return _read(path, factor)


def _read(path: Path, factor: int) -> Any:
    """uint8 (H // factor, W // factor, 3)."""
    import numpy as np
    from PIL import Image

    image = ib.read_rgb(path)
    size = (image.width // factor, image.height // factor)
    return np.asarray(image if factor == 1 else image.resize(size, Image.Resampling.LANCZOS))


@hookimpl
def invbench_register_datasets() -> list[type[Dataset]]:
    return [Bsds500]
