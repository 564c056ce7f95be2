"""Cells with a PSNR for each image, and the table of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from made import made_run
from msgspec import structs

from invbench.analysis.table import Table
from invbench.analysis.tables import build_tables
from invbench.metrics.consistency import Consistency
from invbench.metrics.distortion import PSNR, SSIM
from invbench.store.files import LAST, Record
from invbench.store.reader import LoadedCell

METRICS: dict[str, Any] = {"psnr": PSNR, "ssim": SSIM, "consistency": Consistency}


def cell_of(
    solver: dict[str, Any] | None = None,
    values: dict[str, float] | None = None,
    cell: str = "c0ffee00",
    y: str = "0",
    protocol: str = "psnr/p",
    **changes: Any,
) -> LoadedCell:
    """A cell with a PSNR for each image of ``values``."""
    names = {"benchmark": {"name": "b", "version": 1}, "dataset": {"name": "d"}, "prior": {"name": "p", "sha256": "0"}}
    config = {**names, "task": {"name": "t", "noise": "gaussian 0.1 [-1,1]"}, "seed": 0, "samples": 1}
    config |= {"solver": solver or {"name": "s"}, "plugins": {}, **changes.pop("config", {})}
    rows = [
        Record(cell=cell, image=i, sample=0, metric=m, protocol=p, value=v, unit="", y_sha256=y + i)
        for i, value in (values if values is not None else {"a": 20.0, "b": 22.0}).items()
        for m, p, v in (("psnr", protocol, value), ("seconds", "seconds", 0.5))
    ]
    return LoadedCell(cell, made_run(config, cell=cell, **changes), rows, (Path("out/b/t/s"),), 0)


def complete(
    solver: str,
    task: str,
    values: dict[str, float],
    seed: int = 0,
    noise: str = "gaussian 0.1 [-1,1]",
    y: str = "",
    nfe: int = 20,
    **run: Any,
) -> LoadedCell:
    """A cell with these values of PSNR and, by its last row, all scores of its images."""
    config = {"task": {"name": task, "noise": noise}, "seed": seed}
    identity = f"{solver} {task} {seed} {nfe} {noise}"
    made = cell_of({"name": solver, "nfe": nfe}, values, identity, y=y or f"{task}{seed}", config=config, **run)
    last = [structs.replace(row, metric=LAST, protocol=LAST, value=0.0) for row in made.rows if row.metric == "psnr"]
    return replace(made, rows=[*made.rows, *last])


def table_of(*cells: LoadedCell) -> Table:
    (table,) = build_tables(cells, METRICS)
    return table


def notes_of(*cells: LoadedCell) -> str:
    return "\n".join(table_of(*cells).notes)
