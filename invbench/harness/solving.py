"""The solving of a cell: batches of measurements to a solver, reconstructions and rows to the store."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain

import torch
from msgspec.structs import replace as replace_fields
from torch import Tensor

from invbench.errors import ConfigError, PluginError, SolverError, UnsupportedProblem
from invbench.guard import contained
from invbench.harness.bank import MeasurementBank, recorded
from invbench.harness.cell import Cell, Options
from invbench.harness.compiling import compiled, first_call, repays
from invbench.harness.environment import now, session
from invbench.harness.free_prior import FreePrior
from invbench.harness.outcome import OnProgress
from invbench.harness.scoring import Scorer
from invbench.meter import Meter, peak_bytes, synchronize
from invbench.prior import Prior
from invbench.problem import Measurement, Posterior, Problem
from invbench.rng import Rng
from invbench.solver import Solver, declared_mismatch
from invbench.store.files import MEAN, Record
from invbench.store.fingerprint import Measured
from invbench.store.schema import Run
from invbench.store.writer import CellStore

COSTS = (("seconds", "s"), ("nfe_forward", ""), ("nfe_backward", ""))  # LAST of records.py is the last one


@dataclass
class Worker:
    """The parts of a running cell; ``run`` is the content of run.json, kept up to date."""

    cell: Cell
    scorer: Scorer
    options: Options
    bank: MeasurementBank
    store: CellStore
    run: Run
    on_progress: OnProgress
    exact: Posterior | None = None  # exact posterior of the problem, if it is known and there are samples to score

    def run_missing(self, chunks: list[list[str]], finished: Mapping[str, Measured]) -> str | None:
        """Solve the chunks with a missing image; returns the reason if the solver does not apply."""
        cell, device = self.cell, self.options.device
        problem = copy.deepcopy(cell.as_given(self.bank.problem(device)))  # a copy, whatever a solver does to it
        if reason := declared_mismatch(cell.solver, problem):
            return reason
        total = sum(map(len, chunks))
        self.on_progress(self.run.images, total)
        todo = [chunk for chunk in chunks if not finished.keys() >= set(chunk)]
        for image in chain.from_iterable(todo):
            self._group(image)  # errors of a dataset are reported before anything is solved
        if not todo:
            return None

        current_session = replace_fields(session(self.options), code=cell.code())
        self.run.sessions.append(current_session)
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
        prior = self._ready(prior, chunks, problem, state)
        if cell.samples > 1:
            with contained(f"prior {cell.source.name}"):
                self.exact = prior.posterior(self.bank.problem(device))
        for chunk in todo:
            # A chunk is always solved as a whole, even if a kill left it half done: batches, and with them the
            # last bits of a reconstruction, are those of an uninterrupted run.
            self._run_chunk(chunk, finished, problem, prior, state)
            self.on_progress(self.run.images, total)
        current_session.finished = now()
        return None

    def _ready(self, prior: Prior, chunks: list[list[str]], problem: Problem, state: object) -> Prior:
        """The prior after a first call, which costs more and is not counted; compiled as the user says.

        The network is compiled for batches of the first chunk's size, whichever chunks are missing. If the user did not
        ask for it and it fails, for example without a compiler, the uncompiled network is used, with a warning.
        """
        device, requested = self.options.device, self.options.compile
        rows = len(chunks[0]) * len(self._draws_of(chunks[0])[0])
        with contained(f"prior {self.cell.source.name}"):
            if requested or (requested is None and self._repays(prior, chunks, problem, state)):
                try:
                    return self._compiled(prior, rows)
                except ConfigError as error:
                    if requested:
                        raise
                    warnings.warn(f"{error}. The network is not compiled", stacklevel=2)
            first_call(prior, rows if device.type == "cuda" else 1, device, needs_grad=False)
        return prior

    def _compiled(self, prior: Prior, rows: int) -> Prior:
        begin = time.perf_counter()
        fast = compiled(prior, rows, self.cell.solver.needs_grad)
        self.run.cost.compile_seconds += time.perf_counter() - begin
        return fast

    def _repays(self, prior: Prior, chunks: list[list[str]], problem: Problem, state: object) -> bool:
        """Whether compiling pays off for all calls of the cell, counted on a chunk with a prior that costs nothing."""
        if self.options.device.type != "cuda" or not hasattr(prior, "net"):
            return False
        solver, measured, meter = self.cell.solver, self.bank.measure(chunks[0]), Meter()
        y, rng = measured.y.to(self.options.device), self.bank.rng(measured.images, solver.name, 0)
        with contained(f"solver {solver.name}"), torch.inference_mode(not solver.needs_grad):
            _solved(solver, y, problem, FreePrior(prior).metered(meter), state, rng)
        calls = meter.forward / len(y) * len(chunks) * len(self._draws_of(chunks[0]))
        return repays(self.options.device, calls)

    def _run_chunk(
        self, chunk: list[str], finished: Mapping[str, Measured], problem: Problem, prior: Prior, state: object
    ) -> None:
        measured = replace(self.bank.measure(chunk), posterior=self.exact)
        parts = [self._solve(measured, part, problem, prior, state) for part in self._draws_of(chunk)]
        solved = list(chain.from_iterable(parts))
        samples = torch.stack([x_hat for x_hat, _ in solved], dim=1)  # (B, samples, C, H, W)
        finite = samples.isfinite().flatten(1).all(1).tolist()
        rows = self._rows(samples, [costs for _, costs in solved], measured)
        for b, image in enumerate(chunk):
            if finite[b] and image not in finished:
                self.store.append(image, samples[b], rows[b])
                self.run.images += 1
        self.run.cost.peak_bytes = max(self.run.cost.peak_bytes, peak_bytes(self.options.device))
        self.store.write_run(self.run)
        self._refuse_infinite([image for image, good in zip(chunk, finite, strict=True) if not good], len(chunk))

    def _refuse_infinite(self, bad: list[str], among: int) -> None:
        """Raise SolverError if reconstructions are not finite."""
        if bad:
            raise SolverError(
                f"{self.cell.solver.name} returned values that are not finite for {len(bad)} of {among} images "
                f"({', '.join(bad[:3])}); the other images are kept"
            )

    def _draws_of(self, chunk: list[str]) -> list[range]:
        """The samples of a chunk that are drawn at once: as many as the batch size allows, at least one."""
        K, together = self.cell.samples, max(1, self.options.batch_size // len(chunk))
        return [range(first, min(first + together, K)) for first in range(0, K, together)]

    def _solve(
        self, measured: Measurement, samples: range, problem: Problem, prior: Prior, state: object
    ) -> list[tuple[Tensor, tuple[float, ...]]]:
        """Some samples of a chunk, drawn and timed at once; each with its cost per image in the order of COSTS."""
        solver, device = self.cell.solver, self.options.device
        rng = self.bank.rng_of_samples(measured.images, solver.name, samples)
        y, meter = torch.cat([measured.y] * len(samples)).to(device), Meter()
        metered = replace(problem, A=problem.A.metered(meter))
        with contained(f"solver {solver.name}"), torch.inference_mode(not solver.needs_grad):
            synchronize(device)
            begin = time.perf_counter()
            x_hat = _solved(solver, y, metered, prior.metered(meter), state, rng)
            synchronize(device)
            seconds = time.perf_counter() - begin
        expected = (len(y), *measured.x.shape[1:])
        if not isinstance(x_hat, Tensor) or tuple(x_hat.shape) != expected:
            description = (
                f"one of shape {tuple(x_hat.shape)}" if isinstance(x_hat, Tensor) else f"a {type(x_hat).__name__}"
            )
            raise SolverError(f"expected {solver.name} to return a tensor of shape {expected}; got {description}")
        if x_hat.is_complex():
            raise SolverError(f"expected {solver.name} to return real values; got {x_hat.dtype}")
        rows, cost = len(y), self.run.cost
        cost.solve_seconds += seconds
        cost.forward_seconds += meter.network.seconds
        cost.backward_seconds += meter.pullback.seconds
        cost.operator_seconds += meter.operator.seconds
        cost.nfe_forward += meter.forward
        cost.nfe_backward += meter.backward
        each = (seconds / rows, meter.forward / rows, meter.backward / rows)
        return [(part, each) for part in x_hat.detach().float().cpu().chunk(len(samples))]

    def _rows(self, samples: Tensor, costs: list[tuple[float, ...]], measured: Measurement) -> list[list[Record]]:
        """Scores and costs of each image; the last row of an image is its last sample's last cost."""
        scored = self.scorer.image_rows(self.run.cell, samples, measured)
        identities = [each.fingerprint for each in recorded(measured)]
        spent = list(enumerate(costs))
        if len(costs) > 1:
            spent.insert(0, (MEAN, tuple(map(sum, zip(*costs, strict=True)))))
        by_image = []
        for rows, image, digest, identity in zip(scored, measured.images, measured.sha256, identities, strict=True):
            costs_of = [
                Record(self.run.cell, image, sample, name, name, value, unit, digest)
                for sample, cost in spent
                for (name, unit), value in zip(COSTS, cost, strict=True)
            ]
            last = replace_fields(costs_of[-1], y=identity, group=self._group(image))
            by_image.append([*rows, *costs_of[:-1], last])
        return by_image

    def _group(self, image: str) -> str:
        """The group of an image; "" if it is its own group."""
        dataset = self.bank.dataset
        with contained(f"dataset {dataset.name}"):
            group = dataset.group(image)
        if not isinstance(group, str):
            raise PluginError(f"dataset {dataset.name}: expected a text as group of {image}; got {group!r}")
        return "" if group == image else group


def _solved(solver: Solver, y: Tensor, problem: Problem, prior: Prior, state: object, rng: Rng) -> Tensor:
    """The result of ``solve``. Raises SolverError if it differentiates without declaring it."""
    try:
        return solver.solve(y, problem, prior, state, rng)
    except RuntimeError as error:
        if solver.needs_grad or "does not require grad" not in str(error):
            raise
        raise SolverError(
            f"{solver.name} differentiates, and must say so: needs_grad: ClassVar[bool] = True; without it, gradients "
            "are off"
        ) from error
