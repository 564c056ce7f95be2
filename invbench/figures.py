"""Records to pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from invbench.errors import StoreError
from invbench.records import LAST, MEAN, LoadedCell
from invbench.tables import label

if TYPE_CHECKING:
    from torch import Tensor

    from invbench.bank import MeasurementBank
    from invbench.metric import Measurement


def comparison(bank: MeasurementBank, cells: Sequence[LoadedCell], path: Path, rows: int = 4) -> Path | None:
    """Truth, measurement and each solver's reconstruction of the first images, with their PSNR; None without images.

    Cells must share the bank's measurement. Written as PNG or, by the path's suffix, as a vector format.
    """
    shown = [c for c in cells if c.rows]
    done = [{r["image"] for r in c.rows if r["metric"] == LAST} for c in shown]  # not those a kill left half written
    images = [i for i in bank.dataset.ids() if done and all(i in d for d in done)][:rows]
    if not images:
        return None
    measured = bank.measure(images)
    columns: list[tuple[str, list[np.ndarray], list[str]]] = [
        ("truth", [picture(x) for x in measured.x], [""] * len(images)),
        ("measurement", measurement_pictures(bank, measured), [""] * len(images)),
    ]
    for cell in sorted(shown, key=lambda c: np.mean([r["value"] for r in c.rows if r["metric"] == "seconds"])):
        psnr = {(r["image"], r["sample"]): r["value"] for r in cell.rows if r["metric"] == "psnr"}
        stacks = [_reconstructions(cell, image) for image in images]
        captions = [f"{psnr[image, 0]:.2f} dB" for image in images]
        columns.append((label(cell, cells), [picture(s[0]) for s in stacks], captions))
        if len(stacks[0]) > 1:
            captions = [f"{psnr[image, MEAN]:.2f} dB" for image in images]
            columns.append((f"mean of {len(stacks[0])}", [picture(s.mean(0)) for s in stacks], captions))
    return _draw(columns, path)


def picture(x: Tensor) -> np.ndarray:
    """(C, H, W) in [-1, 1] -> (H, W, 3) in [0, 1], clipped."""
    rgb = ((x.clamp(-1, 1) + 1) / 2).permute(1, 2, 0).cpu().numpy()
    return np.repeat(rgb, 3, axis=2) if rgb.shape[2] == 1 else rgb


def measurement_pictures(bank: MeasurementBank, measured: Measurement) -> list[np.ndarray]:
    """y itself where it is an image, else the operator's first guess of one (H^+ y where there is an SVD)."""
    A, y = bank.A, measured.y
    is_image = len(A.y_shape) == 3 and A.y_shape[0] in (1, 3)
    return [picture(row) for row in (y if is_image else A.guess(y))]


def _draw(columns: Sequence[tuple[str, Sequence[np.ndarray], Sequence[str]]], path: Path) -> Path:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = len(columns[0][1])
    fig, axes = plt.subplots(rows, len(columns), figsize=(2.1 * len(columns), 2.3 * rows), squeeze=False)
    for j, (title, pictures, captions) in enumerate(columns):
        for i, (image, caption) in enumerate(zip(pictures, captions, strict=True)):
            ax = axes[i, j]
            ax.imshow(image, interpolation="nearest", vmin=0, vmax=1)
            ax.set_xticks([], [])
            ax.set_yticks([], [])
            ax.set_xlabel(caption, fontsize=9)
            if i == 0:
                ax.set_title(title, fontsize=11)
    fig.tight_layout(pad=0.4)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fig.savefig(path, dpi=150)
    except OSError as error:
        raise StoreError(f"cannot write the figure to {path}: {error.strerror}") from None
    finally:
        plt.close(fig)
    return path


def _reconstructions(cell: LoadedCell, image: str) -> Tensor:
    from safetensors.torch import load_file

    path = cell.image_path(image)
    if path is None:
        raise StoreError(
            f"the reconstruction of {image} is missing from {cell.folders[0]}; run the cell with overwrite=true"
        )
    return load_file(path)["x_hat"]


def rebuild_bank(config: Mapping[str, Any], catalog: Any) -> MeasurementBank:
    """The measurement bank of a recorded cell. Raises ConfigError where a plugin no longer has its options."""
    from invbench.bank import MeasurementBank
    from invbench.config import make

    def plugin(kind: str) -> Any:
        fields = dict(config[kind])
        return make(catalog.get(kind, fields.pop("name")), fields, kind)

    benchmark = catalog.benchmark(config["benchmark"]["name"])
    return MeasurementBank.open(benchmark, plugin("dataset"), plugin("task"), config["seed"])


def showable(x_shape: Sequence[int]) -> bool:
    """Whether an image of this shape is worth drawing."""
    return x_shape[0] in (1, 3) and math.prod(x_shape[1:]) >= 64
