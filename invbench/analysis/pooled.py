"""Cells of several seeds as one: grouping cells that differ only in the seed, and their common seeds and images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from invbench.analysis.comparable import Standing, measurement_key, most_default, solver_of
from invbench.store.reader import LoadedCell
from invbench.store.schema import Config


def seedless(cell: LoadedCell) -> Config:
    """A cell's configuration without its seed."""
    return replace(cell.run.config, seed=0)


def by_experiment(cells: Iterable[LoadedCell]) -> list[list[LoadedCell]]:
    """Cells grouped by measurement, whatever the seed, ordered by benchmark and task."""
    groups: dict[tuple[str, str], list[LoadedCell]] = {}
    for cell in cells:
        groups.setdefault((str(cell.run.config.place), measurement_key(seedless(cell))), []).append(cell)
    return [groups[key] for key in sorted(groups)]


def by_configuration(cells: Iterable[LoadedCell]) -> list[list[LoadedCell]]:
    """Cells grouped by configuration, whatever the seed."""
    groups: dict[str, list[LoadedCell]] = {}
    for cell in cells:
        groups.setdefault(seedless(cell).digest(), []).append(cell)
    return list(groups.values())


def representatives(cells: Sequence[LoadedCell]) -> dict[str, list[LoadedCell]]:
    """The cells of each solver in the configuration nearest to the default, one per seed, if they have images."""
    by_solver: dict[str, list[list[LoadedCell]]] = {}
    for same in by_configuration(cell for cell in cells if cell.images):
        by_solver.setdefault(solver_of(same[0]), []).append(same)
    return {solver: max(each, key=_standing) for solver, each in by_solver.items()}


def _standing(same: Sequence[LoadedCell]) -> tuple[Standing, int]:
    """How close cells that differ only in the seed are to the defaults, and how many there are."""
    return max(map(most_default, same)), len(same)


def seeds_of(cells: Iterable[LoadedCell]) -> list[int]:
    """The seeds of some cells, sorted."""
    return sorted({cell.run.config.seed for cell in cells})


def common_seeds(configurations: Iterable[Sequence[LoadedCell]]) -> list[int]:
    """The seeds that all of these have."""
    seeds = [set(seeds_of(cells)) for cells in configurations]
    return sorted(set.intersection(*seeds)) if seeds else []


def of_seeds(cells: Iterable[LoadedCell], seeds: Sequence[int]) -> list[LoadedCell]:
    """The cells of these seeds, in their order."""
    return sorted((c for c in cells if c.run.config.seed in seeds), key=lambda cell: seeds.index(cell.run.config.seed))
