"""Several seeds of one experiment: how much a score varies between images, and how much between noise draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from invbench.analysis.clusters import by_cluster, labels
from invbench.analysis.comparable import headline, label
from invbench.analysis.digits import format_value
from invbench.analysis.pooled import by_configuration, by_experiment
from invbench.analysis.stats import components, mean_difference
from invbench.analysis.table import Table
from invbench.metric import Metric
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell

DEVIATIONS = ("std images", "std seeds", "std rest")
NOTES = (
    "Mean over images and seeds with a 95 % interval for other images and other seeds; standard deviations between "
    "images, between seeds, and of what neither explains (two-way analysis of variance). Of two or three seeds that "
    "matter as much as images, the interval covers 88 to 92 %.",
)


def seed_tables(cells: Sequence[LoadedCell], metrics: Mapping[str, type[Metric]]) -> list[Table]:
    """A table for each experiment that was run with several seeds: only measurements and samples differ."""
    return [table for group in by_experiment(cells) if (table := _table(group, metrics))]


def _table(cells: Sequence[LoadedCell], metrics: Mapping[str, type[Metric]]) -> Table | None:
    lines = []
    for same in by_configuration(cells):
        seeds = sorted({cell.run.config.seed for cell in same})
        if len(seeds) < 2:
            continue
        name = label(same[0], [c for c in cells if c.run.config.seed == seeds[0]])
        lines += [{"solver": name, "seeds": ", ".join(map(str, seeds)), **line} for line in _lines(same, metrics)]
    if not lines:
        return None
    return Table(f"{headline(cells[0].run, seed=False)} | seeds", pd.DataFrame(lines), NOTES)


def _lines(cells: Sequence[LoadedCell], metrics: Mapping[str, type[Metric]]) -> list[dict[str, str]]:
    """One line for each metric that measures quality."""
    scored = [c.frame.assign(seed=c.run.config.seed) for c in cells if c.rows]
    if len(scored) < 2:  # of a solver that was skipped, or failed
        return []
    rows = pd.concat(scored)
    rows = rows[(rows["sample"] != MEAN) & rows["metric"].isin(list(metrics))]
    groups = {image: group for cell in cells for image, group in cell.groups.items()}
    lines = []
    for (metric, _), scores in rows.groupby(["metric", "protocol"], sort=False):
        values = scores.pivot_table(index="image", columns="seed", values="value").dropna()
        clusters = by_cluster(values.to_numpy(float), labels(values.index, groups))
        if min(clusters.shape) > 1:
            lines.append({"metric": str(metric), "n": str(len(values)), **_parts(clusters, str(metric), metrics)})
    return lines


def _parts(scores: NDArray[np.float64], metric: str, metrics: Mapping[str, type[Metric]]) -> dict[str, str]:
    """Mean and standard deviations of scores (clusters of images, seeds), in words."""
    if np.isinf(scores).any():  # restored exactly: infinite scores have no standard deviation
        return {
            "mean": format_value(metric, mean_difference(scores.ravel()), metrics),
            **dict.fromkeys(DEVIATIONS, "-"),
        }
    mean, half, *parts = (format_value(metric, v, metrics) for v in components(scores))
    return {"mean": f"{mean} ± {half}", **dict(zip(DEVIATIONS, parts, strict=True))}
