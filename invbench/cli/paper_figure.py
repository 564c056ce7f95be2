"""``invbench figure --paper N``: the grids of a paper's figure, from records of its solvers and tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from invbench.errors import ConfigError
from invbench.figures import drawing
from invbench.paper.build import parse
from invbench.paper.layout import FigureLayout, run_command
from invbench.paper.printed import Paper
from invbench.store.reader import LoadedCell, load_cells

if TYPE_CHECKING:
    from invbench.plugins import Catalog


def paper_figure(
    text: str, user_filters: Mapping[str, str], catalog: Catalog, out: Path, request: drawing.Request
) -> Iterator[str]:
    """Draw a figure's grids; yields its title, the files, and the commands for missing records.

    On the paper's data set, or on the requested benchmark. Raises ConfigError for an unknown figure.
    """
    name, number = parse(text)
    paper = Paper.load(name)
    if number not in paper.layout.figures:
        known = ", ".join(map(str, sorted(paper.layout.figures))) or "none"
        raise ConfigError(f"no figure {number} of paper {name} can be drawn; there are: {known}")
    layout = paper.layout.figures[number]
    yield layout.title
    if layout.command:
        yield f"It is no grid of one table's solvers; drawn by: {layout.command}"
        return
    solvers = request.solvers or tuple(solvers_of(paper, layout))
    benchmark = user_filters.get("benchmark", paper.layout.benchmarks[layout.data].name)
    catalog.benchmark(benchmark)
    for task in tasks_of(paper, layout, benchmark):
        filters = {**user_filters, "benchmark": benchmark, "task": task, "solver": ",".join(solvers)}
        cells = load_cells(out, **filters)
        yield from map(str, drawing.figure(cells, catalog, out, request)) if cells else ()
        if missing := missing_of(solvers, cells):
            yield f"Not recorded in {out}; made by: {run_command(benchmark, missing, [task], '')}"


def missing_of(solvers: Sequence[str], cells: Sequence[LoadedCell]) -> list[str]:
    """The solvers that have no cell."""
    there = {cell.run.config.solver.name for cell in cells}
    return [solver for solver in solvers if solver not in there]


def tasks_of(paper: Paper, layout: FigureLayout, benchmark: str) -> list[str]:
    """Our names of the figure's tasks; on a benchmark that is not the paper's, of their proxies."""
    tasks = [paper.layout.tasks[word] for word in layout.tasks]
    if benchmark == paper.layout.benchmarks[layout.data].name:
        return [task.name for task in tasks]
    return [task.proxy or task.name for task in tasks]


def solvers_of(paper: Paper, layout: FigureLayout) -> list[str]:
    """Our solvers for the methods in the figure's table, in the paper's order."""
    methods = {method.name for method in paper.table(layout.table).methods}
    return [solver for method, solver in paper.layout.methods.items() if method in methods]
