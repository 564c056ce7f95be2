"""The table that ``invbench table --paper`` requests, and our records for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from invbench.analysis.cell import Spread
from invbench.analysis.comparable import solver_of
from invbench.analysis.table import Table
from invbench.errors import ConfigError
from invbench.paper.options import options_table
from invbench.paper.printed import DAVI, Paper, PaperTable
from invbench.paper.proxy import proxy_table
from invbench.paper.published import paper_table
from invbench.paper.records import of_trainings, with_released
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.release import load_costs
from invbench.store.released import results_folder

if TYPE_CHECKING:
    from invbench.plugins import Catalog


@dataclass(frozen=True)
class Request:
    """A table, the spread beside our means, and filters of our records."""

    paper: str
    spread: Spread
    wanted: Mapping[str, str]
    out: Path
    added: tuple[str, ...] = ()  # solvers that are not in the paper

    @property
    def filtered(self) -> bool:
        """Whether records are left out on purpose."""
        return bool(self.wanted.keys() - {"benchmark"})

    def table(self) -> PaperTable:
        """The printed table. Raises ConfigError if it does not exist."""
        name, number = parse(self.paper)
        return Paper.load(name).table(number)

    def cells(self, table: PaperTable) -> tuple[list[LoadedCell], list[LoadedCell]]:
        """Records for the table, including released ones, and the user's records that these replace."""
        own, part = load_cells(self.out, **self.wanted), ""
        if table.layout.ablation:  # in a separate folder, since its records are not representative of their solver
            part = table.layout.ablation.records
            own += load_cells(self.out / part, **self.wanted)
        trained = of_trainings(table.layout.trained.values(), self.out, **self.wanted)
        cells = [*with_released(own, part, **self.wanted), *trained]
        if not cells and self.filtered:
            filters = " ".join(f"{key}={value}" for key, value in self.wanted.items())
            raise ConfigError(f"no records of {filters}, in {self.out} or released")
        return cells, [cell for cell in own if cell not in cells]


def parse(text: str) -> tuple[str, int]:
    """The paper and the number of a table. Raises ConfigError for other texts.

    >>> parse("7"), parse("davi:7")
    (('davi', 7), ('davi', 7))
    """
    name, colon, number = text.rpartition(":")
    if not number.isdecimal() or (colon and not name):
        raise ConfigError(
            f"--paper takes the number of a table, for example 7, or NAME:7 for another paper; got {text!r}"
        )
    return name or DAVI, int(number)


def build_table(request: Request, catalog: Catalog) -> Table:
    """The table beside our records or, with a benchmark that is not the paper's, our records in its layout."""
    table = request.table()
    if table.layout.settings and request.added:
        raise ConfigError(f"table {table.number} lists the settings of a method; leave out --add")
    benchmark = request.wanted.get("benchmark")
    if benchmark is not None:
        catalog.benchmark(benchmark)
    cells, replaced = request.cells(table)
    metrics, _ = catalog.for_tables()
    if benchmark is None or benchmark in _benchmarks(table):
        unit = call_gflops(catalog, table.layout.calls_of) if table.layout.calls_of else 0.0
        built = paper_table(table, cells, unit, metrics, request.filtered, request.spread, request.added)
    elif table.layout.settings:
        built = options_table(table, benchmark, catalog)
    else:
        costs = load_costs(results_folder() / "reference", request.out)
        built = proxy_table(table, benchmark, cells, metrics, costs, request.filtered, request.spread, request.added)
    return replace(built, notes=(*built.notes, *_note(replaced)))


def call_gflops(catalog: Catalog, benchmark: str) -> float:
    """GFLOPs of a call of a benchmark's network, in fvcore's convention."""
    return float(catalog.get("prior", catalog.benchmark(benchmark).prior)().cost().fvcore) / 1e9


def _benchmarks(table: PaperTable) -> list[str]:
    return [benchmark.name for benchmark in table.paper.layout.benchmarks.values()]


def _note(replaced: Sequence[LoadedCell]) -> list[str]:
    """A note on the user's records that are left out."""
    names = [f"{solver_of(c)} on {c.run.config.task.name} (n={len(c.images)})" for c in replaced]
    return [f"Set aside, since released records have more images: {', '.join(names)}."] if names else []
