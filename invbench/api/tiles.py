"""Large images in overlapping tiles of one size, and how they are joined. Lengths are pixels of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tiling:
    """An image of ``height`` x ``width`` as tiles of ``tall`` x ``wide``, at least ``overlap`` shared by neighbours."""

    height: int
    width: int
    tall: int
    wide: int
    overlap: int

    @property
    def corners(self) -> list[tuple[int, int]]:
        """Top and left of each tile."""
        rows = _starts(self.height, self.tall, self.overlap)
        return list(product(rows, _starts(self.width, self.wide, self.overlap)))

    def join(self, tiles: Sequence[Tensor]) -> Tensor:
        """The image (..., H, W) of its tiles (..., h, w), which fade into each other where they overlap."""
        weight = _ramp(self.tall, self.overlap)[:, None] * _ramp(self.wide, self.overlap)
        out = tiles[0].new_zeros(*tiles[0].shape[:-2], self.height, self.width)
        total = tiles[0].new_zeros(self.height, self.width)
        for (top, left), tile in zip(self.corners, tiles, strict=True):
            place = (..., slice(top, top + self.tall), slice(left, left + self.wide))
            out[place] += weight.to(tile) * tile
            total[place] += weight.to(tile)
        return out / total


def _starts(length: int, size: int, overlap: int) -> list[int]:
    """Where tiles begin: as few as cover the length, the last ones ending with it.

    >>> _starts(100, 40, 8), _starts(40, 40, 8)
    ([0, 32, 60], [0])
    """
    stride = max(1, size - overlap)
    return [*range(0, max(1, length - size), stride), length - size] if length > size else [0]


def _ramp(size: int, overlap: int) -> Tensor:
    """Weights along a side: rising over the overlap, 1, and falling; never 0.

    >>> _ramp(6, 2)
    tensor([0.3333, 0.6667, 1.0000, 1.0000, 0.6667, 0.3333])
    """
    at = torch.arange(size) + 1.0
    edge = torch.minimum(at, at.flip(0)) / (overlap + 1)
    return edge.clamp(max=1)
