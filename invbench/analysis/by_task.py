"""One table of several tasks: a row per solver, for each task a column per metric, seeds averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from invbench.analysis.cell import Cell, Spread
from invbench.analysis.columns import IMAGES, Column, chosen, headers, headline_metrics, protocols_note, table_of
from invbench.analysis.comparable import (
    LAST_BITS,
    assumptions,
    names_by,
    sameness,
    shared_images,
    solver_of,
    title_parts,
)
from invbench.analysis.digits import Metrics
from invbench.analysis.group import Group
from invbench.analysis.notes import COVERED, OTHER, cell_notes, spread_notes
from invbench.analysis.pooled import by_experiment, common_seeds, of_seeds, representatives, seeds_of
from invbench.analysis.rows import Row, Scores, columns_of, mean_scores, rows_of, with_ranks
from invbench.analysis.significance import (
    PairedComparisons,
    paired_comparisons,
    significance_notes,
    with_significance_marks,
)
from invbench.analysis.table import Table
from invbench.analysis.tables import absent
from invbench.errors import ConfigError
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell
from invbench.store.schema import Run, Score


@dataclass(frozen=True, eq=False)
class Task:
    """Cells that differ only in solver, options and seed, of which the metrics ``only`` are shown."""

    cells: Sequence[LoadedCell]
    metrics: Metrics
    only: Sequence[str]
    spread: Spread

    @cached_property
    def all_of(self) -> dict[str, list[LoadedCell]]:
        """The cells of each solver, nearest to its defaults, one per seed; the fastest solver first."""
        return representatives(Group(self.cells).scored)

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds that all solvers have; all seeds if there is no common one."""
        return common_seeds(self.all_of.values()) or seeds_of(self.cells)

    @cached_property
    def of(self) -> dict[str, list[LoadedCell]]:
        """The cells of each solver that are shown."""
        return {solver: of_seeds(cells, self.seeds) for solver, cells in self.all_of.items()}

    @property
    def shown(self) -> list[LoadedCell]:
        """All of these cells."""
        return [cell for cells in self.of.values() for cell in cells]

    @cached_property
    def rows(self) -> list[Row]:
        """Means over images of means over seeds, by solver."""
        return rows_of([self._scores(*each) for each in self.of.items()], self.metrics, self.spread)

    def _scores(self, solver: str, cells: Sequence[LoadedCell]) -> Scores:
        images = shared_images(cells)
        frames = [self._records(cell, images) for cell in cells]
        groups = {image: group for cell in cells for image, group in cell.groups.items()}
        text = ["image", "metric", "protocol"]
        records = pd.concat([frame.astype(dict.fromkeys(text, "object")) for frame in frames])
        sets = [self._sets(cell) for cell in cells]
        return Scores(solver, records.astype(dict.fromkeys(text, "category")), mean_scores(sets), groups, frames, sets)

    def _records(self, cell: LoadedCell, images: Sequence[str]) -> pd.DataFrame:
        """The records of a cell that are shown: scores of each sample or, for some metrics, of all samples together."""
        frame = cell.frame[cell.frame["metric"].isin(self.only) & cell.frame["image"].isin(images)]
        together = frame["metric"].astype(str).map(lambda name: table_of(name, self.metrics) != IMAGES).astype(bool)
        return frame[(frame["sample"] == MEAN) == together]

    def _sets(self, cell: LoadedCell) -> list[Score]:
        """Scores of the images that all rows have, as one set."""
        return [score for score in cell.set_scores(shared_images(self.shown)) if score.metric in self.only]

    @cached_property
    def columns(self) -> list[Column]:
        """The recorded columns of the metrics, in the metrics' order."""
        return chosen(columns_of(self.rows, self.metrics), self.only)

    @cached_property
    def comparisons(self) -> list[PairedComparisons]:
        """The best row of each column against the others."""
        return paired_comparisons(self.rows, self.columns, self.metrics)

    @cached_property
    def marked(self) -> dict[str, Row]:
        """The rows by solver, with ranks and ties."""
        rows = with_significance_marks(with_ranks(self.rows, self.columns, self.metrics), self.comparisons)
        return {row.label: row for row in rows}

    def notes(self) -> Iterator[str]:
        """Which cells the columns are of."""
        run = self.cells[0].run
        counts = " or ".join(dict.fromkeys(str(row.count) for row in self.rows))
        yield f"n {counts}, {', '.join([run.config.benchmark.name, *title_parts(run, seed=False)[2:]])}."
        yield from self._notes_on_seeds()
        yield from self._notes_on_measurements()
        if self.spread == "interval" and min(row.units for row in self.rows) < COVERED:
            yield f"WARNING, intervals over fewer than {COVERED} images or groups of them are too narrow."
        yield from self._notes_on_others()

    def _notes_on_seeds(self) -> Iterator[str]:
        """Which seeds were averaged, and which were left out."""
        several = [solver for solver, cells in self.all_of.items() if seeds_of(cells) != self.seeds]
        if several and not common_seeds(self.all_of.values()):
            yield "WARNING, there is no seed that all rows have; they are not comparable."
        elif several:
            yield f"left out, seeds that not all rows have, of {', '.join(several)}."
        if len(self.seeds) > 1:
            yield f"seeds {', '.join(map(str, self.seeds))} averaged image by image, before all else."

    def _notes_on_others(self) -> Iterator[str]:
        """Which cells are not shown, and notes about those that are."""
        used = {id(cell) for cells in self.all_of.values() for cell in cells}
        others = {solver_of(cell) for cell in self.cells if cell.images and id(cell) not in used}
        if others:
            yield f"left out, configurations farther from the defaults, of {', '.join(sorted(others))}."
        yield from self._notes_on_cells()

    def _notes_on_cells(self) -> Iterator[str]:
        """Notes about the cells that are shown, and about those of solvers that are not."""
        cells = [*self.shown, *(cell for cell in self.cells if solver_of(cell) not in self.all_of)]
        yield from (note for cell in cells for note in cell_notes(solver_of(cell), cell))

    def _notes_on_measurements(self) -> Iterator[str]:
        """Whether rows saw the same measurements, of each seed."""
        of_seeds = [[cell for cell in self.shown if cell.run.config.seed == seed] for seed in self.seeds]
        alike = {sameness(cells) for cells in of_seeds}
        if alike & {"different", "unknown"}:
            yield f"{OTHER}; they are not comparable."
        elif "last bits" in alike:
            yield LAST_BITS


def by_task_table(cells: Sequence[LoadedCell], metrics: Metrics, only: Sequence[str], spread: Spread) -> Table:
    """A row per solver and, for each measurement, a column per metric of ``only``; the headline ones if empty.

    A solver's cells are those nearest to its defaults. Seeds that all solvers have are averaged image by image, before
    means, intervals, deviations and tests. Raises ConfigError if no cell has scores, or for an unknown metric.
    """
    names = list(only) or headline_metrics(metrics)
    every = (Task(group, metrics, names, spread) for group in by_experiment(cells))
    tasks = list(filter(lambda task: task.rows, every))
    if not tasks:
        raise ConfigError("these cells have no scores yet; 'invbench table' says why")
    names = _names(tasks)
    solvers = list(dict.fromkeys(solver for task in tasks for solver in task.of))
    table: dict[str, list[str] | list[str | Cell]] = {"solver": solvers}
    groups = [""]
    for name, task in zip(names, tasks, strict=True):
        for header, column in zip(headers(task.columns, metrics), task.columns, strict=True):
            table[f"{name} {header}"] = [_cell(task.marked.get(solver), column) for solver in solvers]
            groups.append(name)
    notes = _notes(tasks, names, only, spread)
    return Table(_title(tasks), pd.DataFrame(table), tuple(notes), tuple(groups), ranked=True)


def _cell(row: Row | None, column: Column) -> Cell | str:
    return row.cells.get(column, "-") if row else "-"


def _title(tasks: Sequence[Task]) -> str:
    """The parts that all have in common."""
    return " | ".join(dict.fromkeys(title_parts(task.cells[0].run)[0] for task in tasks))


def _names(tasks: Sequence[Task]) -> list[str]:
    """The task of each, with the parts that distinguish it from others of that name."""
    names = [task.cells[0].run.config.task.name for task in tasks]
    parts = [_parts(task.cells[0].run) for task in tasks]
    titles = [
        " ".join([name, *_differing(own, [other for i, other in enumerate(parts) if names[i] == name])])
        for name, own in zip(names, parts, strict=True)
    ]
    return [
        f"{name} ({titles[: i + 1].count(name)})" if titles.count(name) > 1 else name for i, name in enumerate(titles)
    ]


def _parts(run: Run) -> list[str]:
    """A measurement in words, with the text of its noise."""
    parts = title_parts(run, seed=False)
    return [*parts[:2], run.config.task.noise, *parts[3:]]


def _differing(own: Sequence[str], others: Sequence[Sequence[str]]) -> list[str]:
    """The parts that are not the same in all."""
    return [part for i, part in enumerate(own) if any(other[i] != part for other in others)]


def _notes(tasks: Sequence[Task], names: Sequence[str], only: Sequence[str], spread: Spread) -> Iterator[str]:
    """How to read the table."""
    yield from _notes_on_spreads(tasks, names, spread)
    notes = names_by((note, name) for name, task in zip(names, tasks, strict=True) for note in task.notes())
    yield from (f"{', '.join(of)}: {note}" for note, of in notes.items())
    for name, task in zip(names, tasks, strict=True):
        yield from assumptions({f"{solver} on {name}": cells[0] for solver, cells in task.of.items()})
    yield from _notes_on_columns(tasks, only)
    yield "The best and the second best of a column are marked."
    yield from significance_notes([each for task in tasks for each in task.comparisons])


def _notes_on_spreads(tasks: Sequence[Task], names: Sequence[str], spread: Spread) -> Iterator[str]:
    """Note on the intervals or deviations beside the means."""
    seeds = names_by((tuple(task.seeds), name) for task, name in zip(tasks, names, strict=True))
    notes = names_by(
        (note, name) for of_these, of in seeds.items() for note in spread_notes(spread, of_these) for name in of
    )
    for note, places in notes.items():
        yield note if len(places) == len(tasks) else f"{', '.join(places)}: {note}"
    if spread == "interval":
        yield "Means over images with 95 % BCa bootstrap intervals, over groups of images (photographs) if any."


def _notes_on_columns(tasks: Sequence[Task], only: Sequence[str]) -> Iterator[str]:
    """The protocols of the columns, and the metrics that were asked for and are not there."""
    columns = list(dict.fromkeys(column for task in tasks for column in task.columns))
    if columns:
        yield protocols_note(columns)
    for metric in [name for name in only if name not in {column.metric for column in columns}]:
        yield f"{metric}: {absent(metric, tasks[0].metrics, _cells(tasks))}."


def _cells(tasks: Sequence[Task]) -> list[LoadedCell]:
    return [cell for task in tasks for cell in task.cells]
