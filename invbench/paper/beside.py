"""Our row beneath a method of a paper's table: comparable values, and the reasons why others are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from msgspec import structs

from invbench.analysis.cell import Cell
from invbench.analysis.comparable import mean_of
from invbench.paper.layout import Benchmark
from invbench.paper.marks import Style
from invbench.paper.printed import Column, Method, PaperTable, Printed
from invbench.paper.records import CALLS, Protocol, find, find_anywhere
from invbench.store.reader import LoadedCell

GFLOPS = "gflops"


class Missing(NamedTuple):
    """A result that was not run."""

    benchmark: str
    solver: str
    task: str


class Sought(NamedTuple):
    """The record of ours that belongs beside a printed value."""

    benchmark: Benchmark
    solver: str
    task: str
    metric: str

    @property
    def missing(self) -> Missing:
        """The same, as a missing result."""
        return Missing(self.benchmark.name, self.solver, self.task)


@dataclass(frozen=True)
class Entry:
    """The entry beside a printed value: ours, over ``n`` images by these protocols, or why there is none."""

    ours: Cell | None = None
    n: int = 0
    protocols: tuple[str, ...] = ()
    mismatch: str = ""  # how our cell differs from the paper's protocol
    unscored: str = ""  # the metric that our cell lacks
    missing: Missing | None = None


@dataclass(frozen=True)
class OwnRow:
    """The row beneath a method, or of a solver that the paper lacks, by column."""

    entries: Mapping[Column, Entry]
    name: str = "  ours"
    nfe: str = ""

    @property
    def cells(self) -> dict[Column, Cell]:
        """Our values."""
        return {column: entry.ours for column, entry in self.entries.items() if entry.ours}

    @property
    def label(self) -> str:
        """The label of the row, with the number of images."""
        counts = sorted({entry.n for entry in self.entries.values() if entry.ours})
        return f"{self.name}, n={'/'.join(map(str, counts))}"


@dataclass(frozen=True)
class Beside:
    """Our cells, to print beside a table of a paper.

    ``unit`` is the GFLOPs of a network call in the paper's convention, 0 if the table does not count them.
    """

    table: PaperTable
    cells: Sequence[LoadedCell]
    style: Style
    unit: float = 0.0

    def row(self, method: Method) -> OwnRow:
        """Our row for a method of the table."""
        printed = self.table.methods[method]
        sought = {column: self.sought(row) for column, row in printed.items()}
        return OwnRow({column: self.entry(printed[column], of) for column, of in sought.items() if of})

    def recorded(self) -> list[str]:
        """Our solvers with records on the paper's benchmarks that the table lacks."""
        layout = self.table.paper.layout
        places = {layout.benchmarks[column.dataset].name for column in self.table.columns}
        printed = {layout.methods.get(method.name) for method in self.table.methods}
        configs = [cell.run.config for cell in self.cells if cell.images]
        return sorted({c.solver.name for c in configs if c.benchmark.name in places} - printed)

    def added(self, solver: str) -> OwnRow:
        """The row of a solver that the paper lacks, with any number of network calls."""
        layout, entries, calls = self.table.paper.layout, {}, set()
        for row in {row.column: row for row in self.table.rows if row.metric in layout.metrics}.values():
            place, task = layout.benchmarks[row.dataset], layout.tasks[row.task].name
            sought = Sought(place, solver, task, layout.metrics[row.metric].name)
            entry = self.entry(structs.replace(row, method=solver, nfe="", value=""), sought)
            entries[row.column] = entry
            cell = find(self.cells, self.table, place.name, task, solver)
            if entry.ours and cell:
                calls.add(mean_of(cell, CALLS))
        return OwnRow(entries, solver, "/".join(f"{each:g}" for each in sorted(filter(None, calls))))

    def sought(self, row: Printed) -> Sought | None:
        """The record that belongs beside a printed value; None if we have no such solver or metric."""
        layout = self.table.paper.layout
        if row.method not in layout.methods or row.metric not in layout.metrics:
            return None
        benchmark, task = layout.benchmarks[row.dataset], layout.tasks[row.task].name
        return Sought(benchmark, layout.methods[row.method], task, layout.metrics[row.metric].name)

    def entry(self, row: Printed, sought: Sought) -> Entry:
        """The entry beside a printed value."""
        counted = bool(self.unit) and sought.metric in (GFLOPS, CALLS)
        cell = self.cell(sought, counted, float(row.nfe) if row.nfe else None)
        if cell is None:
            return Entry(missing=sought.missing)
        others = [] if counted else self.protocol(row, sought).mismatches(cell)
        if others:
            place = f"{row.method}, {sought.benchmark.name} {sought.task}"
            return Entry(mismatch=f"{place}: {', '.join(others)}", missing=sought.missing)
        value = self.value(cell, sought.metric)
        if value is None and sought.metric in self.style.metrics:
            return Entry(unscored=sought.metric)
        if value is None:
            return Entry(missing=sought.missing)
        difference = f"({value - float(row.value):+.3g})" if row.value else ""
        ours = replace(self.style.score(cell, sought.metric, value), remark=difference)
        return Entry(ours, len(cell.images), _protocols(cell, sought.metric))

    def cell(self, sought: Sought, counted: bool, nfe: float | None) -> LoadedCell | None:
        """Our cell, with this number of network calls if there is one; for counted calls, of any benchmark."""
        if counted:
            return find_anywhere(self.cells, self.table, sought.task, sought.solver)
        return find(self.cells, self.table, sought.benchmark.name, sought.task, sought.solver, nfe)

    def protocol(self, row: Printed, sought: Sought) -> Protocol:
        """The protocol of a printed value."""
        nfe = float(row.nfe) if row.nfe else None
        benchmark, assumed = sought.benchmark, self.table.paper.layout.assumed
        return Protocol(self.table.noise_of(sought.task), benchmark.name, benchmark.prior, assumed, nfe)

    def value(self, cell: LoadedCell, metric: str) -> float | None:
        """A cell's mean; for arithmetic, its network calls times the GFLOPs of a call."""
        if metric != GFLOPS:
            return mean_of(cell, metric)
        calls = mean_of(cell, CALLS)
        return None if calls is None else calls * self.unit


def _protocols(cell: LoadedCell, metric: str) -> tuple[str, ...]:
    """The protocols of a cell's scores, without those named like the metric."""
    of_images = [r.protocol for r in cell.rows if r.metric == metric and r.protocol != metric]
    return tuple(dict.fromkeys([*of_images, *(s.protocol for s in cell.sets if s.metric == metric)]))
