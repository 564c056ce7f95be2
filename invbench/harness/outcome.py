"""The outcome of a cell. Does not import torch, since a process that only waits for others needs none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from invbench.guard import printable
from invbench.store.files import PATIENCE
from invbench.store.schema import Run
from invbench.store.writer import CellStore

OnProgress = Callable[[int, int], None]  # finished images, all images


@dataclass(frozen=True)
class Outcome:
    """The outcome of a cell."""

    status: str  # "complete", "skipped" or "failed"
    cell: str
    solver: str
    folder: Path
    images: int
    reason: str = ""
    solved: int = 0  # number of images that were not recorded before
    faults: Mapping[str, str] = field(default_factory=dict)  # why metrics have no score, by name


@dataclass(frozen=True)
class Done:
    """The outcome of a cell, and the key of its measurement."""

    outcome: Outcome
    key: str


def fail(folder: Path, fresh: Run, reason: str, trace: str) -> None:
    """Record that a cell failed; its existing records stay."""
    store = CellStore(folder)
    with store.writing(PATIENCE):
        run = store.read_run() or fresh
        store.drop_checksums()
        store.write_run(replace(run, status="failed", reason=reason, traceback=printable(trace)))
