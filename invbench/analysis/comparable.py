"""Recorded cells: which are comparable, their labels, and their means over images."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from invbench.analysis.clusters import clustered
from invbench.analysis.stats import bca_interval
from invbench.errors import ConfigError
from invbench.noise import parse_noise
from invbench.settings import NAMED, TUNED, WRITTEN
from invbench.store.files import MEAN
from invbench.store.fingerprint import Measured
from invbench.store.reader import LoadedCell
from invbench.store.schema import JSON, Config, Part, Run

Key = TypeVar("Key")
Sameness = Literal["same bytes", "last bits", "different", "unknown"]
FLOAT32 = "float32"
LAST_BITS = "Measurements agree to 1e-5 of their norm and differ in last bits: rows were made on different processors."


def names_by(pairs: Iterable[tuple[Key, str]]) -> dict[Key, list[str]]:
    """Names grouped by key, in order of first appearance."""
    names: dict[Key, list[str]] = {}
    for key, name in pairs:
        names.setdefault(key, []).append(name)
    return names


def by_measurement(cells: Sequence[LoadedCell]) -> list[list[LoadedCell]]:
    """Comparable cells together, ordered by benchmark and task."""
    groups: dict[tuple[str, str, str], list[LoadedCell]] = {}
    for cell in cells:
        config = cell.run.config
        place = config.benchmark.name, config.task.name, measurement_key(config)
        groups.setdefault(place, []).append(cell)
    return [groups[place] for place in sorted(groups)]


def measurement_key(config: Config) -> str:
    """Text that is equal for cells whose solvers saw the same measurements and prior, in any precision."""
    shared = {k: v for k, v in config.plain().items() if k not in ("solver", "samples", "assumed", "plugins", "prior")}
    options = {k: v for k, v in config.prior.plain().items() if k != "dtype"}
    return json.dumps({**shared, "prior": options}, sort_keys=True)


def precision(cell: LoadedCell) -> str:
    """Precision of the network's arithmetic: float32, or the option ``dtype`` of the prior."""
    return str(cell.run.config.prior.options.get("dtype", FLOAT32))


def sameness(cells: Sequence[LoadedCell]) -> Sameness:
    """Whether cells saw the same measurements of their images: same bytes, same up to last bits, or different."""
    others = list(_other_bytes(cells))
    if not others:
        return "same bytes"
    if all(first.same(other) for first, other in others):
        return "last bits"
    known = all(first.fingerprint and other.fingerprint for first, other in others)
    return "different" if known else "unknown"


def _other_bytes(cells: Sequence[LoadedCell]) -> Iterator[tuple[Measured, Measured]]:
    """Measurements of the same image whose bytes differ: the first cell's, and another's."""
    first: dict[str, Measured] = {}
    for cell in cells:
        for image, measured in cell.measured.items():
            if measured.sha256 != first.setdefault(image, measured).sha256:
                yield first[image], measured


def label(cell: LoadedCell, cells: Sequence[LoadedCell]) -> str:
    """Solver name, with the options that differ between cells of that name, and the precision if it is not float32."""
    own = _options(cell)
    same_name = [options for options in map(_options, cells) if options["name"] == own["name"]]
    parts = [_short(k, v) for k, v in own.items() if any(options.get(k) != v for options in same_name)]
    if _alike(cell, cells) > 1:  # nothing differs but the version of a plugin
        parts.append(f"[{cell.id[:6]}]")
    if precision(cell) != FLOAT32:
        parts.append(f"[{precision(cell)}]")
    return " ".join([solver_of(cell), *parts])


def _short(key: str, value: JSON) -> str:
    """An option as a label shows it."""
    return f"{key}={value[:8] if key == 'sha256' and isinstance(value, str) else value}"


def _alike(cell: LoadedCell, cells: Sequence[LoadedCell]) -> int:
    """How many cells have these options and this precision."""
    return sum(_options(other) == _options(cell) and precision(other) == precision(cell) for other in cells)


def _options(cell: LoadedCell) -> dict[str, JSON]:
    config = cell.run.config
    assumed = {"assume": config.assumed} if config.assumed else {}
    return {**config.solver.plain(), "samples": config.samples, **assumed}


def assumptions(rows: Mapping[str, LoadedCell]) -> list[str]:
    """Which solvers were given another noise level than that of the measurements."""
    assumed = {name: cell.run.config.assumed for name, cell in rows.items()}
    levels = names_by((level, name) for name, level in assumed.items() if level)
    return [
        f"Given a noise level of {level}, not the image's own: {', '.join(names)}." for level, names in levels.items()
    ]


def scored_sets(cell: LoadedCell) -> dict[str, list[list[str]]]:
    """The sets of images, most first, that a cell was scored on, by metric."""
    sets: dict[str, list[list[str]]] = {}
    for scored in sorted(cell.all_sets().values(), key=lambda scored: -len(scored.images)):
        for score in scored.scores:
            sets.setdefault(score.metric, []).append(scored.images)
    return sets


def solver_of(cell: LoadedCell) -> str:
    """The name of a cell's solver."""
    return cell.run.config.solver.name


def means_by_image(images: pd.Categorical, values: np.ndarray) -> pd.Series:
    """Means over samples by image, in the order of names; NaN where any sample has NaN."""
    names = images.categories
    counts = np.bincount(images.codes, minlength=len(names))
    sums = np.bincount(images.codes, values, minlength=len(names))
    return pd.Series(sums[counts > 0] / counts[counts > 0], index=names[counts > 0])


def headline(run: Run, *, seed: bool = True) -> str:
    """The parts that the rows of a table share, in one line."""
    return " | ".join(title_parts(run, seed=seed))


def title_parts(run: Run, *, seed: bool = True) -> list[str]:
    """A measurement in words: benchmark, task, noise, dataset (and where its files were), prior, seed."""
    config, places = run.config, run.places
    files = {key.removeprefix("dataset."): place for key, place in places.items() if key.startswith("dataset.")}
    benchmark, task = config.benchmark, config.task
    options = ", ".join(f"{k}={v}" for k, v in task.options.items() if k != "noise")
    return [
        f"{benchmark.name} v{benchmark.version}",
        task.name + (f" ({options})" if options else ""),
        parse_noise(task.noise).label if task.noise else "noise not recorded",
        _describe(config.dataset, files),
        f"prior {config.prior.name} {(config.prior.sha256 or '')[:8]}",
        *([f"seed {config.seed}"] if seed else []),
    ]


def _describe(dataset: Part, places: Mapping[str, str]) -> str:
    fields: dict[str, JSON] = {**places, **dataset.options}
    if dataset.sha256:
        fields["sha256"] = dataset.sha256[:8]
    options = ", ".join(f"{k}={v}" for k, v in fields.items() if v != "")
    return f"dataset {dataset.name}" + (f" ({options})" if options else "")


class Standing(NamedTuple):
    """How close a cell is to its solver's defaults; the greatest of a solver's cells represents it."""

    unwritten: int  # minus the number of options written on the command line
    one_sample: bool
    images: int
    exact: bool  # in float32
    unasked: int  # minus the number of options from sets that must be requested, or were tuned
    fair: bool  # given the effective level of a noise whose level is hidden


def most_default(cell: LoadedCell) -> Standing:
    """Sort key, greatest for a solver's representative cell."""
    config, origins = cell.run.config, list(cell.run.origins.values())
    level = str(parse_noise(config.task.noise).effective) if config.assumed else ""
    return Standing(
        unwritten=-origins.count(WRITTEN),
        one_sample=config.samples == 1,
        images=len(cell.images),
        exact=precision(cell) == FLOAT32,
        unasked=-sum(origin.startswith((TUNED, NAMED)) for origin in origins),
        fair=bool(level) and config.assumed == level,
    )


def image_means(cell: LoadedCell, metric: str, images: Collection[str] | None = None) -> pd.Series:
    """Means over samples, by image; empty if the cell has no such rows.

    Raises ConfigError if the metric was scored by several protocols, which are never averaged.
    """
    chosen = set(cell.images if images is None else images)
    rows = cell.frame[(cell.frame["metric"] == metric) & (cell.frame["sample"] != MEAN)]
    rows = rows[rows["image"].isin(chosen)]
    _refuse_mixture(cell, metric, rows["protocol"].unique())
    return means_by_image(rows["image"].array, rows["value"].to_numpy(dtype=float))


def shared_images(cells: Sequence[LoadedCell], *metrics: str) -> list[str]:
    """Images that every cell has, with a value (not nan) of these metrics, sorted by name; empty without cells.

    For a metric of sets: the largest set of images that every cell with such scores was scored on.
    """
    images = set.intersection(*(set(cell.images) for cell in cells)) if cells else set()
    for metric in metrics:
        sets = [of_cell[metric] for cell in cells if metric in (of_cell := scored_sets(cell))]
        images = images.intersection(common_set(sets)) if sets else _with_value(cells, metric, images)
    return sorted(images)


def common_set(sets: Sequence[list[list[str]]]) -> list[str]:
    """The largest set of images that every cell was scored on; empty if there is no common set."""
    return next((images for images in sets[0] if all(images in others for others in sets)), [])


def _with_value(cells: Sequence[LoadedCell], metric: str, images: set[str]) -> set[str]:
    """The images for which no cell has nan."""
    for cell in cells:
        means = image_means(cell, metric, images)
        images = images.difference(means.index[means.isna()])
    return images


def mean_of(cell: LoadedCell, metric: str, images: Collection[str] | None = None) -> float | None:
    """Mean over images of the means over samples, or the score of these images as a set."""
    values = image_means(cell, metric, images)
    if len(values):
        return float(values.mean())
    scores = [s for s in cell.set_scores(cell.images if images is None else images) if s.metric == metric]
    _refuse_mixture(cell, metric, {s.protocol for s in scores})
    return scores[0].value if scores else None


def interval_of(cell: LoadedCell, metric: str, images: Collection[str] | None = None) -> tuple[float, float]:
    """The 95 % interval of ``mean_of``; its ends are nan if there is no interval."""
    values = clustered(image_means(cell, metric, images), cell.groups)
    if len(values):
        return bca_interval(values)
    scores = cell.set_scores(cell.images if images is None else images)
    return next(((s.low, s.high) for s in scores if s.metric == metric), (math.nan, math.nan))


def _refuse_mixture(cell: LoadedCell, metric: str, protocols: Collection[str]) -> None:
    if len(protocols) > 1:
        raise ConfigError(
            f"{cell.folders[0]} has {metric} by several protocols ({', '.join(sorted(protocols))}), which differ; "
            "'invbench table' shows them side by side, and overwrite=true runs the cell again with today's"
        )
