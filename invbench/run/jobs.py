"""One cell that was asked for: run here where nothing is at risk, else in a process of its own."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from invbench.analysis.comparable import measurement_key
from invbench.errors import LockedCell, PluginError
from invbench.messages import plain_warnings
from invbench.numbers import OURS
from invbench.plugins import Catalog, load_catalog
from invbench.run.bank import image_ids
from invbench.run.cell import Cell, OnProgress, Options, Outcome, Watch
from invbench.run.config import Choice, build, limits
from invbench.run.config import options as run_options
from invbench.run.isolation import Ended, Send, apart
from invbench.run.rebuild import Remeasure
from invbench.run.rescore import score_set
from invbench.run.runner import fail, run_cell
from invbench.run.scoring import Scorer
from invbench.store.reader import load_cell
from invbench.store.schema import Run


@dataclass(frozen=True)
class Request:
    """A cell of a job: that of its own solver, or of a ``reference``."""

    choice: Choice
    reference: str
    command: str

    @property
    def title(self) -> str:
        """Benchmark, task and solver."""
        names = self.choice.names
        return f"{names['benchmark']}/{names['task']}/{self.reference or names['solver']}"

    def at_risk(self, catalog: Catalog) -> bool:
        """Whether the cell is run in a process of its own: as the user says, or else where plugins of others are."""
        isolate, seconds = limits(self.choice.config)
        if isolate is not None:
            return isolate
        return seconds > 0 or (catalog.installed and bool(self._strangers(catalog)))

    def _strangers(self, catalog: Catalog) -> set[str]:
        names = {**self.choice.names, "solver": self.reference or self.choice.names["solver"]}
        benchmark = catalog.benchmark(names.pop("benchmark"))
        if names["prior"] == benchmark.name:
            names["prior"] = benchmark.prior
        parts = [catalog.plugin(kind, name) for kind, name in names.items()]
        return {p.distribution for p in (*parts, *catalog.plugins["metric"].values())} - {OURS}


@dataclass(frozen=True)
class Done:
    """What became of a cell, and the key of its measurement."""

    outcome: Outcome
    key: str


def run_request(request: Request, catalog: Catalog, on_progress: OnProgress) -> Done:
    """Run a cell, and score its images as a set. Raises InvbenchError where there is no cell to record a fault in."""
    if request.at_risk(catalog):
        return _run_apart(request, on_progress)
    return _run_here(request, catalog, (), Watch(on_progress=on_progress))


def how_to_run(choice: Choice, cell: Cell, command: str) -> Options:
    """How a cell is run; says so where its dataset holds fewer images than were asked for."""
    options, held = run_options(choice, cell, command), len(image_ids(cell.dataset))
    batches, (i, _) = -(-min(options.n, held) // options.batch_size), options.shard
    if i >= batches:
        warnings.warn(
            f"shard={choice.config.shard} has no images: a shard takes every k-th batch, and there are "
            f"{batches} of {options.batch_size} images; choose a smaller batch_size",
            stacklevel=2,
        )
    if options.n > held:
        warnings.warn(
            f"n={options.n}, but dataset {cell.dataset.name} holds {held} images; all are taken", stacklevel=2
        )
    return options


def _run_here(request: Request, catalog: Catalog, without: Collection[str], watch: Watch) -> Done:
    """Run a cell in this process, but for some metrics."""
    cell = build(request.choice, catalog, request.reference or None)
    metrics = catalog.metrics(without)
    how = how_to_run(request.choice, cell, request.command)
    outcome = run_cell(cell, metrics, how, watch=watch)
    if outcome.status == "complete":
        scorer = Scorer([m for m in metrics if m.name not in outcome.faults], watch.on_stage, how.device)
        loaded = load_cell(outcome.folder)
        with suppress(LockedCell):  # of shards, the last one scores all
            score_set(loaded, scorer, Remeasure(loaded.run, catalog), patience=1.0)
        outcome = replace(outcome, faults={**outcome.faults, **scorer.faults})
    return Done(outcome, measurement_key(cell.config()))


def _run_apart(request: Request, on_progress: OnProgress) -> Done:
    """Run a cell in a process of its own, and again without a metric in which that has ended."""
    _, seconds = limits(request.choice.config)
    without: dict[str, str] = {}
    while True:
        heard = _Heard(on_progress)
        try:
            done: Done = apart(_job, (request, tuple(without)), heard, seconds)
        except Ended as ended:
            if not heard.stage:
                return heard.failed(request, f"{ended}")
            without[heard.stage] = f"{ended}"
            continue
        return replace(done, outcome=replace(done.outcome, faults={**without, **done.outcome.faults}))


def _job(send: Send, request: Request, without: Collection[str]) -> Done:
    """What the other process does."""
    watch = Watch(
        on_begin=lambda folder, run: send("begin", (folder, run)),
        on_progress=lambda done, total: send("progress", (done, total)),
        on_stage=lambda name: send("stage", name),
    )
    with plain_warnings():
        return _run_here(request, load_catalog(), without, watch)


@dataclass
class _Heard:
    """What a process has reported before it ended."""

    on_progress: OnProgress
    stage: str = ""  # the metric that is called
    begun: tuple[Path, Run] | None = None
    images: int = field(default=0)

    def __call__(self, kind: str, content: Any) -> None:
        """Take an event."""
        if kind == "begin":
            self.begun = content
        elif kind == "stage":
            self.stage = content
        else:
            self.images, total = content
            self.on_progress(self.images, total)

    def failed(self, request: Request, reason: str) -> Done:
        """Record that the cell failed. Raises PluginError where the process ended before there was one."""
        if self.begun is None:
            raise PluginError(f"{request.title}: a plugin {reason}")
        folder, fresh = self.begun
        fail(folder, fresh, reason, f"none: the process of the cell {reason}")
        solver = fresh.config.solver.name
        outcome = Outcome("failed", fresh.cell, solver, folder, self.images, reason)
        return Done(outcome, measurement_key(fresh.config))
