"""The cells of a command: run in this process, in shards, or by a launcher's workers and then joined here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from invbench.cli.progress import progress
from invbench.cli.sweep import compose, launch
from invbench.errors import InvbenchError, LockedCell
from invbench.guard import printable
from invbench.harness.checks import launcher, tracker_names, without_launcher
from invbench.harness.config import Choice
from invbench.harness.jobs import run_request
from invbench.harness.outcome import Outcome
from invbench.harness.request import Request, faults_of, job_requests, named
from invbench.harness.tracking import Trackers
from invbench.interrupts import noted_interrupts
from invbench.messages import plain_warnings
from invbench.plugins import Catalog, load_catalog

Ask = Callable[[Choice, str], Request]  # for a job's own solver, ""


class Job(NamedTuple):
    """A requested cell and its outcome; ``cell`` is None if it could not be built."""

    cell: str | None
    key: str | None  # of its measurement
    out: Path
    faults: tuple[str, ...] = ()  # what went wrong, one line each

    @property
    def success(self) -> bool:
        """Whether nothing went wrong."""
        return not self.faults


def run_jobs(overrides: Sequence[str], catalog: Catalog, command: str) -> list[Job] | None:
    """Run the jobs of the overrides; None if the user interrupted it, empty if they only print the configuration.

    If a launcher is named, its workers run the jobs; then this process joins and scores their cells and reports them to
    trackers.
    """
    trackers = Trackers.of(tracker_names(overrides), catalog)
    ask = partial(Request, command=command, command_id=uuid.uuid4().hex)
    if not launcher(overrides):
        return compose(overrides, catalog, lambda choice: _run_job(choice, catalog, ask, trackers))
    faults = launch(overrides, catalog, partial(_faults, ask))
    if faults is None:
        return None
    for line in faults:
        click.echo(f"error: {line}", err=True)
    join = partial(ask, joins=True)
    jobs = compose(without_launcher(overrides), catalog, lambda choice: _run_job(choice, catalog, join, trackers))
    return jobs and [jobs[0]._replace(faults=(*jobs[0].faults, *faults)), *jobs[1:]]


def _faults(ask: Ask, choice: Choice) -> list[str]:
    """What went wrong in a job that a launcher's worker runs, one line each."""
    return [line for job in _run_job(choice, load_catalog(), ask) for line in job.faults]


def _run_job(choice: Choice, catalog: Catalog, ask: Ask, trackers: Trackers | None = None) -> Iterator[Job]:
    """Run the cell of a job after its references."""
    out, own = Path(choice.config.out).expanduser(), ask(choice, "")
    try:
        for request in job_requests(choice, catalog, own):
            if job := _run(request, catalog, out, trackers):
                yield job
    except InvbenchError as error:
        click.echo(f"error: {printable(str(error))}", err=True)
        yield Job(None, None, out, (named(own, error),))


def _run(request: Request, catalog: Catalog, out: Path, trackers: Trackers | None) -> Job | None:
    """Run a cell; None if it is a reference that another process is running."""
    faults: list[str] = []

    def on_fault(line: str) -> None:
        faults.append(line)
        click.echo(f"error: {printable(line)}", err=True)

    try:
        with progress(request.title) as on_progress, plain_warnings(), noted_interrupts():
            done = run_request(request, catalog, on_progress, on_fault, trackers)
    except LockedCell:
        if not request.reference:
            raise
        click.echo(f"{request.title}: left to the process that is running it", err=True)  # a sweep shares it
        return None
    _tell(request.title, done.outcome)
    return Job(done.outcome.cell, done.key, out, (*faults, *faults_of(request, done.outcome)))


def _tell(title: str, outcome: Outcome) -> None:
    """Print the outcome of a cell."""
    note = ", already recorded" if outcome.status == "complete" and not outcome.solved else ""
    click.echo(f"{title}: {outcome.status}, {outcome.images} images{note}, cell {outcome.cell}", err=True)
    if outcome.reason:
        click.echo(f"  {outcome.reason}", err=True)
    for metric, reason in outcome.faults.items():
        click.echo(f"  metric {metric} failed, and its scores are left out: {reason}", err=True)
