"""Records made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invbench.store.files import LAST, Record
from invbench.store.jsonfiles import run_of
from invbench.store.reader import LoadedCell
from invbench.store.schema import FORMAT, Bench, BenchCost, Config, Run, Session

NAMES = {"benchmark": "b", "task": "t", "dataset": "d", "prior": "p", "solver": "s"}


def config_of(**parts: Any) -> dict[str, Any]:
    """A configuration as JSON, of which parts are given."""
    return {**{kind: {"name": name} for kind, name in NAMES.items()}, "seed": 0, "samples": 1, **parts}


def made_run(config: dict[str, Any], **fields: Any) -> Run:
    """What ``run.json`` of a complete cell says, given parts of it as JSON."""
    return run_of({"format": FORMAT, "cell": "c", "status": "complete", **fields, "config": config_of(**config)})


def changed(run: Run, **parts: dict[str, Any]) -> Run:
    """The same with other options of some parts of its configuration."""
    plain = run.plain()
    config: Any = plain["config"]
    both = {kind: {**config[kind], **options} for kind, options in parts.items()}
    return run_of({**plain, "config": {**config, **both}})


def with_options(cell: LoadedCell, **parts: dict[str, Any]) -> LoadedCell:
    """The cell with other options of some parts of its configuration."""
    return LoadedCell(cell.id, changed(cell.run, **parts), cell.rows, cell.folders, cell.damaged)


def bench_of(config: Config, seconds: float, device: str = "cpu", **fields: Any) -> Bench:
    """What ``invbench bench`` measured, of one image at a time."""
    numbers: dict[str, Any] = {"low": seconds, "high": seconds, "repeats": 5, "fvcore": 1.0, **fields}
    cost = BenchCost(
        solver=config.solver.name, batch=1, seconds=seconds, forward=1.0, backward=0.0, gflops=1.0,
        operator_share=0.0, peak_mib=1.0, **numbers,
    )  # fmt: skip
    return Bench(config, cost, Session(device=device, threads=1))


def loaded_cell(
    benchmark: str, task: str, solver: str, scores: dict[str, float], n: int = 2, **config: Any
) -> LoadedCell:
    """A cell whose images all have these scores; ``run`` are further fields of its run.json."""
    noise, run = config.pop("noise", "gaussian 0.05 [-1,1]"), config.pop("run", {})
    names = {
        "benchmark": {"name": benchmark, "version": 1},
        "dataset": {"name": benchmark},
        "prior": {"name": f"adm_{benchmark}", "sha256": "0" * 8},
    }
    whole = {**names, "task": {"name": task, "noise": noise}, "solver": {"name": solver}}
    rows = [
        Record(cell="c", image=f"{i}", sample=0, metric=m, protocol=m, value=v, unit="", y_sha256="")
        for i in range(n)
        for m, v in {**scores, LAST: 0.0}.items()
    ]
    return LoadedCell("c", made_run({**whole, **config}, images=n, **run), rows, (Path("nowhere"),), 0)
