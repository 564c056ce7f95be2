"""One cell, from its configuration to its records."""

from __future__ import annotations

import copy
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace as replace_fields
from torch import Tensor

from invbench.errors import (
    ConfigError,
    DataError,
    SolverError,
    StoreError,
    UnsupportedProblem,
)
from invbench.guard import contained, described, printable, reason_of
from invbench.meter import Meter, peak_bytes, synchronize
from invbench.metric import Metric
from invbench.prior import Prior
from invbench.problem import Measurement, Posterior, Problem
from invbench.run.bank import MeasurementBank, image_ids, recorded
from invbench.run.cell import Cell, OnProgress, Options, Outcome, Watch
from invbench.run.environment import now, session
from invbench.run.resume import adopt, done_images, drop_other_parts, refuse_other_images
from invbench.run.scoring import Scorer
from invbench.solver import Solver, Trainable
from invbench.store.files import MEAN, PATIENCE, Record
from invbench.store.fingerprint import Measured
from invbench.store.schema import FORMAT, Run, Training
from invbench.store.writer import CellStore
from invbench.weights import read_card

COSTS = (("seconds", "s"), ("nfe_forward", ""), ("nfe_backward", ""))  # LAST of records.py is the last one


def run_cell(
    cell: Cell,
    metrics: Sequence[Metric],
    options: Options,
    on_progress: OnProgress | None = None,
    watch: Watch | None = None,
) -> Outcome:
    """Run what is missing of a cell. A fault of a plugin is recorded in the cell and returned.

    Raises StoreError where the folder cannot be used, ConfigError where task and images do not fit, DataError where an
    image that is asked for cannot be read, and PluginError where a part cannot say what it is.
    """
    watch = watch or Watch(on_progress=on_progress or (lambda done, total: None))
    images = image_ids(cell.dataset)[: options.n]
    with described("the parts of the cell cannot be told"):
        config, places = cell.config(), cell.places()
    cell_id = config.digest()[:12]
    i, k = options.shard
    whole = options.out / cell.benchmark.name / cell.task.name / f"{cell.solver.name}-{cell_id}"
    store = CellStore(whole if k == 1 else whole.with_name(f"{whole.name}.shard-{i}-of-{k}"))
    fresh = Run(FORMAT, cell_id, config, places=places, origins=dict(cell.origins))
    watch.on_begin(store.folder, fresh)
    chunks = _chunks(images, options.batch_size, options.shard)
    asked = [image for chunk in chunks for image in chunk]
    try:
        bank = MeasurementBank.open(cell.benchmark, cell.dataset, cell.task, cell.seed)
        with described(f"dataset {cell.dataset.name}"):
            cell.dataset.check(asked)
    except (ConfigError, DataError):  # what was asked for does not go together: nothing is written
        raise
    except Exception as error:
        fail(store.folder, fresh, reason_of(error), traceback.format_exc())
        return Outcome("failed", cell_id, cell.solver.name, store.folder, 0, reason_of(error))

    with store.writing():
        run, done = _there(cell, store, whole, options, bank, asked, fresh)
        before = sum(image in done for chunk in chunks for image in chunk)
        here = run and run.places == places  # a folder that was moved is noted
        if run and here and run.status == "complete" and store.sealed and before == len(asked):
            _warn_of_other_code(cell, run)
            watch.on_progress(before, before)
            return Outcome("complete", cell_id, cell.solver.name, store.folder, before)
        run = replace_fields(run or fresh, origins=fresh.origins, places=places, traceback=None)
        if isinstance(cell.solver, Trainable):
            run.training = _trained(cell.solver.checkpoint(cell.benchmark.name, cell.task.name))
        _warn_of_other_code(cell, run)
        store.unseal()
        run.status, run.reason, run.images = "running", None, before
        scorer = Scorer(metrics, watch.on_stage)
        worker = _Worker(cell, scorer, options, bank, store, run, watch.on_progress)
        try:
            run.reason = worker.run_missing(chunks, done)
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
            store.write_run(run)
        if run.status == "complete":
            store.seal()
    solved = run.images - before
    reason = run.reason or ""
    return Outcome(run.status, cell_id, cell.solver.name, store.folder, run.images, reason, solved, scorer.faults)


def _there(
    cell: Cell,
    store: CellStore,
    whole: Path,
    options: Options,
    bank: MeasurementBank,
    images: Sequence[str],
    fresh: Run,
) -> tuple[Run | None, dict[str, Measured]]:
    """What there is of a cell: its run.json, and the images that are done. None, and none, where it is overwritten.

    Raises StoreError where files were changed since the cell was complete, or the images are others now.
    """
    if options.overwrite:
        drop_other_parts(whole, options.shard)
        store.unseal()
        store.clear()
        return None, {}
    store.refuse_damaged()
    if store.read_run() is None:
        adopt(store, fresh, cell.samples, bank, images)
    done = done_images(whole, cell.samples)
    refuse_other_images(bank, images, done)
    return store.read_run(), done


def fail(folder: Path, fresh: Run, reason: str, trace: str) -> None:
    """Record that a cell failed; what is there of it stays."""
    store = CellStore(folder)
    with store.writing(PATIENCE):
        run = store.read_run() or fresh
        store.unseal()
        store.write_run(replace_fields(run, status="failed", reason=reason, traceback=printable(trace)))


@dataclass
class _Worker:
    """The parts of a running cell; ``run`` is the content of run.json, kept up to date."""

    cell: Cell
    scorer: Scorer
    options: Options
    bank: MeasurementBank
    store: CellStore
    run: Run
    on_progress: OnProgress
    exact: Posterior | None = None  # of the problem, where it is known and there are samples to score

    def run_missing(self, chunks: list[list[str]], done: Mapping[str, Measured]) -> str | None:
        """Solve the chunks that hold a missing image; returns why the solver does not apply, if it does not."""
        cell, device = self.cell, self.options.device
        problem = copy.deepcopy(cell.told(self.bank.problem(device)))  # its own, whatever a solver does to it
        if reason := declared_mismatch(cell.solver, problem):
            return reason
        total = sum(map(len, chunks))
        self.on_progress(self.run.images, total)
        todo = [chunk for chunk in chunks if not done.keys() >= set(chunk)]
        if not todo:
            return None

        begun = replace_fields(session(self.options), code=cell.code())
        self.run.sessions.append(begun)
        self.store.write_run(self.run)
        with contained(f"prior {cell.source.name}"):
            prior = cell.source.load(cell.dataset.x_shape, device)
        begin = time.perf_counter()
        try:
            with contained(f"solver {cell.solver.name}"):
                if reason := cell.solver.skip(problem, prior):
                    return reason
                state = cell.solver.prepare(problem, prior)
        except UnsupportedProblem as error:
            return str(error)
        self.run.cost.prepare_seconds += time.perf_counter() - begin
        with contained(f"prior {cell.source.name}"), torch.inference_mode():
            # first calls cost more, which is not the solver's: on a GPU, kernels are chosen by the size of the batch
            rows = len(todo[0]) if device.type == "cuda" else 1
            prior.eps(torch.zeros(rows, *cell.dataset.x_shape, device=device), 0)
        self.exact = prior.posterior(self.bank.problem(device)) if cell.samples > 1 else None
        for chunk in todo:
            # A chunk is solved whole, also where a kill left it half done: batches, and with them the last
            # bits of a reconstruction, are those of an uninterrupted run.
            self._run_chunk(chunk, done, problem, prior, state)
            self.on_progress(self.run.images, total)
        begun.finished = now()
        return None

    def _run_chunk(
        self, chunk: list[str], done: Mapping[str, Measured], problem: Problem, prior: Prior, state: Any
    ) -> None:
        measured = replace(self.bank.measure(chunk), posterior=self.exact)
        solved = [self._solve(measured, sample, problem, prior, state) for sample in range(self.cell.samples)]
        samples = torch.stack([x_hat for x_hat, _ in solved], dim=1)  # (B, samples, C, H, W)
        finite = samples.isfinite().flatten(1).all(1).tolist()
        rows = self._rows(samples, [costs for _, costs in solved], measured)
        for b, image in enumerate(chunk):
            if finite[b] and image not in done:
                self.store.append(image, samples[b], rows[b])
                self.run.images += 1
        self.run.cost.peak_bytes = max(self.run.cost.peak_bytes, peak_bytes(self.options.device))
        self.store.write_run(self.run)
        bad = [image for image, good in zip(chunk, finite, strict=True) if not good]
        if bad:
            raise SolverError(
                f"{self.cell.solver.name} returned values that are not finite for {len(bad)} of {len(chunk)} images "
                f"({', '.join(bad[:3])}); the other images are kept"
            )

    def _solve(
        self, measured: Measurement, sample: int, problem: Problem, prior: Prior, state: Any
    ) -> tuple[Tensor, tuple[float, ...]]:
        """One timed draw for a batch, and its cost per image in the order of COSTS."""
        solver, device = self.cell.solver, self.options.device
        rng = self.bank.rng(measured.images, solver.name, sample)
        y, meter = measured.y.to(device, copy=True), Meter()
        metered = replace(problem, A=problem.A.metered(meter))
        with contained(f"solver {solver.name}"), torch.inference_mode(not solver.needs_grad):
            synchronize(device)
            begin = time.perf_counter()
            x_hat = _solved(solver, y, metered, prior.metered(meter), state, rng)
            synchronize(device)
            seconds = time.perf_counter() - begin
        expected = tuple(measured.x.shape)
        if not isinstance(x_hat, Tensor) or tuple(x_hat.shape) != expected:
            got = f"one of shape {tuple(x_hat.shape)}" if isinstance(x_hat, Tensor) else f"a {type(x_hat).__name__}"
            raise SolverError(f"expected {solver.name} to return a tensor of shape {expected}; got {got}")
        if x_hat.is_complex():
            raise SolverError(f"expected {solver.name} to return real values; got {x_hat.dtype}")
        B, cost = len(measured.y), self.run.cost
        cost.solve_seconds += seconds
        cost.forward_seconds += meter.network.seconds
        cost.backward_seconds += meter.pullback.seconds
        cost.operator_seconds += meter.operator.seconds
        cost.nfe_forward += meter.forward
        cost.nfe_backward += meter.backward
        return x_hat.detach().float().cpu(), (seconds / B, meter.forward / B, meter.backward / B)

    def _rows(self, samples: Tensor, costs: list[tuple[float, ...]], measured: Measurement) -> list[list[Record]]:
        """Scores and costs of each image; the last row of an image is its last sample's last cost."""
        scored = self.scorer.image_rows(self.run.cell, samples, measured)
        identities = [each.fingerprint for each in recorded(measured)]
        spent = list(enumerate(costs))
        if len(costs) > 1:
            spent.insert(0, (MEAN, tuple(map(sum, zip(*costs, strict=True)))))
        found = []
        for rows, image, digest, identity in zip(scored, measured.images, measured.sha256, identities, strict=True):
            costs_of = [
                Record(self.run.cell, image, sample, name, name, value, unit, digest)
                for sample, cost in spent
                for (name, unit), value in zip(COSTS, cost, strict=True)
            ]
            found.append([*rows, *costs_of[:-1], replace_fields(costs_of[-1], y=identity)])
        return found


def _solved(solver: Solver, *given: Any) -> Any:
    """What ``solve`` returns. Raises SolverError where it differentiates without saying so."""
    try:
        return solver.solve(*given)
    except RuntimeError as error:
        if solver.needs_grad or "does not require grad" not in str(error):
            raise
        raise SolverError(
            f"{solver.name} differentiates, and must say so: needs_grad: ClassVar[bool] = True; without it, gradients "
            "are off"
        ) from error


def declared_mismatch(solver: Solver, problem: Problem) -> str | None:
    """Why the solver's declarations rule the problem out; None if they do not."""
    A, needed = problem.A, solver.operator_type
    if not isinstance(A, needed):
        return (
            f"needs an operator of type {needed.__name__}; task {problem.task!r} gives {type(A).__name__}, "
            "which is none. Choose another task or solver"
        )
    if solver.needs_sigma and problem.sigma_y is None:
        return (
            f"needs a noise level; the noise of task {problem.task!r} tells none. Choose another noise or solver, or a "
            "level to assume, as assume='0.05 [-1,1]'"
        )
    return None


def _warn_of_other_code(cell: Cell, run: Run) -> None:
    """Warn where records were made by a solver or task whose source was another."""
    now, name = cell.code(), {"solver": cell.solver.name, "task": cell.task.name}
    for kind in now:
        if any(s.code.get(kind, now[kind]) != now[kind] for s in run.sessions):
            warnings.warn(
                f"the code of {kind} {name[kind]} has changed since records of this cell were made, which are kept; "
                "overwrite=true runs them again",
                stacklevel=2,
            )


def _trained(weights: Path) -> Training:
    """What the card of trained weights says of how they were made, and at what cost."""
    card = read_card(weights)
    return Training(**{key: card[key] for key in Training.__struct_fields__ if key in card})


def _chunks(images: Sequence[str], size: int, shard: tuple[int, int]) -> list[list[str]]:
    """Batches at fixed positions of the list; a shard takes every k-th of them, so batches never depend on it."""
    i, k = shard
    chunks = [list(images[start : start + size]) for start in range(0, len(images), size)]
    return chunks[i::k]
