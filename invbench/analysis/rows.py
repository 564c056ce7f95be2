"""Rows of tables: means over images with their intervals."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from msgspec import structs

from invbench.analysis.cell import Cell, Spread, ranks
from invbench.analysis.clusters import Groups, clustered, labels
from invbench.analysis.columns import BACKWARD, Column, headers, ordered, table_of
from invbench.analysis.comparable import means_by_image
from invbench.analysis.digits import Metrics, formatted, spec_of
from invbench.analysis.stats import bca_intervals, columnwise
from invbench.store.schema import Score


class Scores(NamedTuple):
    """The data of a row: records of images, scores of them as a set, and the images' groups.

    If they are of several seeds, ``seeds`` holds the records of each, and ``set_seeds`` the scores.
    """

    label: str
    records: pd.DataFrame  # as LoadedCell.frame
    sets: Sequence[Score] = ()
    groups: Groups = {}
    seeds: Sequence[pd.DataFrame] = ()
    set_seeds: Sequence[Sequence[Score]] = ()


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a table: each column's cell and its value, by image for means over images, or the score of a set."""

    label: str
    n: int
    cells: Mapping[Column, Cell]
    values: Mapping[Column, pd.Series]
    groups: Groups = field(default_factory=dict)
    clusters: int | None = None  # fewer than images
    sets: Mapping[Column, float] = field(default_factory=dict)

    @property
    def count(self) -> int | str:
        """The number of images and, if there are fewer groups than images, the number of groups."""
        return (
            self.n if self.clusters is None else f"{self.n} ({self.clusters} group{'s' if self.clusters > 1 else ''})"
        )

    @property
    def units(self) -> int:
        """The number of images, or of their groups if these are fewer."""
        return self.n if self.clusters is None else self.clusters

    def with_cells(self, cells: Mapping[Column, Cell]) -> Row:
        """The row with further columns."""
        return replace(self, cells={**self.cells, **cells})

    def with_marks(self, marks: Mapping[Column, str]) -> Row:
        """The row with a mark after the text of these columns."""
        return self.with_cells({column: replace(self.cells[column], mark=mark) for column, mark in marks.items()})


def rows_of(scores: Sequence[Scores], metrics: Metrics, spread: Spread = "interval") -> list[Row]:
    """A row for each: means over images and scores of sets, with their intervals or deviations."""
    values = [by_column(each.records) for each in scores]
    return [
        _row(each, {**means, **_set_cells(each, metrics, spread)}, of_images)
        for each, means, of_images in zip(scores, _mean_cells(scores, values, metrics, spread), values, strict=True)
    ]


def _row(scores: Scores, cells: Mapping[Column, Cell], values: Mapping[Column, pd.Series]) -> Row:
    images = scores.records["image"].unique()
    clusters = len(set(labels(images, scores.groups)))
    fewer = clusters if clusters < len(images) else None
    sets = {_column(score): score.value for score in scores.sets}
    return Row(scores.label, len(images), cells, values, scores.groups, fewer, sets)


def _mean_cells(
    scores: Sequence[Scores], values: Sequence[Mapping[Column, pd.Series]], metrics: Metrics, spread: Spread
) -> list[dict[Column, Cell]]:
    """Each mean, by row."""
    places = [(row, column) for row, of_row in enumerate(values) for column in of_row]
    images = [values[row][column] for row, column in places]
    specs = [spec_of(column.metric, metrics) for _, column in places]
    if spread == "interval":
        means = format_means(images, [scores[row].groups for row, _ in places], specs)
    else:
        means = _means_and_deviations(scores, values, specs, spread)
    cells: list[dict[Column, Cell]] = [{} for _ in values]
    for (row, column), cell in zip(places, means, strict=True):
        if not _none_of(column, cell):
            cells[row][column] = cell
    return cells


def _none_of(column: Column, cell: Cell) -> bool:
    """Whether a cell counts no backward passes, as for most solvers."""
    return column.metric == BACKWARD and cell.text == "0"


def _means_and_deviations(
    scores: Sequence[Scores], values: Sequence[Mapping[Column, pd.Series]], specs: Sequence[str], spread: Spread
) -> list[Cell]:
    """Means by row and column, with deviations if these are the spread to show."""
    images = [of_images for of_row in values for of_images in of_row.values()]
    deviations = [math.nan] * len(images)
    if spread == "std":
        deviations = [each for pair in zip(scores, values, strict=True) for each in _deviations(*pair).values()]
    return [mean_and_deviation(*each) for each in zip(images, deviations, specs, strict=True)]


def _deviations(scores: Scores, values: Mapping[Column, pd.Series]) -> dict[Column, float]:
    """Standard deviations over seeds of means over images or, of one seed, over images; nan of one value."""
    if len(scores.seeds) < 2:
        return {column: float(of_images.std()) for column, of_images in values.items()}
    of_seeds = [by_column(records) for records in scores.seeds]
    return {column: float(np.std([each[column].mean() for each in of_seeds], ddof=1)) for column in values}


def mean_and_deviation(values: pd.Series, deviation: float, spec: str) -> Cell:
    """``23.85 ± 2.10``: the mean of values by image with a standard deviation; excluded NaN are counted.

    >>> str(mean_and_deviation(pd.Series([2.0, 4.0]), 1.414, ".1f"))
    '3.0 ± 1.4'
    """
    mean = _format_mean(values.dropna().to_numpy(dtype=float), int(values.isna().sum()), (math.nan, math.nan), spec)
    if not math.isfinite(deviation):
        return mean
    text, beside, _ = formatted(float(values.mean()), deviation, deviation, spec)
    return replace(mean, text=text, spread=f"± {beside}")


def _set_cells(scores: Scores, metrics: Metrics, spread: Spread) -> dict[Column, Cell]:
    """Each score of a set."""
    cells = {}
    for score in scores.sets:
        value, low, high = formatted(score.value, score.low, score.high, spec_of(score.metric, metrics))
        interval = "" if spread != "interval" or math.isnan(score.low) else f"[{low}, {high}]"
        cells[_column(score)] = Cell(value, interval)
    if spread == "std" and len(scores.set_seeds) > 1:
        for column, cell in cells.items():
            values = [score.value for of_seed in scores.set_seeds for score in of_seed if _column(score) == column]
            beside = formatted(values[0], float(np.std(values, ddof=1)), 0.0, spec_of(column.metric, metrics))[1]
            cells[column] = replace(cell, spread=f"± {beside}")
    return cells


def _column(score: Score) -> Column:
    return Column(score.metric, score.protocol)


def mean_scores(of_seeds: Sequence[Sequence[Score]]) -> list[Score]:
    """The scores of sets that every seed has, averaged; if there are several seeds, without intervals."""
    if len(of_seeds) == 1:
        return list(of_seeds[0])
    by_place = [{_column(score): score for score in scores} for scores in of_seeds]
    common = [column for column in by_place[0] if all(column in each for each in by_place)]
    means = {column: float(np.mean([each[column].value for each in by_place])) for column in common}
    return [
        structs.replace(by_place[0][column], value=mean, low=math.nan, high=math.nan) for column, mean in means.items()
    ]


def with_ranks(rows: Sequence[Row], columns: Sequence[Column], metrics: Metrics) -> list[Row]:
    """The rows with the rank of each value in its column; means are ranked on the images that all rows have."""
    cells: list[dict[Column, Cell]] = [dict(row.cells) for row in rows]
    for column in columns:
        having = [i for i, row in enumerate(rows) if column in row.cells]
        higher = metrics[column.metric].higher_is_better if column.metric in metrics else None
        for i, rank in zip(having, ranks(higher, _values([rows[i] for i in having], column)), strict=True):
            cells[i][column] = replace(cells[i][column], rank=rank)
    return [replace(row, cells=of_row) for row, of_row in zip(rows, cells, strict=True)]


def _values(rows: Sequence[Row], column: Column) -> list[float | None]:
    """The values by which the rows are ranked; None if they cannot be ranked, such as without a common image."""
    if len(rows) < 2:
        return [None] * len(rows)
    if all(column in row.values for row in rows):
        shared = pd.concat([row.values[column] for row in rows], axis=1).dropna()
        return [float(mean) for mean in shared.mean()] if len(shared) else [None] * len(rows)
    return [row.sets.get(column) for row in rows]


def columns_of(rows: Sequence[Row], metrics: Metrics) -> list[Column]:
    """The columns that any row has, in the order of a table."""
    return ordered({column for row in rows for column in row.cells}, metrics)


def frame_of(rows: Sequence[Row], columns: Sequence[Column], metrics: Metrics) -> pd.DataFrame:
    """The rows as a printed table; "-" if a row has no value in a column."""
    named = list(zip(headers(columns, metrics), columns, strict=True))
    lines: list[dict[str, object]] = [
        {"solver": row.label, "n": row.count} | {name: row.cells.get(column, "-") for name, column in named}
        for row in rows
    ]
    return pd.DataFrame(lines)


def records_of(records: pd.DataFrame, kind: str, metrics: Metrics, only: Collection[str] = ()) -> pd.DataFrame:
    """The records that are printed in one kind of table; only those of the metrics ``only``, if any are named."""
    names = [name for name in records["metric"].unique() if table_of(name, metrics) == kind]
    return records[records["metric"].isin([name for name in names if name in only or not only])]


def by_column(records: pd.DataFrame) -> dict[Column, pd.Series]:
    """Means over samples, by image, of each column."""
    metrics, protocols = records["metric"].cat, records["protocol"].cat
    codes = metrics.codes.to_numpy(int) * len(protocols.categories) + protocols.codes.to_numpy(int)
    images, values = records["image"].array, records["value"].to_numpy(dtype=float)
    means = {}
    for code in np.unique(codes):
        metric, protocol = divmod(code, len(protocols.categories))
        here = codes == code
        column = Column(metrics.categories[metric], protocols.categories[protocol])
        means[column] = means_by_image(images[here], values[here])
    return means


def format_mean(values: pd.Series, spec: str, groups: Groups | None = None) -> Cell:
    """``23.85 [23.10, 24.61]``: mean and 95 % interval of values by image; excluded NaN are counted.

    >>> str(format_mean(pd.Series([2.0, 2.0]), ".1f"))
    '2.0'
    """
    return format_means([values], [groups or {}], [spec])[0]


def format_means(columns: Sequence[pd.Series], groups: Sequence[Groups], specs: Sequence[str]) -> list[Cell]:
    """The same for several columns, faster than one by one."""
    intervals = columnwise(bca_intervals, [clustered(*each) for each in zip(columns, groups, strict=True)])
    return [
        _format_mean(column.dropna().to_numpy(dtype=float), int(column.isna().sum()), interval, spec)
        for column, interval, spec in zip(columns, intervals, specs, strict=True)
    ]


def _format_mean(values: np.ndarray, excluded: int, interval: tuple[float, float], spec: str) -> Cell:
    """Mean and interval of the values that are numbers, and how many are not."""
    mean, low, high = formatted(float(values.mean()) if len(values) else math.nan, *interval, spec)
    ends = "" if math.isnan(interval[0]) or low == high else f"[{low}, {high}]"
    return Cell(mean, ends, f"({excluded} nan)" if excluded else "")
