"""The tables of a paper as printed, beside our records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import pandas as pd

from invbench.analysis.cell import OTHER, Cell, Spread
from invbench.analysis.notes import spread_notes
from invbench.analysis.table import Table
from invbench.analysis.tables import absent
from invbench.errors import ConfigError, unknown
from invbench.metric import Metric
from invbench.paper.beside import Beside, Entry, Missing, OwnRow
from invbench.paper.marks import ARROWS, Style
from invbench.paper.printed import Column, Method, PaperTable, Printed, ranked
from invbench.store.reader import LoadedCell


@dataclass(frozen=True)
class Sheet:
    """A table of a paper in an output format."""

    table: PaperTable
    style: Style

    def header(self, column: Column) -> str:
        """The header of a column: what distinguishes it from others, and its better direction."""
        words = " ".join(filter(None, [self.group(column), column.metric]))
        return words + ARROWS[self.table.paper.layout.better(column.metric)]

    def group(self, column: Column) -> str:
        """Data set and task of a column, if columns differ in them."""
        parts = [v for i, v in enumerate(column[:2]) if len({c[i] for c in self.table.columns}) > 1]
        return " ".join(map(self.table.paper.layout.label, parts))


@dataclass(frozen=True)
class Scores(Sheet):
    """A table of scores, each method followed by our row if there is one."""

    beside: Beside
    filtered: bool  # the user filtered the cells, so missing ones are not reported
    added: tuple[str, ...] = ()  # solvers that are not in the paper, or "all"

    @cached_property
    def own(self) -> dict[Method, OwnRow]:
        """Our row for each method."""
        return {method: self.beside.row(method) for method in self.table.methods}

    @cached_property
    def others(self) -> list[OwnRow]:
        """The rows of solvers that were added. Raises ConfigError for one without records."""
        recorded = self.beside.recorded()
        for name in self.added:
            if name not in ("all", *recorded, *self.table.paper.layout.methods.values()):
                layout, first = self.table.paper.layout, self.table.columns[0]
                tasks = sorted({layout.tasks[column.task].name for column in self.table.columns})
                made = self.table.command(layout.benchmarks[first.dataset].name, [name], tasks)
                raise ConfigError(f"{unknown('solver to add', name, recorded)}; to record it: {made}")
        rows = map(self.beside.added, recorded)
        return [row for row in rows if row.cells and not {"all", row.name}.isdisjoint(self.added)]

    @cached_property
    def entries(self) -> list[Entry]:
        """The entry beside each printed value."""
        return [entry for row in (*self.own.values(), *self.others) for entry in row.entries.values()]

    def build(self) -> Table:
        """Printed values with the best and second marked, and our rows."""
        ranks = {column: self.ranks(column) for column in self.table.columns}
        lines = []
        for i, (method, printed) in enumerate(self.table.methods.items()):
            values = {c: _cell(row, ranks[c][i]) for c, row in printed.items()}
            lines.append(self.line(method.name, method.nfe, values))
            own = self.own[method]
            if own.cells:
                lines.append(self.line(own.label, "", own.cells))
        lines += [self.line(row.label, row.nfe, row.cells) for row in self.others]
        groups = ("", "", *map(self.group, self.table.columns))
        return Table(self.table.layout.title, pd.DataFrame(lines), tuple(self.notes()), groups, ranked=True)

    def line(self, method: str, nfe: str, values: Mapping[Column, Cell]) -> dict[str, str | Cell]:
        """A row of the table."""
        return {"method": method, "NFE": nfe} | {self.header(c): values.get(c, "-") for c in self.table.columns}

    def ranks(self, column: Column) -> list[int]:
        """The rank of each method's printed value."""
        rows = [printed.get(column) for printed in self.table.methods.values()]
        better = self.table.paper.layout.better(column.metric)
        return ranked(better, [row.value if row else "" for row in rows])

    def notes(self) -> Iterator[str]:
        """Notes on reading the table, and on missing records."""
        layout = self.table.paper.layout
        yield " ".join(filter(None, ("Printed values; best bold, second underlined, ? doubtful.", layout.note)))
        yield from sorted({f"? {r.method}, {r.task}, {r.metric}: {r.note}" for r in self.table.rows if r.doubtful})
        yield from filter(None, [self.table.layout.note])
        yield from self.notes_on_ours()
        if not self.filtered:
            yield from commands(self.table, {entry.missing for entry in self.entries if entry.missing})

    def notes_on_ours(self) -> Iterator[str]:
        """How our values were measured, and which were not used."""
        if self.beside.unit:
            yield (
                f"Ours: network calls as counted in a run, times the {self.beside.unit:.3f} G of a call of this "
                "network in fvcore's convention, counted without weights; no backward passes, as in the paper."
            )
        if protocols := dict.fromkeys(protocol for entry in self.entries for protocol in entry.protocols):
            yield f"Ours: {'; '.join(protocols)}."
            yield from spread_notes(self.style.spread) if self.style.spread == "std" else ()
        for mismatch in filter(None, dict.fromkeys(entry.mismatch for entry in self.entries)):
            yield f"Not shown, since recorded by another protocol: {mismatch}."
        for metric in filter(None, dict.fromkeys(entry.unscored for entry in self.entries)):
            yield f"{metric}: {absent(metric, self.style.metrics, self.beside.cells)}."


@dataclass(frozen=True)
class Settings(Sheet):
    """A table of the paper's settings, for which nothing is measured."""

    def build(self) -> Table:
        """A row for each setting, a column for each data set and task."""
        layout, values = self.table.paper.layout, {r.column: r for r in self.table.rows}
        places = dict.fromkeys((c.dataset, c.task) for c in self.table.columns)
        lines = []
        for metric in dict.fromkeys(c.metric for c in self.table.columns):
            line: dict[str, str | Cell] = {"": metric}
            for dataset, task in places:
                row = values.get(Column(dataset, task, metric))
                line[f"{layout.label(dataset)} {layout.label(task)}"] = _cell(row, OTHER) if row else "-"
            lines.append(line)
        notes = [f"{r.dataset}, {r.task}, {r.metric}: {r.note}" for r in self.table.rows if r.note]
        notes += [self.table.layout.note] if self.table.layout.note else []
        return Table(self.table.layout.title, pd.DataFrame(lines), tuple(notes))


def _cell(row: Printed, rank: int) -> Cell:
    """A printed value; a doubtful one gets a question mark."""
    return Cell(row.value, remark="?" if row.doubtful else "", rank=rank)


def commands(table: PaperTable, missing: Collection[Missing]) -> Iterator[str]:
    """The commands for cells that were not run, and the methods that no solver here implements."""
    for benchmark in sorted({each.benchmark for each in missing}):
        solvers = sorted({each.solver for each in missing if each.benchmark == benchmark})
        tasks = sorted({each.task for each in missing if each.benchmark == benchmark})
        yield f"Not recorded here; made by: {table.command(benchmark, solvers, tasks)}"
    ablation = table.layout.ablation
    if ablation is None:
        yield from _without_solver(table)
        return
    layout, first = table.paper.layout, table.rows[0]
    place = f"benchmark={layout.benchmarks[first.dataset].name} task={layout.tasks[first.task].name}"
    train, settings = ablation.training(place), ablation.settings
    yield f"Made by, for each of {settings[0]} to {settings[-1]}: {train}, and the command that it prints."


def _without_solver(table: PaperTable) -> Iterator[str]:
    """Methods of the table that no solver here implements."""
    layout = table.paper.layout
    names = sorted({method.name for method in table.methods if method.name not in layout.methods})
    yield from (f"{name} is {layout.absent[name]}." for name in names if name in layout.absent)
    others = [name for name in names if name not in layout.absent]
    if others:
        yield f"No solver here: {', '.join(others)}."


def paper_table(
    table: PaperTable,
    cells: Sequence[LoadedCell],
    unit: float = 0.0,
    metrics: Mapping[str, type[Metric]] = MappingProxyType({}),
    filtered: bool = False,
    spread: Spread = "none",
    added: tuple[str, ...] = (),
) -> Table:
    """A published table in the paper's layout, beside our numbers.

    ``metrics`` are the installed ones, for notes on missing metrics. ``unit`` is the GFLOPs of a network call, by which
    counted calls are multiplied. ``filtered``: the user filtered the cells; ``spread`` is printed beside our means;
    ``added`` are solvers that the paper lacks, with a row each.
    """
    style = Style(metrics, spread)
    if table.layout.settings:
        return Settings(table, style).build()
    return Scores(table, style, Beside(table, cells, style, unit), filtered, added).build()
