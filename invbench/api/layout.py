"""A user's measurement as problems that operator and prior take: as a whole, or a picture in padded tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from invbench.api.measurements import BLURS, Own, as_measured, extended, scale_of
from invbench.api.parts import Parts
from invbench.api.tiles import Tiling
from invbench.errors import ConfigError
from invbench.linops import Selection
from invbench.operator import Operator, Shape

WHOLE, TILE, OVERLAP = (
    512,
    256,
    32,
)  # sides in pixels: the largest image that is restored as a whole; a tile; the overlap of tiles
MARGIN = 32  # around blurred images
MOST = 128  # pixels that are added to fit a prior
SMALL = 64

Layout: TypeAlias = "Exact | Pictured"


def layout(parts: Parts, own: Own, tile: int, size: str) -> Layout:
    """How to restore a measurement. Raises ConfigError if it does not fit the operator, or the image the prior."""
    if own.picture and parts.own_operator is None and not size:
        return Pictured(parts, own, tile)
    return Exact(parts, own, size)


class Exact:
    """A measurement in the shape of its operator's, restored as a whole."""

    def __init__(self, parts: Parts, own: Own, size: str) -> None:
        self.A = parts.own_operator or parts.operator(_shape(size, own.values.shape))
        y = own.values
        if own.picture and tuple(y.shape) != tuple(self.A.y_shape):
            y = as_measured(y[None], self.A)[0]
        if tuple(y.shape) != tuple(self.A.y_shape):
            expected = tuple(self.A.y_shape)
            raise ConfigError(f"expected y in the operator's shape {expected}; got {tuple(own.values.shape)}")
        if y.is_complex() != self.A.measures_complex:
            kinds = ("complex", "real") if self.A.measures_complex else ("real", "complex")
            raise ConfigError(f"the operator's measurements are {kinds[0]}; y is {kinds[1]}")
        parts.refuse(self.A.x_shape)
        self.y = y[None]

    def tiles(self) -> Iterator[tuple[Operator, Tensor]]:
        """The operator and the measurement (1, *y_shape)."""
        yield self.A, self.y

    def joined(self, tiles: list[Tensor]) -> Tensor:
        """The image of the tile."""
        return tiles[0]

    def inside(self, residual: Tensor) -> Tensor:
        """The part of A x - y that counts: all of it."""
        return residual


class Pictured:
    """A picture, padded to a size that operator and prior take, and split into tiles if it is large."""

    def __init__(self, parts: Parts, own: Own, tile: int) -> None:
        self.parts, self.own, self.channels = parts, own, len(own.values)
        self.scale = scale_of(parts.operator, own)
        height, width = (side * self.scale for side in own.values.shape[1:])
        self.mask = self._mask(height, width)
        self.margin = MARGIN if self._blurs(height, width) else 0
        side = tile or (TILE if max(height, width) > WHOLE else max(height, width))
        core = (min(height, side // self.scale * self.scale), min(width, side // self.scale * self.scale))
        self.tiling = Tiling(height, width, *core, min(OVERLAP, min(core) // 4) // self.scale * self.scale)
        tall, wide = (each + 2 * self.margin for each in core)
        self.shape = _least(parts, (self.channels, tall, wide), self.scale)
        self.extra = (self.shape[1] - tall, self.shape[2] - wide)

    def tiles(self) -> Iterator[tuple[Operator, Tensor]]:
        """Each tile's operator and measurement (1, *y_shape). Tiles share one operator, unless the task is a mask."""
        s, (tall, wide) = self.scale, (self.tiling.tall, self.tiling.wide)
        shared = None if self.mask is not None else self.parts.operator(self.shape)
        for top, left in self.tiling.corners:
            crop = self.own.values[:, top // s : (top + tall) // s, left // s : (left + wide) // s]
            y = extended(crop, self.margin // s, self.extra[0] // s, self.extra[1] // s, fade=self.margin > 0)[None]
            A = shared or self._selection(top, left)
            yield A, as_measured(y, A)

    def joined(self, tiles: list[Tensor]) -> Tensor:
        """The image of the tiles (K, C, h, w)."""
        return self.tiling.join([self._core(tile) for tile in tiles])

    def inside(self, residual: Tensor) -> Tensor:
        """The part of A x - y that counts: for a blur, without the margin, which is padding."""
        return self._core(residual) if self.margin else residual

    def _core(self, x: Tensor) -> Tensor:
        m = self.margin
        return x[..., m : m + self.tiling.tall, m : m + self.tiling.wide]

    def _mask(self, height: int, width: int) -> Tensor | None:
        """Which pixels (H, W) are measured, where the task is a mask."""
        if not isinstance(self._sample(height, width), Selection):
            return None
        A = self.parts.operator((self.channels, height, width))
        return A.guess(torch.ones(1, *A.y_shape))[0, 0] > 0

    def _blurs(self, height: int, width: int) -> bool:
        return self.mask is None and isinstance(self._sample(height, width), BLURS)

    def _sample(self, height: int, width: int) -> Operator:
        """An operator of the task's kind, for a small image if it takes one."""
        small = [min(side, SMALL * self.scale) for side in (height, width)]
        try:
            return self.parts.operator((self.channels, small[0], small[1]))
        except ConfigError:  # a mask has the size of the image, a kernel may be larger
            return self.parts.operator((self.channels, height, width))

    def _selection(self, top: int, left: int) -> Operator:
        """The mask of a tile; pixels that are added to fit the prior are not measured."""
        assert self.mask is not None
        part = self.mask[top : top + self.tiling.tall, left : left + self.tiling.wide]
        measured = torch.zeros(self.shape[1:], dtype=torch.bool)
        measured[: part.shape[0], : part.shape[1]] = part
        if not measured.any():
            raise ConfigError("a whole tile of the picture is missing; choose a larger tile, for example tile=512")
        return Selection(self.shape, measured.flatten().nonzero()[:, 0])


def _least(parts: Parts, core: Shape, step: int) -> Shape:
    """The smallest image shape, this one or larger by steps, that the prior takes. Raises ConfigError."""
    channels, tall, wide = core
    added = range(0, MOST + 1, step)
    sizes = sorted((down + right, down, right) for down in added for right in added)
    for _, down, right in sizes:
        try:
            parts.refuse(shape := (channels, tall + down, wide + right))
        except ConfigError:
            continue
        return shape
    parts.refuse(core)
    raise ConfigError(f"the prior takes no images of about {tall}x{wide}")


def _shape(size: str, measured: Sequence[int]) -> Shape:
    """(3, H, W) of "HxW", (C, H, W) of "CxHxW"."""
    sides = size.split("x")
    if len(sides) not in (2, 3) or not all(side.isdecimal() and int(side) for side in sides):
        raise ConfigError(
            f"y of shape {tuple(measured)} is not a picture, (1 or 3, H, W): expected the image's size as size=HxW, "
            f"for example size=64x64, or size=CxHxW for C channels; got {size!r}"
        )
    *channels, height, width = map(int, sides)
    return (*(channels or [3]), height, width)
