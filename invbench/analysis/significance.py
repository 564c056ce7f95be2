"""The best of each column of a table, and what cannot be told from it on the same images. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from invbench.analysis.stats import SIGNIFICANT, columnwise, differences, holm, sign_flip_ps, tellable
from invbench.metric import Metric

VALUES = "values"  # of a line: per image, by column


class Duels(NamedTuple):
    """The best row of a column, and its lead over each other row on the images that all of them have."""

    column: tuple[str, str]
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


def duels_of(
    lines: Sequence[dict[Any, Any]], columns: Sequence[tuple[str, str]], metrics: Mapping[str, type[Metric]]
) -> list[Duels]:
    """The duels of each column that has a better direction."""
    found = []
    for column in columns:
        higher = metrics[column[0]].higher_is_better if column[0] in metrics else None
        rows = [i for i, line in enumerate(lines) if column in line.get(VALUES, {})]
        if higher is None or len(rows) < 2:
            continue
        frame = pd.concat([lines[i][VALUES][column] for i in rows], axis=1, keys=rows).dropna()
        if len(frame) < 2:
            continue
        scores = frame.to_numpy(dtype=float)
        best = int(scores.mean(axis=0).argmax() if higher else scores.mean(axis=0).argmin())
        leads = {i: differences(scores[:, best], scores[:, j]) for j, i in enumerate(rows) if j != best}
        found.append(Duels(column, rows[best], leads))
    return found


def marked(lines: Sequence[dict[Any, Any]], duels: Sequence[Duels]) -> list[dict[Any, Any]]:
    """The lines with each column's best score named, and those that cannot be told from it where any could be."""
    shown = [dict(line) for line in lines]
    ps = iter(columnwise(sign_flip_ps, [lead for duel in duels for lead in duel.leads.values()]))
    for duel in duels:
        shown[duel.best][duel.column] += " best"
        for i, p in zip(duel.leads, holm([float(next(ps)) for _ in duel.leads]), strict=True):
            if p >= SIGNIFICANT and duel.tellable:
                shown[i][duel.column] += " tie"
    return shown


def mark_notes(duels: Sequence[Duels]) -> list[str]:
    """What the marks mean, and where images are too few for them."""
    if not duels:
        return []
    notes = [
        "best: of a column, on the images all rows have; tie: does not differ from it on the same images (sign "
        f"flips of paired differences, p >= {SIGNIFICANT:g} after Holm's correction)."
    ]
    if few := {duel.n for duel in duels if not duel.tellable}:
        notes.append(f"WARNING: {max(few)} images are too few for that test to tell rows apart; ties are not marked.")
    return notes
