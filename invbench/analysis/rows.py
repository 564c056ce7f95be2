"""Rows of tables: means over images with their intervals. No torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from invbench.analysis.clusters import Groups, clustered, labels
from invbench.analysis.columns import BACKWARD, Column, headers, ordered, table_of
from invbench.analysis.comparable import means_by_image
from invbench.analysis.digits import Metrics, formatted, spec_of
from invbench.analysis.stats import bca_intervals, columnwise
from invbench.store.schema import Score


class Scores(NamedTuple):
    """The data of a row: records of images, scores of them as a set, and the images' groups."""

    label: str
    records: pd.DataFrame  # as LoadedCell.frame
    sets: Sequence[Score] = ()
    groups: Groups = {}


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a table: the text of each column and, of means over images, the value of each image."""

    label: str
    n: int
    cells: Mapping[Column, str]
    values: Mapping[Column, pd.Series]
    groups: Groups = field(default_factory=dict)
    clusters: int | None = None  # fewer than images

    @property
    def count(self) -> int | str:
        """The number of images and, where they are fewer, of their groups."""
        return (
            self.n if self.clusters is None else f"{self.n} ({self.clusters} group{'s' if self.clusters > 1 else ''})"
        )

    def with_cells(self, cells: Mapping[Column, str]) -> Row:
        """The row with the text of further columns."""
        return replace(self, cells={**self.cells, **cells})

    def with_marks(self, marks: Mapping[Column, str]) -> Row:
        """The row with a mark after the text of these columns."""
        return self.with_cells({column: f"{self.cells[column]} {mark}" for column, mark in marks.items()})


def rows_of(scores: Sequence[Scores], metrics: Metrics) -> list[Row]:
    """A row of each: means over images with their intervals, and the scores of sets with theirs."""
    values = [by_column(each.records) for each in scores]
    return [
        _row(each, {**means, **_set_cells(each.sets, metrics)}, of_images)
        for each, means, of_images in zip(scores, _mean_cells(scores, values, metrics), values, strict=True)
    ]


def _row(scores: Scores, cells: Mapping[Column, str], values: Mapping[Column, pd.Series]) -> Row:
    images = scores.records["image"].unique()
    clusters = len(set(labels(images, scores.groups)))
    fewer = clusters if clusters < len(images) else None
    return Row(scores.label, len(images), cells, values, scores.groups, fewer)


def _mean_cells(
    scores: Sequence[Scores], values: Sequence[Mapping[Column, pd.Series]], metrics: Metrics
) -> list[dict[Column, str]]:
    """The text of each mean, by row."""
    places = [(row, column) for row, of_row in enumerate(values) for column in of_row]
    images = [values[row][column] for row, column in places]
    specs = [spec_of(column.metric, metrics) for _, column in places]
    texts = format_means(images, [scores[row].groups for row, _ in places], specs)
    cells: list[dict[Column, str]] = [{} for _ in values]
    for (row, column), text in zip(places, texts, strict=True):
        if column.metric != BACKWARD or text != "0":  # most solvers make no backward passes
            cells[row][column] = text
    return cells


def _set_cells(scores: Sequence[Score], metrics: Metrics) -> dict[Column, str]:
    """The text of each score of a set."""
    cells = {}
    for score in scores:
        value, low, high = formatted(score.value, score.low, score.high, spec_of(score.metric, metrics))
        cells[Column(score.metric, score.protocol)] = f"{value} [{low}, {high}]"
    return cells


def columns_of(rows: Sequence[Row], metrics: Metrics) -> list[Column]:
    """The columns that any row has, in the order of a table."""
    return ordered({column for row in rows for column in row.cells}, metrics)


def frame_of(rows: Sequence[Row], columns: Sequence[Column], metrics: Metrics) -> pd.DataFrame:
    """The rows as a table is printed; "-" where a row has nothing in a column."""
    named = list(zip(headers(columns, metrics), columns, strict=True))
    return pd.DataFrame(
        [
            {"solver": row.label, "n": row.count} | {name: row.cells.get(column, "-") for name, column in named}
            for row in rows
        ]
    )


def records_of(records: pd.DataFrame, kind: str, metrics: Metrics, only: Collection[str] = ()) -> pd.DataFrame:
    """The records that are printed in one kind of table; of the metrics ``only`` where some are named."""
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


def format_mean(values: pd.Series, spec: str, groups: Groups | None = None) -> str:
    """``23.85 [23.10, 24.61]``: mean and 95 % interval of values by image; excluded NaN are counted.

    >>> format_mean(pd.Series([2.0, 2.0]), ".1f")
    '2.0'
    """
    return format_means([values], [groups or {}], [spec])[0]


def format_means(columns: Sequence[pd.Series], groups: Sequence[Groups], specs: Sequence[str]) -> list[str]:
    """The same for several columns, faster than one by one."""
    intervals = columnwise(bca_intervals, [clustered(*each) for each in zip(columns, groups, strict=True)])
    return [
        _format_mean(column.dropna().to_numpy(dtype=float), int(column.isna().sum()), interval, spec)
        for column, interval, spec in zip(columns, intervals, specs, strict=True)
    ]


def _format_mean(values: np.ndarray, excluded: int, interval: tuple[float, float], spec: str) -> str:
    """The interval of the values that are numbers, and how many are not."""
    mean, low, high = formatted(float(values.mean()) if len(values) else math.nan, *interval, spec)
    ends = "" if math.isnan(interval[0]) or low == high else f" [{low}, {high}]"
    count = f" ({excluded} nan)" if excluded else ""
    return f"{mean}{ends}{count}"
