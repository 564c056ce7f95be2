"""The best of each column of a table, and what cannot be told from it on the same images. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from invbench.analysis.columns import Column
from invbench.analysis.digits import Metrics
from invbench.analysis.rows import Row
from invbench.analysis.stats import SIGNIFICANT, columnwise, differences, holm, sign_flip_ps, tellable


class Duels(NamedTuple):
    """The best row of a column, and its lead over each other row on the images that all of them have."""

    column: Column
    best: int
    leads: dict[int, np.ndarray]

    @property
    def n(self) -> int:
        """The number of those images."""
        return len(next(iter(self.leads.values())))

    @property
    def tellable(self) -> bool:
        """Whether so few images could tell any row from the best."""
        return tellable(self.n, len(self.leads))

    def ties(self, ps: Sequence[float]) -> list[int]:
        """Rows that cannot be told from the best by the p of each, where any could be."""
        corrected = zip(self.leads, holm(ps), strict=True)
        return [row for row, p in corrected if p >= SIGNIFICANT and self.tellable]


def duels_of(rows: Sequence[Row], columns: Sequence[Column], metrics: Metrics) -> list[Duels]:
    """The duels of each column that has a better direction."""
    return [duels for column in columns if (duels := _duels_of(rows, column, metrics))]


def _duels_of(rows: Sequence[Row], column: Column, metrics: Metrics) -> Duels | None:
    """Those of a column; None without a direction, a second row, or a second image that all have."""
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
    leads = {row: differences(scores[:, best], scores[:, j]) for j, row in enumerate(values) if j != best}
    return Duels(column, list(values)[best], leads)


def marked(rows: Sequence[Row], duels: Sequence[Duels]) -> list[Row]:
    """The rows with each column's best score named, and those that cannot be told from it where any could be."""
    ps = iter(columnwise(sign_flip_ps, [lead for each in duels for lead in each.leads.values()]))
    marks: list[dict[Column, str]] = [{} for _ in rows]
    for each in duels:
        marks[each.best][each.column] = "best"
        for row in each.ties([float(next(ps)) for _ in each.leads]):
            marks[row][each.column] = "tie"
    return [row.marked(of_row) for row, of_row in zip(rows, marks, strict=True)]


def mark_notes(duels: Sequence[Duels]) -> list[str]:
    """What the marks mean, and where images are too few for them."""
    if not duels:
        return []
    notes = [
        "best: of a column, on the images all rows have; tie: does not differ from it on the same images (sign "
        f"flips of paired differences, p >= {SIGNIFICANT:g} after Holm's correction)."
    ]
    if few := {each.n for each in duels if not each.tellable}:
        notes.append(f"WARNING: {max(few)} images are too few for that test to tell rows apart; ties are not marked.")
    return notes
