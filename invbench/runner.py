"""One cell, from its configuration to its records."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invbench.artifacts import weights_sha256
from invbench.bank import MeasurementBank
from invbench.dataset import Benchmark, Dataset
from invbench.device import describe
from invbench.errors import InvbenchError, SolverError, StoreError
from invbench.kept import done_images, drop_other_parts, refuse_other_images
from invbench.measure import Meter, peak_bytes, synchronize
from invbench.metric import Measurement, Metric
from invbench.noise import Sigma
from invbench.plugins import source_sha256
from invbench.posterior import ExactPosterior
from invbench.prior import Prior, PriorSource
from invbench.records import FORMAT, MEAN, CellStore, Record
from invbench.scoring import image_rows
from invbench.solver import Problem, Solver, Trainable
from invbench.task import Task
from invbench.training import read_card

OnProgress = Callable[[int, int], None]  # images done, images in all
NO_COST: dict[str, float] = {
    "solve_seconds": 0.0,
    "forward_seconds": 0.0,
    "backward_seconds": 0.0,
    "operator_seconds": 0.0,
    "prepare_seconds": 0.0,
    "nfe_forward": 0,
    "nfe_backward": 0,
    "peak_bytes": 0,
}
COSTS = (("seconds", "s"), ("nfe_forward", ""), ("nfe_backward", ""))  # LAST of records.py is the last one


@dataclass(frozen=True)
class Cell:
    """A solver on a task of a benchmark with one seed: everything that determines its numbers."""

    benchmark: Benchmark
    task: Task
    dataset: Dataset
    source: PriorSource
    solver: Solver
    seed: int = 0
    samples: int = 1
    assumed: str = ""  # the noise level that the solver is told where the noise hides its own
    plugins: tuple[tuple[str, str], ...] = ()  # distributions and versions the parts came with
    origins: Mapping[str, str] = field(default_factory=dict)  # where each of the solver's values comes from

    def config(self) -> dict[str, Any]:
        """Plain data, complete: two cells with equal configurations are the same cell."""
        prior = {k: v for k, v in _named(self.source).items() if k != "weights"}  # the hash says which weights
        solver = _named(self.solver)
        if isinstance(self.solver, Trainable):
            solver["sha256"] = weights_sha256(self.solver.checkpoint(self.benchmark.name, self.task.name))
            solver.pop("weights", None)
        return {
            "benchmark": {"name": self.benchmark.name, "version": self.benchmark.version},
            "task": _named(self.task),
            "dataset": _named(self.dataset),
            "prior": {**prior, "sha256": self.source.fingerprint()},
            "solver": solver,
            "seed": self.seed,
            "samples": self.samples,
            "plugins": dict(self.plugins),
            **({"assumed": self.assumed} if self.assumed else {}),
        }

    def told(self, problem: Problem) -> Problem:
        """The problem as the solver is told of it."""
        return replace(problem, sigma_y=Sigma.parse(self.assumed).pm1) if self.assumed else problem

    def code(self) -> dict[str, str]:
        """Hashes of the plugins' source, which is kept beside the records but is no part of the cell's identity."""
        return {"solver": source_sha256(type(self.solver)), "task": source_sha256(type(self.task))}


@dataclass(frozen=True)
class Options:
    """How a cell is run; nothing here changes its numbers."""

    out: Path
    n: int
    batch_size: int = 16
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    shard: tuple[int, int] = (0, 1)
    overwrite: bool = False
    command: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a cell."""

    status: str  # "complete", "skipped" or "failed"
    cell: str
    solver: str
    folder: Path
    images: int
    reason: str = ""
    solved: int = 0  # of the images, how many were not there before


def run_cell(cell: Cell, metrics: Sequence[Metric], options: Options, on_progress: OnProgress | None = None) -> Outcome:
    """Run what is missing of a cell. A fault of solver or data is recorded in the cell and returned.

    Raises StoreError where the folder cannot be used, and ConfigError where task and images do not fit.
    """
    bank = MeasurementBank.open(cell.benchmark, cell.dataset, cell.task, cell.seed)
    images = list(cell.dataset.ids())[: options.n]
    config = cell.config()
    cell_id = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
    i, k = options.shard
    whole = options.out / cell.benchmark.name / cell.task.name / f"{cell.solver.name}-{cell_id}"
    store = CellStore(whole if k == 1 else whole.with_name(f"{whole.name}.shard-{i}-of-{k}"))

    with store.writing():
        if options.overwrite:
            drop_other_parts(whole, options.shard)
            store.unseal()
            store.clear()
        store.refuse_damaged()
        chunks = _chunks(images, options.batch_size, options.shard)
        done = {} if options.overwrite else done_images(whole, cell.samples)
        refuse_other_images(bank, done)
        run = None if options.overwrite else store.read_run()
        if run is None:
            run = {"format": FORMAT, "cell": cell_id, "config": config, "cost": dict(NO_COST), "sessions": []}
        run["origins"] = dict(cell.origins)
        if isinstance(cell.solver, Trainable):
            run["training"] = _trained(cell.solver.checkpoint(cell.benchmark.name, cell.task.name))
        run.pop("traceback", None)
        before = sum(image in done for chunk in chunks for image in chunk)
        _warn_of_other_code(cell, run)
        store.unseal()
        run.update(status="running", reason=None, images=before)
        worker = _Worker(cell, metrics, options, bank, store, run, on_progress or (lambda done, total: None))
        try:
            run["reason"] = worker.run_missing(chunks, done)
            run["status"] = "complete" if run["reason"] is None else "skipped"
        except StoreError:  # the disk, not the solver
            raise
        except KeyboardInterrupt:
            run["status"] = "interrupted"
            raise
        except Exception as error:
            run["reason"] = str(error) if isinstance(error, InvbenchError) else f"{type(error).__name__}: {error}"
            run.update(status="failed", traceback=traceback.format_exc())
        finally:
            store.write_run(run)
        if run["status"] == "complete":
            store.seal()
    solved = run["images"] - before
    return Outcome(run["status"], cell_id, cell.solver.name, store.folder, run["images"], run["reason"] or "", solved)


@dataclass
class _Worker:
    """The parts of a running cell; ``run`` is the content of run.json, kept up to date."""

    cell: Cell
    metrics: Sequence[Metric]
    options: Options
    bank: MeasurementBank
    store: CellStore
    run: dict[str, Any]
    on_progress: OnProgress
    exact: ExactPosterior | None = None  # of the problem, where it is known and there are samples to score

    def run_missing(self, chunks: list[list[str]], done: Mapping[str, str]) -> str | None:
        """Solve the chunks that hold a missing image; returns why the solver does not apply, if it does not."""
        cell, device = self.cell, self.options.device
        problem = cell.told(self.bank.problem(device))
        if reason := declared_mismatch(cell.solver, problem):
            return reason
        total = sum(map(len, chunks))
        self.on_progress(self.run["images"], total)
        todo = [chunk for chunk in chunks if not done.keys() >= set(chunk)]
        if not todo:
            return None

        begun = {**session(self.options), "code": cell.code()}
        self.run["sessions"].append(begun)
        self.store.write_run(self.run)
        prior = cell.source.load(cell.dataset.x_shape, device)
        if reason := cell.solver.skip(problem, prior):
            return reason
        begin = time.perf_counter()
        state = cell.solver.prepare(problem, prior)
        self.run["cost"]["prepare_seconds"] += time.perf_counter() - begin
        with torch.inference_mode():  # first-call costs of the network are not the solver's
            prior.eps(torch.zeros(len(todo[0]), *cell.dataset.x_shape, device=device), 0)
        self.exact = ExactPosterior.of(self.bank.problem(device), prior) if cell.samples > 1 else None
        for chunk in todo:
            # A chunk is solved whole, also where a kill left it half done: batches, and with them the last
            # bits of a reconstruction, are those of an uninterrupted run.
            self._run_chunk(chunk, done, problem, prior, state)
            self.on_progress(self.run["images"], total)
        begun["finished"] = _now()
        return None

    def _run_chunk(self, chunk: list[str], done: Mapping[str, str], problem: Problem, prior: Prior, state: Any) -> None:
        measured = replace(self.bank.measure(chunk), posterior=self.exact)
        solved = [self._solve(measured, sample, problem, prior, state) for sample in range(self.cell.samples)]
        samples = torch.stack([x_hat for x_hat, _ in solved], dim=1)  # (B, samples, C, H, W)
        finite = samples.isfinite().flatten(1).all(1).tolist()
        rows = self._rows(samples, [costs for _, costs in solved], measured)
        for b, image in enumerate(chunk):
            if finite[b] and image not in done:
                self.store.append(image, samples[b], rows[b])
                self.run["images"] += 1
        self.run["cost"]["peak_bytes"] = max(self.run["cost"]["peak_bytes"], peak_bytes(self.options.device))
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
        with torch.inference_mode(not solver.needs_grad):
            synchronize(device)
            begin = time.perf_counter()
            x_hat = _solved(solver, y, metered, prior.metered(meter), state, rng)
            synchronize(device)
            seconds = time.perf_counter() - begin
        expected = tuple(measured.x.shape)
        if not isinstance(x_hat, Tensor) or tuple(x_hat.shape) != expected:
            got = f"one of shape {tuple(x_hat.shape)}" if isinstance(x_hat, Tensor) else f"a {type(x_hat).__name__}"
            raise SolverError(f"expected {solver.name} to return a tensor of shape {expected}; got {got}")
        B, cost = len(y), self.run["cost"]
        cost["solve_seconds"] += seconds
        cost["forward_seconds"] += meter.network.seconds
        cost["backward_seconds"] += meter.pullback.seconds
        cost["operator_seconds"] += meter.operator.seconds
        cost["nfe_forward"] += meter.forward
        cost["nfe_backward"] += meter.backward
        return x_hat.detach().float().cpu(), (seconds / B, meter.forward / B, meter.backward / B)

    def _rows(self, samples: Tensor, costs: list[tuple[float, ...]], measured: Measurement) -> list[list[Record]]:
        """Scores and costs of each image; the last row of an image is its last sample's last cost."""
        scored = image_rows(self.run["cell"], self.metrics, samples, measured)
        spent = list(enumerate(costs))
        if len(costs) > 1:
            spent.insert(0, (MEAN, tuple(map(sum, zip(*costs, strict=True)))))
        return [
            rows
            + [
                Record(self.run["cell"], image, sample, name, name, value, unit, digest)
                for sample, cost in spent
                for (name, unit), value in zip(COSTS, cost, strict=True)
            ]
            for rows, image, digest in zip(scored, measured.images, measured.sha256, strict=True)
        ]


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


def _warn_of_other_code(cell: Cell, run: Mapping[str, Any]) -> None:
    """Warn where records were made by a solver or task whose source was another."""
    now, name = cell.code(), {"solver": cell.solver.name, "task": cell.task.name}
    for kind in now:
        if any(s.get("code", {}).get(kind, now[kind]) != now[kind] for s in run["sessions"]):
            warnings.warn(
                f"the code of {kind} {name[kind]} has changed since records of this cell were made, which are kept; "
                "overwrite=true runs them again",
                stacklevel=2,
            )


def _trained(weights: Path) -> dict[str, Any]:
    """What the card of trained weights says of how they were made, and at what cost."""
    card = read_card(weights)
    return {key: card[key] for key in ("command", "step", "seconds", "machine", "dataset") if key in card}


def _named(plugin: Any) -> dict[str, Any]:
    return {"name": plugin.name, **asdict(plugin)}


def _chunks(images: Sequence[str], size: int, shard: tuple[int, int]) -> list[list[str]]:
    """Batches at fixed positions of the list; a shard takes every k-th of them, so batches never depend on it."""
    i, k = shard
    chunks = [list(images[start : start + size]) for start in range(0, len(images), size)]
    return chunks[i::k]


def session(options: Options) -> dict[str, Any]:
    """What is recorded of one stretch of work: command, time, machine and versions."""
    return {
        "command": options.command,
        "started": _now(),
        "finished": None,
        "batch_size": options.batch_size,
        "n": options.n,
        "shard": list(options.shard),
        **_environment(options.device),
    }


def _environment(device: torch.device) -> dict[str, Any]:
    commit, dirty = _commit()
    return {
        "device": describe(device),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("torch", "numpy", "pillow", "scikit-image")},
        "commit": commit,
        "dirty": dirty,
    }


def _commit() -> tuple[str | None, bool | None]:
    """Commit of the source tree this package is run from, and whether it was changed; None outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None, None
    commands = (["rev-parse", "HEAD"], ["status", "--porcelain"])
    try:
        commit, status = (
            subprocess.run(["git", "-C", str(root), *c], capture_output=True, text=True, check=True, timeout=10).stdout
            for c in commands
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit.strip(), bool(status.strip())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
