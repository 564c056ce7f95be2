"""Cells that are compared in one table, with their common images and labels, each computed once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from invbench.analysis.columns import SECONDS
from invbench.analysis.comparable import common_set, label, scored_sets, shared_images
from invbench.store.reader import LoadedCell
from invbench.store.schema import Score


@dataclass(frozen=True, eq=False)
class Group:
    """Cells of one measurement."""

    cells: Sequence[LoadedCell]

    @cached_property
    def _labels(self) -> dict[int, str]:
        return {id(cell): label(cell, self.cells) for cell in self.cells}

    def label(self, cell: LoadedCell) -> str:
        """The label of a cell among the others."""
        return self._labels[id(cell)]

    @cached_property
    def scored(self) -> list[LoadedCell]:
        """Cells that have scores, the fastest first."""
        return sorted((cell for cell in self.cells if cell.rows), key=_seconds)

    @cached_property
    def measured(self) -> list[LoadedCell]:
        """Cells that have images with all their scores."""
        return [cell for cell in self.cells if cell.images]

    @cached_property
    def comparable(self) -> bool:
        """Whether all of these cells share an image; always true of a single cell."""
        return len(self.measured) < 2 or bool(shared_images(self.measured))

    @cached_property
    def common_sets(self) -> dict[str, list[str]]:
        """For each metric of sets: the largest set of images that all cells were scored on, if there is one."""
        sets = [scored_sets(cell) for cell in self.scored]
        images = set(shared_images(self.scored))
        names = sorted({metric for of_cell in sets for metric in of_cell})
        common = {name: common_set([of_cell[name] for of_cell in sets if name in of_cell]) for name in names}
        return {name: sorted(images.intersection(each)) for name, each in common.items()}

    def set_scores(self, cell: LoadedCell) -> list[Score]:
        """A cell's scores of sets: on the common set of images if there is one, else on its own."""
        scores = []
        for metric, images in self.common_sets.items():
            candidates = cell.set_scores(images) if images else cell.sets
            scores += [score for score in candidates if score.metric == metric]
        return scores


def _seconds(cell: LoadedCell) -> float:
    """Mean seconds per image; infinite if they were not measured."""
    values = cell.frame["value"][cell.frame["metric"] == SECONDS]
    return float(values.mean()) if len(values) else math.inf
