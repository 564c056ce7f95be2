"""Running a cell, or a shard of one, in this process."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace

import torch

from invbench.analysis.comparable import measurement_key
from invbench.errors import LockedCell
from invbench.harness.bank import image_ids
from invbench.harness.cell import Cell, Options, Watch
from invbench.harness.config import Choice, build
from invbench.harness.config import options as run_options
from invbench.harness.outcome import Done, Outcome
from invbench.harness.parts import even_batch, joined, settle
from invbench.harness.rebuild import Remeasure
from invbench.harness.request import Request
from invbench.harness.rescore import score_set
from invbench.harness.resume import Plan
from invbench.harness.runner import run_cell
from invbench.harness.scoring import Scorer
from invbench.metric import Metric
from invbench.plugins import Catalog
from invbench.store.reader import load_cell


def run_here(request: Request, catalog: Catalog, without: Collection[str], watch: Watch) -> Done:
    """Run a cell or a shard, or join a cell's shards, without the failed metrics; score a cell's images as a set."""
    cell = build(request.choice, catalog, request.reference or None)
    metrics = catalog.metrics(without)
    options = replace(how_to_run(request.choice, cell, request.command), command_id=request.command_id)
    plan = Plan.of(cell, options)
    if request.joins:
        outcome = joined(plan, cell.samples, request.choice.config.shards)
    elif request.is_part and not plan.chunks:  # there are fewer batches than shards
        outcome = Outcome("complete", plan.fresh.cell, cell.solver.name, plan.store.folder, 0)
    else:
        outcome = run_cell(cell, metrics, options, watch=watch)
    if outcome.status == "complete" and not request.is_part:
        if options.shard == (0, 1):
            settle(plan.cell_folder)
        outcome = _set_scored(outcome, metrics, catalog, watch, options.device)
    return Done(outcome, measurement_key(plan.fresh.config))


def how_to_run(choice: Choice, cell: Cell, command: str) -> Options:
    """The options of running a cell; warns if its dataset has fewer images than requested, or than the shards need."""
    options, held = run_options(choice, cell, command), len(image_ids(cell.dataset))
    n, (i, k), shards = min(options.n, held), options.shard, choice.config.shards
    if shards > 1 and "batch_size" not in choice.written:
        options = replace(options, batch_size=even_batch(n, shards, options.batch_size))
    if shards > 1 and k > 1:  # the process that joins the shards warns of the rest
        return options
    batches = -(-n // options.batch_size)
    idle = f"shards={shards}: some have" if shards > batches > 0 else f"shard={choice.config.shard} has"
    if shards > batches or i >= batches:
        warnings.warn(
            f"{idle} no images: a shard takes every k-th batch, and there are {batches} of {options.batch_size} "
            "images; choose a smaller batch_size",
            stacklevel=2,
        )
    if options.n > held:
        warnings.warn(
            f"n={options.n}, but dataset {cell.dataset.name} holds {held} images; all are taken", stacklevel=2
        )
    return options


def _set_scored(
    outcome: Outcome, metrics: Sequence[Metric], catalog: Catalog, watch: Watch, device: torch.device
) -> Outcome:
    """The outcome with the metrics that failed on the images as a set."""
    scorer = Scorer([m for m in metrics if m.name not in outcome.faults], watch.on_stage, device)
    loaded = load_cell(outcome.folder)
    with suppress(LockedCell):  # of shards, the last one scores all
        score_set(loaded, scorer, Remeasure(loaded.run, catalog), patience=1.0)
    return replace(outcome, faults={**outcome.faults, **scorer.faults})
