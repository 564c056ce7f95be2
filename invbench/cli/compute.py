"""The command that runs cells, and its output."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import click

from invbench.analysis.comparable import label, measurement_key
from invbench.analysis.seeds import seed_tables
from invbench.analysis.tables import build_tables
from invbench.cli.console import terminal_width
from invbench.cli.jobs import run_jobs
from invbench.cli.spending import cost_breakdown, payoff
from invbench.errors import DataError, PluginError, StoreError
from invbench.figures.drawing import draw
from invbench.harness.experiments import expanded
from invbench.plugins import Catalog
from invbench.store.reader import LoadedCell, load_cells


def run(overrides: list[str], catalog: Catalog) -> int:
    """Compose, run each job's cell and its references, print tables and figures; returns the exit status."""
    words = expanded(overrides)
    jobs = run_jobs(words, catalog, shlex.join(["invbench", "run", *words]))
    if jobs is None:
        return 130
    for out, key in dict.fromkeys((job.out, job.key) for job in jobs if job.key):
        _show(out, key, catalog)
    for out in dict.fromkeys(job.out for job in jobs):
        _show_seeds(out, {job.key for job in jobs}, catalog)
    return 0 if all(job.success for job in jobs) else 1


def _show(out: Path, key: str, catalog: Catalog) -> None:
    """Print the table of a measurement and draw its figure."""
    cells = [c for c in load_cells(out) if measurement_key(c.run.config) == key]
    for table in build_tables(cells, *catalog.for_tables()):
        click.echo("\n" + table.render(width=terminal_width()))
    for cell in cells:
        for line in _spent(cell, cells):
            click.echo(f"{label(cell, cells)}: {line}")
    _draw(cells, out, catalog)


def _spent(cell: LoadedCell, cells: Sequence[LoadedCell]) -> Iterator[str]:
    """Where the time of a cell went, and when the training of its solver pays off."""
    cost, training = cell.run.cost, cell.run.training
    if cost.nfe_forward and cost.solve_seconds:
        yield cost_breakdown(cost)
    if cell.images and training and training.seconds:
        yield f"trained in {training.seconds / 3600:.2g} h; {payoff(training.seconds, cell, cells)}"


def _draw(cells: Sequence[LoadedCell], out: Path, catalog: Catalog) -> None:
    """Draw the figures of the cells that have reconstructions, and list the others."""
    solved = [cell for cell in cells if cell.images]
    drawable = [cell for cell in solved if all(map(cell.image_path, cell.images))]
    try:
        for path in draw(drawable, catalog, out):
            click.echo(f"figure: {path}")
    except (DataError, PluginError, StoreError) as error:  # files of the dataset have changed; the records are complete
        click.echo(f"not drawn: {error}", err=True)
    if absent := [label(cell, cells) for cell in solved if cell not in drawable]:
        click.echo(f"not drawn, their reconstructions are not here: {', '.join(absent)}")


def _show_seeds(out: Path, keys: Collection[str | None], catalog: Catalog) -> None:
    """Print the variance components over the seeds of measurements, if there are several."""
    cells = [c for c in load_cells(out) if measurement_key(c.run.config) in keys]
    for table in seed_tables(cells, catalog.for_tables()[0]):
        click.echo("\n" + table.render(width=terminal_width()))
