"""Two solvers on the same images. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from invbench.analysis.comparable import LAST_BITS, measurement_key, most_default, sameness, solver_of
from invbench.analysis.pairs import Pair, in_words, pairs, place_of
from invbench.analysis.stats import SIGNIFICANT, can_be_significant, holm, required_sample_size, sign_flip_p
from invbench.analysis.table import Table
from invbench.errors import ConfigError, unknown
from invbench.store.reader import LoadedCell


class Comparison(NamedTuple):
    """A metric of two solvers on the same images."""

    place: str
    pair: Pair
    ahead: str  # the solver with the better mean

    def verdict(self, p: float, comparisons: int) -> str:
        """The better solver, if they differ significantly, given the corrected p and the number of comparisons."""
        if not can_be_significant(len(self.pair.clustered), comparisons):
            return "too few images"
        return "tie" if p >= SIGNIFICANT else self.ahead

    def sample_size(self, comparisons: int) -> str:
        """The required sample size; "-" if there are too few images to estimate it."""
        if not can_be_significant(len(self.pair.clustered), comparisons):
            return "-"
        return f"{required_sample_size(self.pair.clustered):g}"


def versus(cells: Sequence[LoadedCell], first: str, second: str, higher: Mapping[str, bool]) -> Table:
    """Two solvers on the same images of every measurement that both have, with Holm's correction over all rows.

    ``higher`` says for each metric whether higher is better. Raises ConfigError if they have no image in common.
    """
    matches = list(matching_cells(cells, first, second))
    compared = [each for match in matches for each in _comparisons(*match, higher)]
    if not compared:
        raise _nothing_in_common(cells, first, second)
    ps = holm([sign_flip_p(each.pair.clustered) for each in compared])
    lines = []
    for each, p in zip(compared, ps, strict=True):
        means = {"task": each.place, **in_words(each.pair, second, first), "p": f"{p:.3g}"}
        lines.append(means | {"better": each.verdict(p, len(ps)), "required sample size": each.sample_size(len(ps))})
    notes = [
        f"{first} less {second}, on the images both have; 95 % BCa intervals; p by sign flips, Holm's correction over "
        f"{len(lines)} rows; required sample size: images that show the difference at 5 % with probability 0.8, or "
        "groups of images (photographs) where images are in groups, of which intervals and tests then are."
    ]
    if any(sameness(match) == "last bits" for match in matches):
        notes.append(LAST_BITS)
    return Table(f"{first} against {second}", pd.DataFrame(lines), tuple(notes))


def _comparisons(first: LoadedCell, second: LoadedCell, higher: Mapping[str, bool]) -> Iterator[Comparison]:
    """A comparison for each metric that has a better direction, on two images or more."""
    for pair in pairs(second, first):
        if pair.metric in higher and len(pair.old) > 1:
            ahead = first if (pair.difference > 0) == higher[pair.metric] else second
            yield Comparison(place_of(first), pair, solver_of(ahead))


def _nothing_in_common(cells: Sequence[LoadedCell], first: str, second: str) -> ConfigError:
    """Why two solvers cannot be compared."""
    known = {solver_of(cell) for cell in cells}
    for name in (first, second):
        if name not in known:
            return ConfigError(unknown("recorded solver", name, known))
    return ConfigError(f"{first} and {second} have no measured images in common; run them on one task")


def matching_cells(cells: Sequence[LoadedCell], first: str, second: str) -> Iterable[tuple[LoadedCell, LoadedCell]]:
    """Cells of the two solvers on the same measurements; of several configurations, the nearest to the default."""
    by: dict[tuple[str, str], LoadedCell] = {}
    for cell in sorted(cells, key=most_default):
        by[measurement_key(cell.run.config), solver_of(cell)] = cell
    for (key, solver), cell in by.items():
        if solver == first and (key, second) in by:
            yield cell, by[key, second]
