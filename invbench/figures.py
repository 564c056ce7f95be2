"""Records to pictures."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from invbench.errors import StoreError
from invbench.records import LAST, MEAN, LoadedCell
from invbench.tables import label, measurement_key

if TYPE_CHECKING:
    from torch import Tensor

    from invbench.bank import MeasurementBank
    from invbench.metric import Measurement
    from invbench.posterior import ExactPosterior

Column = tuple[str, Sequence[np.ndarray], Sequence[str]]  # title, a picture per image, a caption per image
SHOWN = 6  # samples in a figure of samples


def comparison(bank: MeasurementBank, cells: Sequence[LoadedCell], path: Path, rows: int = 4) -> Path | None:
    """Truth, measurement and each solver's reconstruction of the first images, with their PSNR; None without images.

    Cells must share the bank's measurement. Written as PNG or, by the path's suffix, as a vector format.
    """
    shown = [c for c in cells if c.rows]
    images = _images(bank, shown)[:rows]
    if not images:
        return None
    measured = bank.measure(images)
    columns: list[Column] = [
        ("truth", [picture(x) for x in measured.x], [""] * len(images)),
        ("measurement", measurement_pictures(bank, measured), [""] * len(images)),
    ]
    for cell in sorted(shown, key=_seconds):
        psnr = {(r["image"], r["sample"]): r["value"] for r in cell.rows if r["metric"] == "psnr"}
        stacks = [cell.reconstructions(image) for image in images]
        captions = [f"{psnr[image, 0]:.2f} dB" for image in images]
        columns.append((label(cell, cells), [picture(s[0]) for s in stacks], captions))
        if len(stacks[0]) > 1:
            captions = [f"{psnr[image, MEAN]:.2f} dB" for image in images]
            columns.append((f"mean of {len(stacks[0])}", [picture(s.mean(0)) for s in stacks], captions))
    return _draw(columns, path)


def spread(bank: MeasurementBank, cell: LoadedCell, path: Path, rows: int = 4) -> Path | None:
    """Truth, measurement, the first samples, their mean and their standard deviation; None without images.

    The standard deviation is the root mean square over channels; white is the caption's value.
    """
    images = _images(bank, [cell])[:rows]
    if not images:
        return None
    measured = bank.measure(images)
    stacks = [cell.reconstructions(image) for image in images]
    K, blank = len(stacks[0]), [""] * len(images)
    columns: list[Column] = [
        ("truth", [picture(x) for x in measured.x], blank),
        ("measurement", measurement_pictures(bank, measured), blank),
        *((f"sample {k + 1}", [picture(s[k]) for s in stacks], blank) for k in range(min(K, SHOWN))),
        (f"mean of {K}", [picture(s.mean(0)) for s in stacks], blank),
    ]
    deviations = [s.var(0).mean(0, keepdim=True).sqrt() for s in stacks]
    tops = [float(d.max()) for d in deviations]
    grey = [picture(2 * d / max(top, 1e-12) - 1) for d, top in zip(deviations, tops, strict=True)]
    columns.append((f"std of {K}", grey, [f"white = {top:.2f}" for top in tops]))
    return _draw(columns, path)


def plane(
    bank: MeasurementBank, cells: Sequence[LoadedCell], exact: ExactPosterior | None, path: Path, rows: int = 4
) -> Path | None:
    """Samples of each solver over the exact posterior of the first images of two pixels; None where it is not known."""
    shown = sorted((c for c in cells if c.rows), key=_seconds)
    images = _images(bank, shown)[:rows]
    if exact is None or not images:
        return None
    measured = bank.measure(images)
    grid, density = _density(exact, measured)
    plt = _pyplot()
    fig, axes = plt.subplots(len(images), len(shown), figsize=(2.3 * len(shown), 2.4 * len(images)), squeeze=False)
    for j, cell in enumerate(shown):
        for i, image in enumerate(images):
            ax, points = axes[i, j], cell.reconstructions(image).reshape(-1, 2)
            ax.contour(grid, grid, density[i], levels=[0.05, 0.3, 0.8], colors="0.55", linewidths=1)
            ax.plot(*points.T, ".", color="C0", markersize=4, alpha=0.6)
            ax.plot(*measured.x[i].flatten(), "x", color="C3", markersize=7)
            ax.set(xticks=[], yticks=[], xlim=(grid[0], grid[-1]), ylim=(grid[0], grid[-1]), aspect="equal")
            if i == 0:
                ax.set_title(label(cell, cells), fontsize=9)
    axes[-1, 0].set_xlabel("grey: posterior density, x: truth", fontsize=8)
    return _save(fig, path)


def _density(exact: ExactPosterior, measured: Measurement) -> tuple[np.ndarray, np.ndarray]:
    """Posterior density of each image on a square grid, relative to its highest value."""
    import torch

    axis = torch.linspace(-1.3, 1.3, 131, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    y = measured.y.flatten(1).double()
    logs = torch.stack([exact.posterior.log_prob(points, row.expand(len(points), -1)) for row in y])
    relative = (logs - logs.max(1, keepdim=True).values).exp().reshape(len(y), len(axis), len(axis))
    return axis.numpy(), relative.transpose(1, 2).numpy()  # contour wants the second pixel along rows


def picture(x: Tensor) -> np.ndarray:
    """(C, H, W) in [-1, 1] -> (H, W, 3) in [0, 1], clipped."""
    rgb = ((x.clamp(-1, 1) + 1) / 2).permute(1, 2, 0).cpu().numpy()
    return np.repeat(rgb, 3, axis=2) if rgb.shape[2] == 1 else rgb


def measurement_pictures(bank: MeasurementBank, measured: Measurement) -> list[np.ndarray]:
    """y itself where it is an image, else the operator's first guess of one (H^+ y where there is an SVD)."""
    A, y = bank.A, measured.y
    is_image = len(A.y_shape) == 3 and A.y_shape[0] in (1, 3)
    return [picture(row) for row in (y if is_image else A.guess(y))]


def _draw(columns: Sequence[Column], path: Path) -> Path:
    rows, plt = len(columns[0][1]), _pyplot()
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
    return _save(fig, path)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _save(fig: Any, path: Path) -> Path:
    fig.tight_layout(pad=0.4)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fig.savefig(path, dpi=150)
    except OSError as error:
        raise StoreError(f"cannot write the figure to {path}: {error.strerror}") from None
    finally:
        _pyplot().close(fig)
    return path


def _images(bank: MeasurementBank, cells: Sequence[LoadedCell]) -> list[str]:
    """Images that every cell has finished, in the order of the dataset."""
    done = [{r["image"] for r in c.rows if r["metric"] == LAST} for c in cells]  # not those a kill left half written
    return [i for i in bank.dataset.ids() if done and all(i in d for d in done)]


def _seconds(cell: LoadedCell) -> float:
    return float(np.mean([r["value"] for r in cell.rows if r["metric"] == "seconds"]))


def training_curve(folder: Path) -> Path:
    """Draw what a training logged, a panel per figure; returns ``losses.png`` in its folder."""
    import json

    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    names = list(dict.fromkeys(key for line in lines for key in line if key not in ("step", "time")))
    figure = Figure(figsize=(3.2 * len(names), 2.6), layout="constrained")
    for axes, name in zip(np.ravel(figure.subplots(1, len(names))), names, strict=True):
        steps, values = zip(*((line["step"], line[name]) for line in lines if name in line), strict=True)
        axes.plot(steps, values, linewidth=1)
        axes.set(title=name, xlabel="step")
        if min(values) > 0 and max(values) > 10 * min(values):
            axes.set_yscale("log")
    path = folder / "losses.png"
    figure.savefig(path, dpi=120)
    return path


def figure_place(config: Mapping[str, Any], out: Path) -> tuple[Path, str]:
    """The folder of a measurement's figures, and how their names end."""
    short = hashlib.sha256(measurement_key(config).encode()).hexdigest()[:6]
    folder = out / config["benchmark"]["name"] / config["task"]["name"]
    return folder, f"{config['dataset']['name']}-seed{config['seed']}-{short}.png"


def figures_of(cells: Sequence[LoadedCell], out: Path) -> list[Path]:
    """The figures of comparable cells that are there: of all of them, and of the samples of each."""
    folder, end = figure_place(cells[0].run["config"], out)
    names = [f"figure-{end}", *(samples_name(cell, end) for cell in cells)]
    return [folder / name for name in names if (folder / name).is_file()]


def samples_name(cell: LoadedCell, end: str) -> str:
    """The name of the figure of a cell's samples."""
    return f"samples-{cell.run['config']['solver']['name']}-{cell.id[:6]}-{end}"


def showable(x_shape: Sequence[int]) -> bool:
    """Whether an image of this shape is worth drawing."""
    return x_shape[0] in (1, 3) and math.prod(x_shape[1:]) >= 64
