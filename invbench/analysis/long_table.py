"""Records to one long table for programs, one number per row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import pandas as pd

from invbench.analysis.clusters import Groups, clustered, labels
from invbench.analysis.comparable import by_measurement, solver_of
from invbench.analysis.digits import Metrics
from invbench.analysis.group import Group
from invbench.analysis.rows import by_column
from invbench.analysis.stats import bca_intervals, columnwise
from invbench.analysis.table import Table
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell
from invbench.store.schema import Score


@dataclass(frozen=True)
class Number:
    """A number with its interval, metric and cell."""

    benchmark: str
    task: str
    dataset: str
    prior: str
    noise: str
    seed: int
    solver: str
    options: str
    cell: str
    metric: str = ""
    protocol: str = ""
    scores: str = ""  # "one sample", "all samples" or "set"
    n: int = 0
    groups: int = 0  # of the images, of which intervals are
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    better: str = ""  # "higher" or "lower"


def long_table(cells: Sequence[LoadedCell], metrics: Metrics) -> Table:
    """Every mean and every score of a set as one row, for programs: value, interval, n, protocol."""
    numbers = [number for group in map(Group, by_measurement(cells)) for number in _numbers(group)]
    numbers = [replace(number, better=_better(number.metric, metrics)) for number in numbers]
    return Table("", pd.DataFrame(numbers, columns=[field.name for field in fields(Number)]), ())


def _numbers(group: Group) -> Iterator[Number]:
    """For each cell, the means, then the scores of sets."""
    for cell in group.cells:
        if cell.rows:
            blank = _blank(cell, group.label(cell))
            for of_mean, records in cell.frame.groupby(cell.frame["sample"] == MEAN):
                yield from _means(blank, records, "all samples" if of_mean else "one sample", cell.groups)
            yield from (_of_set(blank, score) for score in cell.sets)


def _blank(cell: LoadedCell, label: str) -> Number:
    """The fields that all numbers of a cell have in common."""
    config = cell.run.config
    return Number(
        benchmark=config.benchmark.name,
        task=config.task.name,
        dataset=config.dataset.name,
        prior=config.prior.name,
        noise=config.task.noise,
        seed=config.seed,
        solver=solver_of(cell),
        options=label,
        cell=cell.id,
    )


def _means(blank: Number, records: pd.DataFrame, scores: str, groups: Groups) -> Iterator[Number]:
    """The mean of each column over images."""
    columns = by_column(records)
    ends = columnwise(bca_intervals, [clustered(values, groups) for values in columns.values()])
    for (column, values), (low, high) in zip(columns.items(), ends, strict=True):
        named = replace(blank, metric=column.metric, protocol=column.protocol, scores=scores)
        clusters = len(set(labels(values.dropna().index, groups)))
        named = replace(named, n=int(values.count()), groups=clusters)
        yield replace(named, value=float(values.mean()), low=low, high=high)


def _of_set(blank: Number, score: Score) -> Number:
    named = replace(blank, metric=score.metric, protocol=score.protocol, scores="set")
    return replace(named, n=score.n, value=score.value, low=score.low, high=score.high)


def _better(metric: str, metrics: Metrics) -> str:
    """The direction in which a metric is better, in a word; "" if it has none."""
    higher = metrics[metric].higher_is_better if metric in metrics else None
    return {True: "higher", False: "lower", None: ""}[higher]
