"""The commands that compute: run, bench, plan, rescore, and what they print."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
import hydra
from omegaconf import DictConfig

from invbench.analysis.comparable import label, measurement_key
from invbench.analysis.seeds import seed_tables
from invbench.analysis.tables import build_tables
from invbench.cli.progress import progress
from invbench.cli.read import OUT
from invbench.cli.spending import cost_breakdown, payoff
from invbench.errors import DataError, InvbenchError, LockedCell, PluginError, StoreError
from invbench.figures.drawing import draw
from invbench.guard import printable
from invbench.interrupts import noted_interrupts
from invbench.messages import plain_warnings
from invbench.plugins import Catalog
from invbench.run.checks import check_overrides, folders, shows_job, without_cfg
from invbench.run.config import Choice, build, described
from invbench.run.options import register
from invbench.run.overrides import composing
from invbench.store.reader import LoadedCell, load_cells

if TYPE_CHECKING:
    from invbench.run.cell import Outcome

Result = TypeVar("Result")


class Job(NamedTuple):
    """A cell that was asked for, and what became of it; ``cell`` is None where it could not be built."""

    cell: str | None
    key: str | None  # of its measurement
    out: Path
    success: bool


def run(overrides: list[str], catalog: Catalog) -> int:
    """Compose, run each job's cell and its references, print tables and figures; returns the exit status."""
    jobs = run_jobs(overrides, catalog, shlex.join(["invbench", "run", *overrides]))
    if jobs is None:
        return 130
    for out, key in dict.fromkeys((job.out, job.key) for job in jobs if job.key):
        _show(out, key, catalog)
    for out in dict.fromkeys(job.out for job in jobs):
        _show_seeds(out, {job.key for job in jobs}, catalog)
    return 0 if all(job.success for job in jobs) else 1


def run_jobs(overrides: Sequence[str], catalog: Catalog, command: str) -> list[Job] | None:
    """Compose the jobs with Hydra and run them; None if the user interrupted.

    Empty if a launcher ran the jobs in other processes, or if Hydra only printed something.
    """
    return compose(overrides, catalog, lambda choice: _run_job(choice, catalog, command))


def compose(
    overrides: Sequence[str], catalog: Catalog, handle: Callable[[Any], Iterable[Result]]
) -> list[Result] | None:
    """The results of ``handle`` for each job that Hydra composes; None if the user interrupted."""
    ready = check_overrides(overrides, catalog)
    _check_writable(folders(overrides) or [Path(OUT)])
    register(catalog)
    shows = shows_job(ready)
    ready = without_cfg(ready) if shows else ready
    jobs: list[Result] = []
    texts: list[str] = []

    @hydra.main(version_base="1.3", config_path=None, config_name="run")
    def job(config: DictConfig) -> None:
        choice = Choice.of_job(config)
        if shows:
            texts.append(described(choice, catalog))
        else:
            jobs.extend(handle(choice))

    arguments, sys.argv = sys.argv, ["invbench", *ready]
    try:
        with composing():
            job()
    except KeyboardInterrupt:
        click.echo("interrupted; what was computed is kept, and the same command resumes from there", err=True)
        return None
    finally:
        sys.argv = arguments
    if shows:
        click.echo("\n---\n".join(texts))
    if not jobs and not shows and {"-m", "--multirun"}.intersection(ready):
        click.echo("the launcher ran the cells in other processes; 'invbench table' prints what they recorded")
    return jobs


def _check_writable(folders: Iterable[Path]) -> None:
    """Raise StoreError for a results folder that cannot be created, before Hydra tries to."""
    for folder in folders:
        try:
            there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        except OSError as error:
            raise StoreError(f"cannot write to {folder}: {error.strerror}; choose another out=FOLDER") from None
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise StoreError(f"cannot write to {folder}: {there} is not a writable folder; choose another out=FOLDER")


def _run_job(choice: Choice, catalog: Catalog, command: str) -> Iterator[Job]:
    """Run the cell of a job after its references."""
    from invbench.run.jobs import Request, run_request

    out = Path(choice.config.out).expanduser()
    try:
        requests = [Request(choice, solver, command) for solver in _solvers(choice, catalog)]
        if not any(request.at_risk(catalog) for request in requests):
            build(choice, catalog).config()  # absent weights stop the job before its references are run
        for request in requests:
            try:
                with progress(request.title) as on_progress, plain_warnings(), noted_interrupts():
                    done = run_request(request, catalog, on_progress)
            except LockedCell:
                if not request.reference:
                    raise
                click.echo(f"{request.title}: left to the process that is running it", err=True)  # a sweep shares it
                continue
            _tell(request.title, done.outcome)
            yield Job(done.outcome.cell, done.key, out, done.outcome.status != "failed" and not done.outcome.faults)
    except InvbenchError as error:
        click.echo(f"error: {printable(str(error))}", err=True)
        yield Job(None, None, out, False)


def _solvers(choice: Choice, catalog: Catalog) -> list[str]:
    """The solvers of a job: its references, then "" for its own."""
    own = choice.names["solver"]
    references = catalog.benchmark(choice.names["benchmark"]).references if choice.config.references else ()
    return [*(name for name in references if name != own), ""]


def _tell(title: str, outcome: Outcome) -> None:
    """Say what became of a cell."""
    note = ", already recorded" if outcome.status == "complete" and not outcome.solved else ""
    click.echo(f"{title}: {outcome.status}, {outcome.images} images{note}, cell {outcome.cell}", err=True)
    if outcome.reason:
        click.echo(f"  {outcome.reason}", err=True)
    for metric, reason in outcome.faults.items():
        click.echo(f"  metric {metric} failed, and its scores are left out: {reason}", err=True)


def _show(out: Path, key: str, catalog: Catalog) -> None:
    """Print the table of a measurement and draw its figure."""
    cells = [c for c in load_cells(out) if measurement_key(c.run.config) == key]
    for table in build_tables(cells, *catalog.for_tables()):
        click.echo("\n" + table.render())
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
    """Draw the figures of the cells that have reconstructions, and name the others."""
    solved = [cell for cell in cells if cell.images]
    drawable = [cell for cell in solved if all(map(cell.image_path, cell.images))]
    try:
        for path in draw(drawable, catalog, out):
            click.echo(f"figure: {path}")
    except (DataError, PluginError, StoreError) as error:  # files that are not those of then; the records are whole
        click.echo(f"not drawn: {error}", err=True)
    if absent := [label(cell, cells) for cell in solved if cell not in drawable]:
        click.echo(f"not drawn, their reconstructions are not here: {', '.join(absent)}")


def _show_seeds(out: Path, keys: Collection[str | None], catalog: Catalog) -> None:
    """Print the variance components over the seeds of measurements, if there are several."""
    cells = [c for c in load_cells(out) if measurement_key(c.run.config) in keys]
    for table in seed_tables(cells, catalog.for_tables()[0]):
        click.echo("\n" + table.render())
