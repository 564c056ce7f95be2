"""Records made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invbench.store.files import LAST, Record
from invbench.store.reader import LoadedCell


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
    whole = {**names, "task": {"name": task, "noise": noise}, "solver": {"name": solver}, "seed": 0, "samples": 1}
    rows = [
        Record(cell="c", image=f"{i}", sample=0, metric=m, protocol=m, value=v, unit="", y_sha256="")
        for i in range(n)
        for m, v in {**scores, LAST: 0.0}.items()
    ]
    return LoadedCell("c", {"config": {**whole, **config}, "status": "complete", **run}, rows, (Path("nowhere"),), 0)
