"""Pictures of records."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from itertools import product
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from invbench.analysis.columns import first
from invbench.analysis.comparable import label, measurement_key
from invbench.analysis.digits import NONE, Metrics, format_value, installed
from invbench.atomic import write_atomic
from invbench.errors import ConfigError, StoreError, unknown
from invbench.figures.canvas import BLUE, RED, log_ticks, save, sheet, styled
from invbench.figures.grid import SIDE, TITLE, Box, Column, grid, worst_square
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell
from invbench.store.schema import Config

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import Tensor

    from invbench.harness.bank import MeasurementBank
    from invbench.problem import Measurement, Posterior

MOST_SAMPLES = 6  # samples in a figure of samples


def comparison(
    bank: MeasurementBank,
    cells: Sequence[LoadedCell],
    path: Path,
    rows: int = 4,
    images: Sequence[str] = (),
    metric: str = "",
    zoom: bool = False,
    metrics: Metrics = NONE,
) -> Path | None:
    """Truth, measurement and each solver's reconstruction of some images, with a metric under each; None without any.

    Cells must share the bank's measurement. The images are the named ones, or else the first. ``zoom`` adds an enlarged
    square where the median solver errs most. Written as PNG or, by the path's suffix, as a vector format.
    """

    def pictures(cell: LoadedCell, images: Sequence[str], _x: Tensor) -> Iterator[Column]:
        stacks = [cell.reconstructions(image) for image in images]
        yield label(cell, cells), [picture(s[0]) for s in stacks], _captions(cell, metric, images, 0, metrics)
        if len(stacks[0]) > 1:
            captions = _captions(cell, metric, images, MEAN, metrics)
            yield f"mean of {len(stacks[0])}", [picture(s.mean(0)) for s in stacks], captions

    columns = _columns(bank, cells, rows, images, pictures)
    return save(grid(columns, _boxes(columns) if zoom else ()), path) if columns else None


def errors(
    bank: MeasurementBank,
    cells: Sequence[LoadedCell],
    path: Path,
    rows: int = 4,
    images: Sequence[str] = (),
    metric: str = "",
    metrics: Metrics = NONE,
) -> Path | None:
    """Truth and each solver's error, in the layout of ``comparison``; None without images."""

    def maps(cell: LoadedCell, images: Sequence[str], x: Tensor) -> Iterator[Column]:
        pictures = [error_map(cell.reconstructions(i)[0], row) for i, row in zip(images, x, strict=True)]
        yield label(cell, cells), pictures, _captions(cell, metric, images, 0, metrics)

    columns = _columns(bank, cells, rows, images, maps)
    return save(grid(columns, scale="|x_hat - x| on [-1,1], mean over channels"), path) if columns else None


def _columns(
    bank: MeasurementBank,
    cells: Sequence[LoadedCell],
    rows: int,
    images: Sequence[str],
    of: Callable[[LoadedCell, Sequence[str], Tensor], Iterable[Column]],
) -> list[Column]:
    """Columns of truth, measurement, and ``of(cell, images, truth)`` for each cell; empty without images."""
    solved = sorted((c for c in cells if c.rows), key=_seconds)
    images = chosen(bank, solved, rows, images)
    if not images:
        return []
    measured = measured_again(bank, solved, images)
    return [*_given(bank, measured), *(column for cell in solved for column in of(cell, images, measured.x))]


def spread(bank: MeasurementBank, cell: LoadedCell, path: Path, rows: int = 4) -> Path | None:
    """Truth, measurement, the first samples, their mean and their standard deviation; None without images.

    The standard deviation is the root mean square over channels; white is the caption's value.
    """
    images = chosen(bank, [cell], rows)
    if not images:
        return None
    measured = measured_again(bank, [cell], images)
    stacks = [cell.reconstructions(image) for image in images]
    K, blank = len(stacks[0]), [""] * len(images)
    columns: list[Column] = [
        *_given(bank, measured),
        *((f"sample {k + 1}", [picture(s[k]) for s in stacks], blank) for k in range(min(K, MOST_SAMPLES))),
        (f"mean of {K}", [picture(s.mean(0)) for s in stacks], blank),
    ]
    deviations = [s.var(0).mean(0, keepdim=True).sqrt() for s in stacks]
    tops = [float(d.max()) for d in deviations]
    grey = [picture(2 * d / max(top, 1e-12) - 1) for d, top in zip(deviations, tops, strict=True)]
    columns.append((f"std of {K}", grey, [f"white = {top:.2f}" for top in tops]))
    return save(grid(columns), path)


@styled
def plane(
    bank: MeasurementBank,
    cells: Sequence[LoadedCell],
    exact: Posterior | None,
    path: Path,
    rows: int = 4,
    images: Sequence[str] = (),
) -> Path | None:
    """Samples of each solver over the exact posterior of images of two pixels; None if it is not known.

    The images are the named ones, or else the first.
    """
    solved = sorted((c for c in cells if c.rows), key=_seconds)
    images = chosen(bank, solved, rows, images)
    if exact is None or not images:
        return None
    measured = measured_again(bank, solved, images)
    grid, density = _density(exact, measured)
    fig = sheet((SIDE + 0.2) * len(solved), (SIDE + 0.3) * len(images))
    axes = fig.subplots(len(images), len(solved), squeeze=False)
    for j, cell in enumerate(solved):
        for i, image in enumerate(images):
            ax, points = axes[i, j], cell.reconstructions(image).reshape(-1, 2)
            ax.contour(grid, grid, density[i], levels=[0.05, 0.3, 0.8], colors="0.55", linewidths=1)
            ax.plot(*points.T, ".", color=BLUE, markersize=3, alpha=0.6)
            ax.plot(*measured.x[i].flatten(), "x", color=RED, markersize=6)
            ax.set(xticks=[], yticks=[], xlim=(grid[0], grid[-1]), ylim=(grid[0], grid[-1]), aspect="equal")
            if i == 0:
                ax.set_title(fill(label(cell, cells), TITLE))
    axes[-1, 0].set_xlabel("grey: posterior density, x: truth")
    return save(fig, path)


def _density(exact: Posterior, measured: Measurement) -> tuple[np.ndarray, np.ndarray]:
    """Posterior density of each image on a square grid, relative to its highest value."""
    import torch

    axis = torch.linspace(-1.3, 1.3, 131, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    y = measured.y.flatten(1).double()
    logs = torch.stack([exact.log_prob(points, row.expand(len(points), -1)) for row in y])
    relative = (logs - logs.max(1, keepdim=True).values).exp().reshape(len(y), len(axis), len(axis))
    return axis.numpy(), relative.transpose(1, 2).numpy()  # contour wants the second pixel along rows


def measured_again(bank: MeasurementBank, cells: Sequence[LoadedCell], images: Sequence[str]) -> Measurement:
    """The measurements of images. Raises StoreError if the dataset's files have changed since a cell was solved."""
    from invbench.harness.bank import recorded

    measured = bank.measure(images)
    for cell, (image, now) in product(cells, zip(images, recorded(measured), strict=True)):
        if not cell.measured[image].same(now):
            raise StoreError(f"{cell.folders[0]}: {image} was solved from another measurement than is made today")
    return measured


def picture(x: Tensor) -> np.ndarray:
    """(C, H, W) in [-1, 1] -> (H, W, 3) in [0, 1], clipped."""
    rgb = ((x.clamp(-1, 1) + 1) / 2).permute(1, 2, 0).cpu().numpy()
    return np.repeat(rgb, 3, axis=2) if rgb.shape[2] == 1 else rgb


def measurement_pictures(bank: MeasurementBank, measured: Measurement) -> list[np.ndarray]:
    """y itself if it is a real image, else the operator's initial estimate (H^+ y for an operator with an SVD)."""
    A, y = bank.A, measured.y
    is_image = len(A.y_shape) == 3 and A.y_shape[0] in (1, 3) and not y.is_complex()
    return [picture(row) for row in (y if is_image else A.guess(y))]


def error_map(x_hat: Tensor, x: Tensor) -> np.ndarray:
    """|x_hat - x|, both (C, H, W), as its mean over channels: (H, W)."""
    return (x_hat - x).abs().mean(0).cpu().numpy()


def chosen(
    bank: MeasurementBank, cells: Sequence[LoadedCell], rows: int = 4, images: Sequence[str] = ()
) -> Sequence[str]:
    """The named images, or the first of the dataset, that every cell has finished.

    Raises ConfigError for an image that some cell lacks.
    """
    finished = [set(cell.images) for cell in cells]  # without those whose writing was interrupted
    shared = [i for i in bank.ids() if finished and all(i in d for d in finished)]
    if bad := [i for i in images if i not in shared]:
        raise ConfigError(unknown("image that every solver has finished", bad[0], shared))
    return images or shared[:rows]


def _boxes(columns: Sequence[Column]) -> list[Box]:
    """The square of each image in which reconstructions err most; the first columns are truth and measurement."""
    (_, truths, _), _, *others = columns
    return [worst_square(truth, [o[1][i] for o in others]) for i, truth in enumerate(truths)]


def _given(bank: MeasurementBank, measured: Measurement) -> list[Column]:
    """The columns of truth and measurement."""
    blank = [""] * len(measured.x)
    pictures = [picture(x) for x in measured.x]
    return [("truth", pictures, blank), ("measurement", measurement_pictures(bank, measured), blank)]


def _captions(cell: LoadedCell, metric: str, images: Sequence[str], sample: int, metrics: Metrics) -> list[str]:
    """A metric of a sample of each image with its unit; nothing if it was not scored."""
    metric = metric or first(metrics or installed())
    scores = {r.image: r for r in cell.rows if r.metric == metric and r.sample == sample}
    texts = {i: f"{format_value(metric, r.value, metrics)} {r.unit}".strip() for i, r in scores.items()}
    return [texts.get(image, "") for image in images]


def _seconds(cell: LoadedCell) -> float:
    return float(np.mean([r.value for r in cell.rows if r.metric == "seconds"]))


def training_curve(folder: Path) -> Path:
    """Draw the log of a training, if it has one, with a panel per quantity; returns ``losses.png`` in its folder."""
    from matplotlib.figure import Figure

    path = folder / "losses.png"
    lines = _logged(folder / "train.jsonl")
    names = [key for key in dict.fromkeys(key for line in lines for key in line) if key not in ("step", "time")]
    if not names:
        return path
    figure = Figure(figsize=(3.2 * len(names), 2.6), layout="constrained")
    for axes, name in zip(np.ravel(figure.subplots(1, len(names))), names, strict=True):
        _draw_curve(axes, name, [(line["step"], line[name]) for line in lines if name in line])
    data = BytesIO()
    figure.savefig(data, dpi=120, format="png")
    write_atomic(path, data.getvalue())
    return path


def _logged(log: Path) -> list[dict[str, float]]:
    """The lines of a training's log; empty without a log."""
    import json

    return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []


def _draw_curve(axes: Axes, name: str, points: Sequence[tuple[float, float]]) -> None:
    """The logged values by step, on a logarithmic scale if they change much."""
    steps, values = zip(*points, strict=True)
    axes.plot(steps, values, linewidth=1)
    axes.set(title=name, xlabel="step")
    if min(values) > 0 and max(values) > 10 * min(values):
        axes.set_yscale("log")
        log_ticks(axes.yaxis, *axes.get_ylim())


def figure_place(config: Config, out: Path) -> tuple[Path, str]:
    """The folder of a measurement's figures, and how their names end."""
    short = hashlib.sha256(measurement_key(config).encode()).hexdigest()[:6]
    return out / config.place, f"{config.dataset.name}-seed{config.seed}-{short}.png"


def figures_of(cells: Sequence[LoadedCell], out: Path) -> list[Path]:
    """The existing figures of comparable cells: those of all cells, and those of each cell's samples."""
    folder, end = figure_place(cells[0].run.config, out)
    names = [f"figure-{end}", *(samples_name(cell, end) for cell in cells)]
    return [folder / name for name in names if (folder / name).is_file()]


def samples_name(cell: LoadedCell, end: str) -> str:
    """The name of the figure of a cell's samples."""
    return f"samples-{cell.run.config.solver.name}-{cell.id[:6]}-{end}"


def showable(x_shape: Sequence[int]) -> bool:
    """Whether an image of this shape is worth drawing."""
    return x_shape[0] in (1, 3) and math.prod(x_shape[1:]) >= 64
