"""One requested cell: run in this process if that is safe, else in a separate process, or in several.

Does not import torch, since a process that only waits for others needs none.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invbench.analysis.comparable import measurement_key
from invbench.errors import InvbenchError, PluginError
from invbench.harness.config import limits
from invbench.harness.isolation import Ended, OnEvent, Send, Stop, apart
from invbench.harness.outcome import Done, OnProgress, Outcome, fail
from invbench.harness.request import Request, faults_of, named
from invbench.harness.tracking import Trackers
from invbench.messages import plain_warnings
from invbench.plugins import Catalog, load_catalog
from invbench.store.schema import Run

if TYPE_CHECKING:
    from invbench.harness.cell import Watch


def run_request(
    request: Request,
    catalog: Catalog,
    on_progress: OnProgress,
    on_fault: Callable[[str], None] = lambda line: None,
    trackers: Trackers | None = None,
) -> Done:
    """Run a cell, and score its images as a set. Raises InvbenchError if there is no cell to record a fault in.

    ``on_fault`` is called with a line for each failed shard; ``trackers`` follow the cell.
    """
    with (trackers or Trackers()).following("cell", request.title) as followed:

        def on_event(kind: str, content: Any) -> None:
            followed.hear(kind, content)
            if kind == "progress":
                on_progress(*content)

        if request.in_parts:
            _run_parts(request, on_progress, on_fault)
            done = _run_apart(replace(request, joins=True), lambda kind, content: None)
        elif request.at_risk(catalog):
            done = _run_apart(request, on_event)
        else:
            done = _run_here(request, catalog, (), _watching(on_event))
        followed.recorded(done.outcome)
        return done


def _run_parts(request: Request, on_progress: OnProgress, on_fault: Callable[[str], None]) -> None:
    """Run the shards of a cell on this machine, each in a separate process; the processes share its threads."""
    count = request.choice.config.shards
    workers = min(count, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    together = _Together(on_progress)
    with Stop() as stop, ThreadPoolExecutor(workers) as pool:
        parts = [request.part(i) for i in range(count)]
        running = [pool.submit(_run_apart, part, together.of(part), stop, workers) for part in parts]
        try:
            for part, future in zip(parts, running, strict=True):
                for line in _faults_of_part(part, future):
                    on_fault(line)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop.now()
            raise


def _faults_of_part(part: Request, future: Future[Done]) -> list[str]:
    try:
        return faults_of(part, future.result().outcome)
    except InvbenchError as error:
        return [named(part, error)]


class _Together:
    """The progress of several shards as that of one cell."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress, self._lock = on_progress, threading.Lock()
        self._counts: dict[str, tuple[int, int]] = {}

    def of(self, part: Request) -> OnEvent:
        """The callback for one shard's progress."""

        def report(kind: str, content: Any) -> None:
            if kind == "progress":
                with self._lock:
                    self._counts[part.title] = content
                    self._on_progress(*map(sum, zip(*self._counts.values(), strict=True)))

        return report


def _run_here(request: Request, catalog: Catalog, without: Collection[str], watch: Watch) -> Done:
    from invbench.harness.here import run_here

    return run_here(request, catalog, without, watch)


def _watching(send: Send) -> Watch:
    """A cell's callbacks, sent as events."""
    from invbench.harness.cell import Watch

    return Watch(
        on_begin=lambda folder, run: send("begin", (folder, run)),
        on_progress=lambda done, total: send("progress", (done, total)),
        on_stage=lambda name: send("stage", name),
    )


def _run_apart(request: Request, on_event: OnEvent, stop: Stop | None = None, sharing: int = 1) -> Done:
    """Run a cell in a separate process; if the process ends within a metric, run it again without that metric.

    ``sharing`` processes share the machine's threads; all of them end at a ``stop``.
    """
    _, seconds = limits(request.choice.config)
    without: dict[str, str] = {}
    while True:
        heard = _Heard(on_event)
        try:
            done: Done = apart(_job, (request, tuple(without), sharing), heard, seconds, stop)
        except Ended as ended:
            if not heard.stage:
                return heard.failed(request, f"{ended}")
            without[heard.stage] = f"{ended}"
            continue
        return replace(done, outcome=replace(done.outcome, faults={**without, **done.outcome.faults}))


def _job(send: Send, request: Request, without: Collection[str], sharing: int) -> Done:
    """The work of the other process."""
    import torch

    if sharing > 1:
        torch.set_num_threads(max(1, torch.get_num_threads() // sharing))
    with plain_warnings():
        return _run_here(request, load_catalog(), without, _watching(send))


@dataclass
class _Heard:
    """The events that a process sent before it ended."""

    on_event: OnEvent
    stage: str = ""  # the metric that is being computed
    begun: tuple[Path, Run] | None = None
    images: int = field(default=0)

    def __call__(self, kind: str, content: Any) -> None:
        """Note an event, and pass it on."""
        if kind == "begin":
            self.begun = content
        elif kind == "stage":
            self.stage = content
        else:
            self.images, _ = content
        self.on_event(kind, content)

    def failed(self, request: Request, reason: str) -> Done:
        """Record that the cell failed. Raises PluginError if the process ended before the cell was built."""
        if self.begun is None:
            raise PluginError(f"{request.title}: its process, or a plugin in it, {reason}")
        folder, fresh = self.begun
        fail(folder, fresh, reason, f"none: the process of the cell {reason}")
        solver = fresh.config.solver.name
        outcome = Outcome("failed", fresh.cell, solver, folder, self.images, reason)
        return Done(outcome, measurement_key(fresh.config))
