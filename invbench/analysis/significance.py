"""The best row of each column of a table, and those that do not differ significantly from it."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from invbench.analysis.clusters import by_cluster, labels
from invbench.analysis.columns import Column
from invbench.analysis.digits import Metrics
from invbench.analysis.rows import Row
from invbench.analysis.stats import SIGNIFICANT, can_be_significant, columnwise, differences, holm, sign_flip_ps


class PairedComparisons(NamedTuple):
    """The best row of a column, and its differences from each other row on the images that all of them have."""

    column: Column
    best: int
    differences: dict[int, np.ndarray]  # the best minus the other, by cluster of images; by row

    @property
    def n(self) -> int:
        """The number of those clusters."""
        return len(next(iter(self.differences.values())))

    @property
    def can_be_significant(self) -> bool:
        """Whether this number of images could show a significant difference at all."""
        return can_be_significant(self.n, len(self.differences))

    def ties(self, ps: Sequence[float]) -> list[int]:
        """Rows that do not differ significantly from the best, given the p of each; empty if no difference could."""
        corrected = zip(self.differences, holm(ps), strict=True)
        return [row for row, p in corrected if p >= SIGNIFICANT and self.can_be_significant]


def paired_comparisons(rows: Sequence[Row], columns: Sequence[Column], metrics: Metrics) -> list[PairedComparisons]:
    """The best row of each column that has a better direction."""
    return [comparisons for column in columns if (comparisons := _of_column(rows, column, metrics))]


def _of_column(rows: Sequence[Row], column: Column, metrics: Metrics) -> PairedComparisons | None:
    """None without a direction, a second row, or a second common image."""
    higher = metrics[column.metric].higher_is_better if column.metric in metrics else None
    values = {i: row.values[column] for i, row in enumerate(rows) if column in row.values}
    if higher is None or len(values) < 2:
        return None
    shared = pd.concat(values, axis=1).dropna()
    if len(shared) < 2:
        return None
    scores = shared.to_numpy(dtype=float)
    means = scores.mean(axis=0)
    best = int(means.argmax() if higher else means.argmin())
    groups = labels(shared.index, ChainMap(*(dict(row.groups) for row in rows)))
    to_others = _to_others(scores, best, groups)
    return PairedComparisons(column, list(values)[best], dict(zip(_without(values, best), to_others, strict=True)))


def _to_others(scores: np.ndarray, best: int, groups: Sequence[str]) -> list[np.ndarray]:
    """A row's scores (images, rows) minus those of each other row, by cluster."""
    others = _without(range(scores.shape[1]), best)
    return [by_cluster(differences(scores[:, best], scores[:, j]), groups) for j in others]


def _without(rows: Iterable[int], place: int) -> list[int]:
    """The items without the one at this index."""
    return [row for i, row in enumerate(rows) if i != place]


def with_significance_marks(rows: Sequence[Row], comparisons: Sequence[PairedComparisons]) -> list[Row]:
    """The rows with "best" after each column's best score, and "tie" after those that do not differ from it."""
    ps = iter(columnwise(sign_flip_ps, [values for each in comparisons for values in each.differences.values()]))
    marks: list[dict[Column, str]] = [{} for _ in rows]
    for each in comparisons:
        marks[each.best][each.column] = "best"
        for row in each.ties([float(next(ps)) for _ in each.differences]):
            marks[row][each.column] = "tie"
    return [row.with_marks(of_row) for row, of_row in zip(rows, marks, strict=True)]


def significance_notes(comparisons: Sequence[PairedComparisons]) -> list[str]:
    """What the significance marks mean, and a warning if images are too few for them."""
    if not comparisons:
        return []
    notes = [
        "best: the best mean of a column, on the images that all rows have; tie: not significantly different from it "
        f"on the same images (sign flips of paired differences, p >= {SIGNIFICANT:g} after Holm's correction)."
    ]
    if few := {each.n for each in comparisons if not each.can_be_significant}:
        notes.append(f"WARNING: {max(few)} images are too few for that test to separate rows; ties are not marked.")
    return notes
