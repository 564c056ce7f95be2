"""Running one cell, from its configuration to its records."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace as replace_fields

from invbench.device import arithmetic
from invbench.errors import (
    ConfigError,
    DataError,
    StoreError,
)
from invbench.guard import described, printable, reason_of
from invbench.harness.bank import MeasurementBank
from invbench.harness.cell import Cell, Options, Watch
from invbench.harness.outcome import OnProgress, Outcome, fail
from invbench.harness.resume import Existing, Plan, complete_run, look_for
from invbench.harness.scoring import Scorer
from invbench.harness.solving import Worker
from invbench.metric import Metric
from invbench.solver import Trainable
from invbench.store.schema import Run, Training
from invbench.weights import read_card


def run_cell(
    cell: Cell,
    metrics: Sequence[Metric],
    options: Options,
    on_progress: OnProgress | None = None,
    watch: Watch | None = None,
) -> Outcome:
    """Run the missing images of a cell. An error of a plugin is recorded in the cell and returned.

    Raises StoreError if the folder cannot be used, ConfigError if task and images do not fit, DataError if a requested
    image cannot be read, and PluginError if a plugin cannot describe itself.
    """
    watch = watch or Watch(on_progress=on_progress or (lambda done, total: None))
    plan = Plan.of(cell, options)
    watch.on_begin(plan.store.folder, plan.fresh)
    try:
        bank = _checked_bank(cell, plan.images)
    except (ConfigError, DataError):  # the parts do not fit together: nothing is written
        raise
    except Exception as error:
        fail(plan.store.folder, plan.fresh, reason_of(error), traceback.format_exc())
        return plan.outcome(replace_fields(plan.fresh, reason=reason_of(error)))
    with plan.store.writing():
        existing = look_for(cell, plan, options, bank)
        if complete := complete_run(plan, existing):
            _warn_of_other_code(cell, complete)
            watch.on_progress(complete.images, complete.images)
            return plan.outcome(complete, before=complete.images)
        run, scorer = _begun(cell, plan, existing), Scorer(metrics, watch.on_stage, options.device)
        plan.store.drop_checksums()
        _attempt(Worker(cell, scorer, options, bank, plan.store, run, watch.on_progress), plan, existing)
    return plan.outcome(run, plan.count(existing), scorer.faults)


def _checked_bank(cell: Cell, images: Sequence[str]) -> MeasurementBank:
    """The measurements of a cell, after checking that its images can be read."""
    bank = MeasurementBank.open(cell.benchmark, cell.dataset, cell.task, cell.seed)
    with described(f"dataset {cell.dataset.name}"):
        cell.dataset.check(images)
    return bank


def _begun(cell: Cell, plan: Plan, existing: Existing) -> Run:
    """The run.json of a cell that is about to be run."""
    run = replace_fields(existing.run or plan.fresh, origins=plan.fresh.origins, places=plan.fresh.places)
    run.status, run.reason, run.traceback, run.images = "running", None, None, plan.count(existing)
    if isinstance(cell.solver, Trainable):
        run.training = _trained(cell.solver.checkpoint(cell.benchmark.name, cell.task.name))
    _warn_of_other_code(cell, run)
    return run


def _attempt(worker: Worker, plan: Plan, existing: Existing) -> None:
    """Solve and record the missing images, and write to run.json how it ended."""
    run = worker.run
    try:
        with arithmetic(worker.cell.source.precision):
            run.reason = worker.run_missing(plan.chunks, existing.finished)
        run.status = "complete" if run.reason is None else "skipped"
    except StoreError:  # the disk, not the solver
        raise
    except KeyboardInterrupt:
        run.status = "interrupted"
        raise
    except Exception as error:
        run.status, run.reason = "failed", reason_of(error)
        run.traceback = printable(traceback.format_exc())
    finally:
        plan.store.write_run(run)
    if run.status == "complete":
        plan.store.write_checksums()


def _warn_of_other_code(cell: Cell, run: Run) -> None:
    """Warn if records were made with other source code of the solver or task."""
    now, name = cell.code(), {"solver": cell.solver.name, "task": cell.task.name}
    for kind in now:
        if any(s.code.get(kind, now[kind]) != now[kind] for s in run.sessions):
            warnings.warn(
                f"the code of {kind} {name[kind]} has changed since records of this cell were made, which are kept; "
                "overwrite=true runs them again",
                stacklevel=2,
            )


def _trained(weights: Path) -> Training | None:
    """How trained weights were made, and at what cost, from their metadata; None for weights without metadata."""
    card = read_card(weights)
    try:
        return msgspec.convert(card, Training) if card else None
    except msgspec.ValidationError as error:
        raise DataError(f"the metadata in {weights} is damaged ({error}); train or fetch it again") from None
