"""Rows of an image and what ``run.json`` says, as a run writes them."""

from __future__ import annotations

from typing import Any

from made import made_run

from invbench.store.files import LAST, Record
from invbench.store.schema import Run


def rows_of(image: str, value: float = 1.0, sample: int = 0, cell: str = "c0") -> list[Record]:
    metrics = ("psnr", "seconds", LAST)
    return [Record(cell, image, sample, m, f"{m}/p", value, "", "0" * 64) for m in metrics]


def run_of(cell: str = "c0", **changes: Any) -> Run:
    return made_run(changes.pop("config", {}), cell=cell, **changes)
