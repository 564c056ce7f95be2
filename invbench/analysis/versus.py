"""Two solvers on the same images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from invbench.analysis.comparable import LAST_BITS, measurement_key, most_default, sameness, solver_of
from invbench.analysis.pairs import Pair, in_words, pooled_pairs
from invbench.analysis.pooled import by_experiment, common_seeds, of_seeds, representatives, seeds_of
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


class Match(NamedTuple):
    """Cells of two solvers on the same measurements: one of each a seed, in one order."""

    first: list[LoadedCell]
    second: list[LoadedCell]
    left_out: bool  # whether a solver has other seeds or configurations too

    @property
    def place(self) -> str:
        """Benchmark, task and seeds."""
        seeds = seeds_of(self.first)
        config = self.first[0].run.config
        return f"{config.place}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"

    def comparisons(self, higher: Mapping[str, bool], across_machines: bool) -> Iterator[Comparison]:
        """A comparison for each metric that has a better direction, if there are at least two images."""
        for pair in pooled_pairs(self.second, self.first, across_machines):
            if pair.metric in higher and len(pair.old) > 1:
                ahead = self.first if (pair.difference > 0) == higher[pair.metric] else self.second
                yield Comparison(self.place, pair, solver_of(ahead[0]))


def versus(
    cells: Sequence[LoadedCell], first: str, second: str, higher: Mapping[str, bool], across_machines: bool = False
) -> Table:
    """Two solvers on the same images of everything that both measured, with Holm's correction over all rows.

    Scores of several seeds are averaged image by image before they are compared. ``higher`` says for each metric
    whether higher is better; ``across_machines`` is that of :func:`~invbench.analysis.pairs.pairs`. Raises ConfigError
    if they have no image in common, or if measurements differ.
    """
    matches = list(_matches(cells, first, second))
    compared = [each for match in matches for each in match.comparisons(higher, across_machines)]
    if not compared:
        raise _nothing_in_common(cells, first, second)
    ps = holm([sign_flip_p(each.pair.clustered) for each in compared])
    lines = []
    for each, p in zip(compared, ps, strict=True):
        means = {"task": each.place, **in_words(each.pair, second, first), "p": f"{p:.3g}"}
        lines.append(means | {"better": each.verdict(p, len(ps)), "required sample size": each.sample_size(len(ps))})
    return Table(f"{first} against {second}", pd.DataFrame(lines), tuple(_notes(matches, first, second, len(lines))))


def _notes(matches: Sequence[Match], first: str, second: str, rows: int) -> Iterator[str]:
    """How to read the rows."""
    yield (
        f"{first} minus {second}, on the images that both have; 95 % BCa intervals; p by sign flips, Holm's "
        f"correction over {rows} rows; required sample size: number of images that show the difference at 5 % with "
        "probability 0.8, or of groups of images (photographs) if there are groups, which intervals and tests then "
        "take as units."
    )
    if any(len(match.first) > 1 for match in matches):
        yield (
            "Several seeds: the scores of an image are averaged over them before images are paired; n counts images, "
            "and intervals and tests are about other images (or groups of images), not about other seeds."
        )
    if places := [match.place for match in matches if match.left_out]:
        yield f"Left out: seeds that one of them lacks, or options farther from the defaults, on {'; '.join(places)}."
    alike = {sameness(pair) for match in matches for pair in zip(match.first, match.second, strict=True)}
    if "last bits" in alike:
        yield LAST_BITS
    if "unknown" in alike:
        yield "WARNING: bytes of measurements differ, and records without fingerprints cannot say by how much."


def _matches(cells: Sequence[LoadedCell], first: str, second: str) -> Iterator[Match]:
    """Cells of both solvers on the same measurements, nearest to the defaults, with their common seeds."""
    for group in by_experiment(cells):
        own = [cell for cell in group if solver_of(cell) in (first, second) and cell.images]
        chosen = representatives(own)
        if first in chosen and second in chosen and (seeds := common_seeds(chosen.values())):
            of_first, of_second = of_seeds(chosen[first], seeds), of_seeds(chosen[second], seeds)
            yield Match(of_first, of_second, len(of_first) + len(of_second) < len(own))


def _nothing_in_common(cells: Sequence[LoadedCell], first: str, second: str) -> ConfigError:
    """Why two solvers cannot be compared."""
    known = {solver_of(cell) for cell in cells}
    for name in (first, second):
        if name not in known:
            return ConfigError(unknown("recorded solver", name, known))
    return ConfigError(f"{first} and {second} have no measured images in common; run them on one task, with one seed")


def matching_cells(cells: Sequence[LoadedCell], first: str, second: str) -> Iterable[tuple[LoadedCell, LoadedCell]]:
    """Cells of the two solvers on the same measurements, in the configurations nearest to the defaults."""
    by: dict[tuple[str, str], LoadedCell] = {}
    for cell in sorted(cells, key=most_default):
        by[measurement_key(cell.run.config), solver_of(cell)] = cell
    for (key, solver), cell in by.items():
        if solver == first and (key, second) in by:
            yield cell, by[key, second]
