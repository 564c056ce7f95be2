"""The cost of a solver, measured in isolation: seconds, network calls, arithmetic, memory; and forecasts of costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from invbench.analysis.table import Table
from invbench.atomic import write_atomic
from invbench.device import arithmetic
from invbench.errors import StoreError
from invbench.guard import described
from invbench.harness.bank import MeasurementBank
from invbench.harness.cell import Cell
from invbench.harness.compiling import compiled
from invbench.harness.free_prior import FreePrior
from invbench.meter import Meter, peak_bytes, synchronize
from invbench.prior import Prior
from invbench.solver import declared_mismatch
from invbench.store.jsonfiles import json_text
from invbench.store.schema import Bench as BenchFile
from invbench.store.schema import BenchCost, Session

ROW_BYTES = 3000  # bytes of an image's rows of numbers, roughly
WARMUP = 3  # solves before the timed ones, the first of which counts the arithmetic


def _attention(q: Any, k: Any, v: Any, *_args: Any, **_kw: Any) -> int:
    return sdpa_flop_count(q, k, v)


def _attention_backward(grad: Any, q: Any, k: Any, v: Any, *_args: Any, **_kw: Any) -> int:
    return sdpa_backward_flop_count(grad, q, k, v)


def flop_formulas() -> dict[Any, Any]:
    """Formulas for operations that torch's counter does not count: attention on the CPU."""
    aten = torch.ops.aten
    return {
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    }


@dataclass
class Bench:
    """A cell that is solved to measure its cost: one batch of the first images of its dataset, again and again."""

    cell: Cell
    batch: int
    device: torch.device
    compile: bool = False

    def __post_init__(self) -> None:
        cell = self.cell
        self.bank = MeasurementBank.open(cell.benchmark, cell.dataset, cell.task, cell.seed)
        self.prior = cell.source.load(cell.dataset.x_shape, self.device)
        self.problem = cell.as_given(self.bank.problem(self.device))

    def refusal(self) -> str | None:
        """Why the solver does not apply; None if it does."""
        return declared_mismatch(self.cell.solver, self.problem) or self.cell.solver.skip(self.problem, self.prior)

    def prepare(self) -> None:
        """Measure, and prepare the solver, untimed."""
        images = self.bank.ids()[: self.batch]
        self.images, self.y = images, self.bank.measure(images).y.to(self.device)
        self.state = self.cell.solver.prepare(self.problem, self.prior)

    def solve(self, prior: Prior) -> tuple[float, Meter]:
        """Seconds and network calls of one solve of the batch."""
        solver, meter = self.cell.solver, Meter()
        rng = self.bank.rng(self.images, solver.name, 0)
        metered = replace(self.problem, A=self.problem.A.metered(meter))
        with torch.inference_mode(not solver.needs_grad), arithmetic(self.cell.source.precision):
            synchronize(self.device)
            begin = time.perf_counter()
            solver.solve(self.y.clone(), metered, prior.metered(meter), self.state, rng)
            synchronize(self.device)
        return time.perf_counter() - begin, meter

    def cost(self, repeats: int, limit: float) -> BenchCost:
        """Solve ``repeats`` times after warm-ups, or as often as fits into ``limit`` seconds, at least once.

        The first two warm-ups are always made, further ones only if they fit.
        """
        begin = time.perf_counter()
        self.prepare()
        setup = time.perf_counter() - begin
        with FlopCounterMode(display=False, custom_mapping=flop_formulas()) as counter:
            spent, _ = self.solve(self.prior)
        prior = compiled(self.prior, self.batch, self.cell.solver.needs_grad) if self.compile else self.prior
        for i in range(1, WARMUP):
            if i == 1 or spent < limit:
                spent += self.solve(prior)[0]
        times: list[float] = []
        while len(times) < repeats and (not times or sum(times) + times[-1] <= limit):
            seconds, meter = self.solve(prior)
            times.append(seconds)
        low, median, high = np.quantile(np.array(times) / len(self.y), (0.25, 0.5, 0.75))
        return BenchCost(
            solver=self.cell.solver.name,
            batch=len(self.y),
            repeats=len(times),
            seconds=float(median),
            low=float(low),
            high=float(high),
            forward=meter.forward / len(self.y),
            backward=meter.backward / len(self.y),
            gflops=counter.get_total_flops() / len(self.y) / 1e9,
            fvcore=self._fvcore(meter.forward / len(self.y)),
            operator_share=meter.operator.seconds / times[-1],
            peak_mib=peak_bytes(self.device) / 2**20,
            matmul_gflops=matmul_speed(self.device, getattr(self.prior, "dtype", torch.float32)) / 1e9,
            setup=setup,
        )

    def _fvcore(self, calls: float) -> float | None:
        with described(f"prior {self.cell.source.name}"):
            cost = self.cell.source.cost(self.cell.dataset.x_shape)
        return None if cost is None else calls * cost.fvcore / 1e9

    def unit_seconds(self) -> tuple[float, float]:
        """Seconds per image of a network call at this batch size, forward only and with its backward pass."""
        x = torch.zeros(len(self.y), *self.cell.dataset.x_shape, device=self.device)
        times: dict[bool, list[float]] = {False: [], True: []}
        for needs_grad in [False, True] * 3:
            z = x.clone().requires_grad_(needs_grad)
            with torch.inference_mode(not needs_grad), arithmetic(self.cell.source.precision):
                synchronize(self.device)
                begin = time.perf_counter()
                eps = self.prior.eps(z, 500)
                if needs_grad:
                    eps.sum().backward()
                synchronize(self.device)
            times[needs_grad].append((time.perf_counter() - begin) / len(x))
        return min(times[False]), min(times[True])


def matmul_speed(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large matrix product, counting a multiply-add as two; median of seven."""
    n = 8192 if device.type == "cuda" else 2048
    a = torch.ones(n, n, device=device, dtype=dtype)
    times = []
    for _ in range(8):
        synchronize(device)
        begin = time.perf_counter()
        a @ a
        synchronize(device)
        times.append(time.perf_counter() - begin)
    return 2 * n**3 / float(np.median(times[1:]))


@dataclass(frozen=True)
class Forecast:
    """The expected cost of a cell: network calls, arithmetic, hours and megabytes of records, for all its images."""

    task: str
    solver: str
    n: int
    nfe: str
    tflops: float | None
    hours: float
    megabytes: float


def forecast(bench: Bench, n: int) -> Forecast:
    """The forecast from one solve with a prior that costs nothing, and the measured cost of a network call."""
    bench.prepare()
    forward_seconds, both_seconds = bench.unit_seconds()
    seconds, meter = bench.solve(FreePrior(bench.prior))
    B, cell = len(bench.y), bench.cell
    forward, backward = meter.forward / B, meter.backward / B
    each = seconds / B + (forward - backward) * forward_seconds + backward * both_seconds
    solves = n * cell.samples
    image = 4 * int(np.prod(cell.dataset.x_shape))
    fvcore = bench._fvcore(1)
    return Forecast(
        task=f"{cell.benchmark.name}/{cell.task.name}",
        solver=cell.solver.name,
        n=n,
        nfe=f"{forward:g}" + (f" + {backward:g} back" if backward else ""),
        tflops=None if fvcore is None else 2 * fvcore * (forward + backward) * solves / 1e3,
        hours=each * solves / 3600,
        megabytes=(image * solves + ROW_BYTES * solves) / 2**20,
    )


def cost_table(costs: Sequence[BenchCost], title: str, device: str) -> Table:
    """Costs as a table, cheapest first."""
    lines = [
        {
            "solver": c.solver,
            "s/image": f"{c.seconds:.3g} [{c.low:.3g}, {c.high:.3g}]",
            "repeats": str(c.repeats),
            "NFE": f"{c.forward:g}",
            "NFE backward": f"{c.backward:g}",
            "GFLOP": f"{c.gflops:.4g}",
            "of floor": f"{c.seconds * c.matmul_gflops / c.gflops:.2f}" if c.gflops else "-",
            "G, fvcore": "-" if c.fvcore is None else f"{c.fvcore:.4g}",
            "operator": f"{c.operator_share:.1%}",
            "set-up s": f"{c.setup:.2g}",
            "peak MiB": f"{c.peak_mib:.0f}",
        }
        for c in sorted(costs, key=lambda c: c.seconds)
    ]
    batch = costs[0].batch if costs else 0
    notes = (
        f"Median and quartiles of seconds, up to {WARMUP} solves as warm-up, synchronised, batch {batch}, {device}.",
        "GFLOP: whole solve with backward passes, a multiply-add is two, Fourier transforms left out. Of floor: "
        "seconds over those of this arithmetic at the speed of a large matrix product, measured here. fvcore: forward "
        "calls alone, a multiply-add is one (the paper's Table 13). Peak memory is of the process so far.",
    )
    return Table(title, pd.DataFrame(lines), notes)


def forecast_table(forecasts: Sequence[Forecast], device: str) -> Table:
    """Forecasts as a table, with their sum."""
    lines = [
        {
            "task": f.task,
            "solver": f.solver,
            "n": str(f.n),
            "NFE": f.nfe,
            "TFLOP": "-" if f.tflops is None else f"{f.tflops:.3g}",
            "hours": f"{f.hours:.3g}",
            "MiB": f"{f.megabytes:.3g}",
        }
        for f in forecasts
    ]
    hours, size = sum(f.hours for f in forecasts), sum(f.megabytes for f in forecasts)
    notes = (
        f"{hours:.3g} hours and {size:.3g} MiB in all, on {device}: calls are counted with a prior that costs nothing, "
        "and timed by a network call measured now. A backward pass to the image counts as a forward one.",
    )
    return Table("Plan", pd.DataFrame(lines), notes)


def keep(cost: BenchCost, cell: Cell, out: Path, session: Session) -> Path:
    """Write a cost beside the records, as ``<out>/<benchmark>/<task>/bench-<solver>.json``."""
    path = out / cell.benchmark.name / cell.task.name / f"bench-{cell.solver.name}.json"
    content = BenchFile(cell.config(), cost, session).plain()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json_text(content, indent=1).encode())
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}; choose another out=FOLDER") from None
    return path
