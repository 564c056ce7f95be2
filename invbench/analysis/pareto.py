"""Quality against cost: the Pareto front, and the best solver under a budget of network calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from invbench.analysis.columns import CALLS, IMAGES, SECONDS
from invbench.analysis.comparable import by_measurement, headline, label, mean_of, shared_images
from invbench.analysis.digits import format_value
from invbench.analysis.table import Table
from invbench.errors import ConfigError, unknown
from invbench.metric import Metric
from invbench.store.reader import LoadedCell

COSTS = {"nfe": CALLS, "seconds": SECONDS}


def parse_budgets(text: str) -> list[float]:
    """Budgets such as ``20,100,1000``. Raises ConfigError for anything but numbers of calls, 0 or more.

    >>> parse_budgets("20, 100")
    [20.0, 100.0]
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[0-9]+(\.[0-9]+)?", part) for part in parts):
        raise ConfigError(f"--budgets takes numbers of network calls, for example 20,100,1000; got {text!r}")
    return [float(part) for part in parts]


def pareto(points: Sequence[tuple[float, float]], higher: bool) -> list[int]:
    """Indices of the Pareto-optimal points (cost, value), in order of increasing cost.

    >>> pareto([(20, 23.0), (1, 24.0), (100, 24.5), (0, 21.0)], higher=True)
    [3, 1, 2]
    """
    sign = 1 if higher else -1
    front: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -sign * points[i][1])):
        if not front or sign * points[i][1] > sign * points[front[-1]][1]:
            front.append(i)
    return front


def best_under(
    cells: Sequence[LoadedCell], metric: str, budgets: Sequence[float], higher: bool
) -> list[LoadedCell | None]:
    """For each budget of network calls per sample, the cell with the best mean over the common images.

    None if no cell is within the budget. Calls are forward passes, as counted in the literature.
    """
    images = shared_images(cells, metric)
    scored = [(mean_of(cell, COSTS["nfe"], images), mean_of(cell, metric, images), cell) for cell in cells]
    known = [(cost, value, cell) for cost, value, cell in scored if cost is not None and value is not None]
    choose = max if higher else min
    return [
        choose(within, key=lambda each: each[1])[2] if (within := [k for k in known if k[0] <= budget]) else None
        for budget in budgets
    ]


def budget_tables(
    cells: Sequence[LoadedCell], metrics: Mapping[str, type[Metric]], budgets: Sequence[float], only: Sequence[str] = ()
) -> list[Table]:
    """A table per measurement: the best solver under each budget, a row per metric that has a better direction.

    Raises ConfigError for a metric of ``only`` that no record has, or that has no direction.
    """
    ranked = _ranked(cells, metrics)
    if bad := [name for name in only if name not in ranked]:
        raise ConfigError(unknown("metric with a best value", bad[0], ranked))
    chosen = {name: ranked[name] for name in only or ranked}
    return [_budget_table(group, chosen, budgets, metrics) for group in by_measurement(cells)]


def _ranked(cells: Sequence[LoadedCell], metrics: Mapping[str, type[Metric]]) -> dict[str, bool]:
    """The recorded metrics of images that have a better direction, and whether higher is better."""
    recorded = {name for cell in cells for name in cell.frame["metric"].unique()}
    of_images = [metric for name, metric in metrics.items() if name in recorded and metric.table == IMAGES]
    return {m.name: m.higher_is_better for m in of_images if m.higher_is_better is not None}


def _budget_table(
    cells: Sequence[LoadedCell],
    higher: Mapping[str, bool],
    budgets: Sequence[float],
    metrics: Mapping[str, type[Metric]],
) -> Table:
    solved = [cell for cell in cells if cell.images]
    lines = []
    for metric, up in higher.items():
        images = shared_images(solved, metric)
        line = {"best": f"{metric} {'↑' if up else '↓'}", "n": str(len(images))}
        for budget, cell in zip(budgets, best_under(solved, metric, budgets, up), strict=True):
            line[f"within {budget:g} NFE"] = _entry(cell, cells, metric, images, metrics) if cell else "-"
        lines.append(line)
    notes = (
        f"Best mean of one sample over the n images for which all {len(solved)} rows have a value; NFE are forward "
        "network calls per sample. 'invbench versus' says whether two solvers differ.",
    )
    return Table(headline(cells[0].run), pd.DataFrame(lines), notes)


def _entry(
    cell: LoadedCell,
    cells: Sequence[LoadedCell],
    metric: str,
    images: Sequence[str],
    metrics: Mapping[str, type[Metric]],
) -> str:
    value, nfe = mean_of(cell, metric, images), mean_of(cell, COSTS["nfe"], images)
    return f"{label(cell, cells)} {format_value(metric, value or 0.0, metrics)} ({nfe:g} NFE)"
