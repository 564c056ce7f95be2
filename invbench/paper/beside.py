"""Our row beneath a method of a paper's table: values that are comparable with its own, and why others are not there.

No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from invbench.analysis.cell import Cell
from invbench.analysis.comparable import mean_of
from invbench.paper.layout import Benchmark
from invbench.paper.marks import Style
from invbench.paper.printed import Column, Method, PaperTable, Printed
from invbench.paper.records import CALLS, Protocol, find, find_anywhere
from invbench.store.reader import LoadedCell

GFLOPS = "gflops"


class Missing(NamedTuple):
    """What was not run."""

    benchmark: str
    solver: str
    task: str


class Sought(NamedTuple):
    """What of our records would stand beside a printed value."""

    benchmark: Benchmark
    solver: str
    task: str
    metric: str

    @property
    def missing(self) -> Missing:
        """The same, as what is to be run."""
        return Missing(self.benchmark.name, self.solver, self.task)


@dataclass(frozen=True)
class Entry:
    """What stands beside a printed value: ours, of ``n`` images by these protocols, or why there is none."""

    ours: Cell | None = None
    n: int = 0
    protocols: tuple[str, ...] = ()
    mismatch: str = ""  # in what our cell differs from the paper's protocol
    unscored: str = ""  # the metric that our cell lacks
    missing: Missing | None = None


@dataclass(frozen=True)
class OwnRow:
    """What stands beneath a method, by column."""

    entries: Mapping[Column, Entry]

    @property
    def cells(self) -> dict[Column, Cell]:
        """Our values."""
        return {column: entry.ours for column, entry in self.entries.items() if entry.ours}

    @property
    def label(self) -> str:
        """Whose row it is, of how many images."""
        counts = sorted({entry.n for entry in self.entries.values() if entry.ours})
        return f"  ours, n={'/'.join(map(str, counts))}"


@dataclass(frozen=True)
class Beside:
    """Our cells, to be set beside a table of a paper.

    ``unit`` are the GFLOPs of a network call in the paper's convention, 0 where the table does not count them.
    """

    table: PaperTable
    cells: Sequence[LoadedCell]
    style: Style
    unit: float = 0.0

    def row(self, method: Method) -> OwnRow:
        """What is recorded of a method of the table."""
        printed = self.table.methods[method]
        sought = {column: self.sought(row) for column, row in printed.items()}
        return OwnRow({column: self.entry(printed[column], of) for column, of in sought.items() if of})

    def sought(self, row: Printed) -> Sought | None:
        """What would stand beside a printed value; None where no solver or metric is ours."""
        layout = self.table.paper.layout
        if row.method not in layout.methods or row.metric not in layout.metrics:
            return None
        benchmark, task = layout.benchmarks[row.dataset], layout.tasks[row.task].name
        return Sought(benchmark, layout.methods[row.method], task, layout.metrics[row.metric].name)

    def entry(self, row: Printed, sought: Sought) -> Entry:
        """What stands beside a printed value."""
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
        ours = replace(self.style.score(cell, sought.metric, value), remark=f"({value - float(row.value):+.3g})")
        return Entry(ours, len(cell.images), _protocols(cell, sought.metric))

    def cell(self, sought: Sought, counted: bool, nfe: float | None) -> LoadedCell | None:
        """Our cell, of so many network calls where there is one; of counted calls, that of any benchmark."""
        if counted:
            return find_anywhere(self.cells, self.table, sought.task, sought.solver)
        return find(self.cells, self.table, sought.benchmark.name, sought.task, sought.solver, nfe)

    def protocol(self, row: Printed, sought: Sought) -> Protocol:
        """How the paper measured a value."""
        nfe = float(row.nfe) if row.nfe else None
        benchmark, assumed = sought.benchmark, self.table.paper.layout.assumed
        return Protocol(self.table.noise_of(sought.task), benchmark.name, benchmark.prior, assumed, nfe)

    def value(self, cell: LoadedCell, metric: str) -> float | None:
        """A cell's mean; of arithmetic, its network calls times that of a call."""
        if metric != GFLOPS:
            return mean_of(cell, metric)
        calls = mean_of(cell, CALLS)
        return None if calls is None else calls * self.unit


def _protocols(cell: LoadedCell, metric: str) -> tuple[str, ...]:
    """The protocols of a cell's scores, but for those that are called as the metric."""
    of_images = [r.protocol for r in cell.rows if r.metric == metric and r.protocol != metric]
    return tuple(dict.fromkeys([*of_images, *(s.protocol for s in cell.sets if s.metric == metric)]))
