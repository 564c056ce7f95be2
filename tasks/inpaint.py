"""Inpainting: some pixels are missing. Only kept pixels are measured, y (C, k)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import invbench as ib
from invbench import ConfigError, Operator, Rng, Shape, Task, hookimpl


@dataclass(frozen=True)
class InpaintBox(Task):
    """A centred square of ``box`` pixels a side is missing (DAVI: 128 of 256), or the white of a picture, ``mask``."""

    name: ClassVar[str] = "inpaint"
    summary: ClassVar[str] = "a centred square, or a mask, is missing"
    places: ClassVar[tuple[str, ...]] = ("mask",)
    box: int = 128
    mask: str = ""

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        del rng
        _, H, W = x_shape
        if self.mask:
            return without_mask(x_shape, Path(self.mask).expanduser())
        return without_box(x_shape, self.box, (H - self.box) // 2, (W - self.box) // 2)


@dataclass(frozen=True)
class InpaintAnywhere(Task):
    """A square of side ``box`` pixels is missing at random, at the same place in every image of a cell.

    The square may touch the border, which the DAVI paper's keeps 16 pixels off. Its test of an unknown mask (fig. 6)
    trains on this task with ``training.redraw=true``, and runs ``inpaint task.box=196 solver.transfer=true``.
    """

    name: ClassVar[str] = "inpaint_anywhere"
    summary: ClassVar[str] = "a square is missing somewhere"
    box: int = 128

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        _, H, W = x_shape
        top, left = (int(rng.integers(max(1, side - self.box + 1), ())[0]) for side in (H, W))
        return without_box(x_shape, self.box, top, left)


@dataclass(frozen=True)
class InpaintRandom(Task):
    """A random share ``missing`` of the pixels is missing, the same pixels in every image of a cell."""

    name: ClassVar[str] = "inpaint_random"
    summary: ClassVar[str] = "random pixels are missing"
    missing: float = 0.5

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        _, H, W = x_shape
        k = H * W - round(self.missing * H * W) if 0 < self.missing < 1 else 0
        if not 1 <= k < H * W:
            raise ConfigError(f"inpaint_random: 'missing' must leave some pixels and take some; got {self.missing}")
        return ib.Selection(x_shape, rng.permutation(H * W)[0, :k].sort().values)


@dataclass(frozen=True)
class InpaintStrokes(Task):
    """Strokes of a brush are missing, a free form, the same in every image of a cell.

    Each of ``strokes`` begins anywhere and walks half the image's side, turning by a random 0.2 radians (standard
    deviation) a pixel; the brush is ``width`` pixels wide.
    """

    name: ClassVar[str] = "inpaint_strokes"
    summary: ClassVar[str] = "strokes of a brush are missing"
    strokes: int = 8
    width: int = 24

    def operator(self, x_shape: Shape, rng: Rng) -> Operator:
        import torch

        _, H, W = x_shape
        if self.strokes < 1 or self.width < 1:
            raise ConfigError(
                f"inpaint_strokes: strokes and width must be at least 1; got {self.strokes}, {self.width}"
            )
        missing, pixels = torch.zeros(H, W, dtype=torch.bool), torch.cartesian_prod(torch.arange(H), torch.arange(W))
        for _ in range(self.strokes):
            start = torch.stack([rng.integers(H, ())[0], rng.integers(W, ())[0]])
            turn = rng.integers(360, ())[0] * torch.pi / 180 + 0.2 * rng.randn((max(H, W) // 2,))[0].double().cumsum(0)
            path = start + torch.stack([turn.sin(), turn.cos()], dim=1).cumsum(0)
            near = (pixels[:, None] - path).square().sum(2).amin(1) <= (self.width / 2) ** 2
            missing |= near.reshape(H, W)
        if missing.all():
            raise ConfigError(f"inpaint_strokes: {self.strokes} strokes {self.width} wide leave no pixel; take fewer")
        return ib.Selection(x_shape, (~missing).flatten().nonzero()[:, 0])


def without_mask(x_shape: Shape, path: Path) -> Operator:
    """Keep what is dark in a mask. Raises ConfigError for one of another size, or that keeps all or nothing."""
    missing, (_, H, W) = ib.read_plane(path) >= 0.5, x_shape
    if tuple(missing.shape) != (H, W):
        raise ConfigError(f"inpaint: the mask is {missing.shape[0]}x{missing.shape[1]}, the image {H}x{W}; crop either")
    if missing.all() or not missing.any():
        raise ConfigError(f"inpaint: {path} is {'all' if missing.all() else 'nowhere'} white; what is white is missing")
    return ib.Selection(x_shape, (~missing).flatten().nonzero()[:, 0])


def without_box(x_shape: Shape, box: int, top: int, left: int) -> Operator:
    """Keep the pixels outside of a square. Raises ConfigError for one that leaves none."""
    import torch

    _, H, W = x_shape
    if not 1 <= box < min(H, W):
        raise ConfigError(f"inpaint: the box must be smaller than the image; got box={box} on {H}x{W}")
    keep = torch.ones(H, W, dtype=torch.bool)
    keep[top : top + box, left : left + box] = False
    return ib.Selection(x_shape, keep.flatten().nonzero()[:, 0])


@hookimpl
def invbench_register_tasks() -> list[type[Task]]:
    return [InpaintBox, InpaintAnywhere, InpaintRandom, InpaintStrokes]
