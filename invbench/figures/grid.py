"""Pictures side by side: a row per image and a column per method, as papers compare them."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from invbench.figures.canvas import RED, sheet, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Column = tuple[str, Sequence[np.ndarray], Sequence[str]]  # title, a picture per image, a caption per image
SIDE = 1.3  # inches of a picture
TITLE = 18  # characters over a picture


class Box(NamedTuple):
    """A square of a picture, in pixels."""

    top: int
    left: int
    side: int

    def scaled(self, factor: float) -> Box:
        """The same part of a picture ``factor`` times as large."""
        return Box(round(self.top * factor), round(self.left * factor), max(1, round(self.side * factor)))


@styled
def grid(columns: Sequence[Column], boxes: Sequence[Box] = (), scale: str = "") -> Figure:
    """A row per image and a column per title, with captions beneath and, with ``boxes`` per image, their enlargement.

    Boxes refer to pictures of the first column; a picture of another size, such as a small measurement, shows the same
    part.

    Pictures are (H, W, 3) in [0, 1] or (H, W) maps, which share one colour scale that ``scale`` names.
    """
    rows = len(columns[0][1])
    fig = sheet(SIDE * len(columns) + 0.6 * bool(scale), (SIDE + 0.2) * rows + 0.2, "compressed")
    axes = fig.subplots(rows, len(columns), squeeze=False)
    maps = [m for _, pictures, _ in columns for m in pictures if m.ndim == 2]
    look = {"interpolation": "nearest", "cmap": "magma", "vmin": 0, "vmax": np.quantile(maps, 0.995) if maps else 1}
    for j, (title, pictures, captions) in enumerate(columns):
        axes[0, j].set_title(fill(title, TITLE))
        for i, (image, caption) in enumerate(zip(pictures, captions, strict=True)):
            last = axes[i, j].imshow(image, **look)
            axes[i, j].set(xticks=[], yticks=[], xlabel=caption)
            if boxes:
                _enlarge(axes[i, j], image, boxes[i].scaled(len(image) / len(columns[0][1][i])))
    if scale:
        fig.colorbar(last, ax=axes, label=scale, extend="max", fraction=0.05, pad=0.01)
    return fig


def _enlarge(ax: Any, image: np.ndarray, box: Box) -> None:
    """Frame a square of a picture, and show it in the corner farthest from it."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    (top, left, side), (height, width) = box, image.shape[:2]
    corner = (0.0 if 2 * left + side > width else 0.5, 0.5 if 2 * top + side > height else 0.0)
    inset = ax.inset_axes((*corner, 0.5, 0.5), xticks=[], yticks=[])
    inset.imshow(image[top : top + side, left : left + side], interpolation="nearest", vmin=0, vmax=1)
    halo = [withStroke(linewidth=2.2, foreground="white")]
    inset.spines[:].set(color=RED, linewidth=1, path_effects=halo)
    frame = Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=RED, linewidth=1, path_effects=halo)
    ax.add_patch(frame)


def worst_square(truth: np.ndarray, others: Sequence[np.ndarray]) -> Box:
    """The square, a quarter of the height, with the largest median error of the pictures; all (H, W, 3)."""
    error = np.median([abs(other - truth).mean(2) for other in others], axis=0)
    side = -(-min(error.shape) // 4)
    sums = np.lib.stride_tricks.sliding_window_view(error, (side, side)).sum((2, 3))
    top, left = np.unravel_index(sums.argmax(), sums.shape)
    return Box(int(top), int(left), side)
