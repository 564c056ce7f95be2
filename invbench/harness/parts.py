"""The images of a cell in several shards: how they are divided into batches, and joined again."""

from __future__ import annotations

import dataclasses
import glob
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from invbench.errors import LockedCell
from invbench.harness.outcome import Outcome
from invbench.harness.resume import Plan, done_images
from invbench.store.writer import CellStore


def even_batch(n: int, shards: int, most: int) -> int:
    """The batch size, up to ``most`` images, with which all shards get the same number of the ``n`` images.

    At least two: a batch of one gives other last bits.

    >>> even_batch(48, 2, 16), even_batch(48, 8, 16), even_batch(1000, 8, 16), even_batch(3, 8, 16)
    (12, 6, 16, 2)
    """
    rounds = max(1, -(-n // (shards * most)))
    return min(most, max(2, -(-n // (shards * rounds))))


def joined(plan: Plan, samples: int, shards: int) -> Outcome:
    """The outcome of a cell that was run in shards; failed, naming the shards, if images are missing."""
    finished, parts = done_images(plan.cell_folder, samples), part_folders(plan.cell_folder)
    missing = [image for image in plan.images if image not in finished]
    folder, solver, n = min(parts, default=plan.cell_folder), plan.fresh.config.solver.name, len(plan.images)
    outcome = Outcome("complete", plan.fresh.cell, solver, folder, n - len(missing), solved=n - len(missing))
    if not missing and parts:
        return outcome
    if (reason := _why_skipped(parts)) is not None:
        return dataclasses.replace(outcome, status="skipped", reason=reason)
    which = _lacking(plan, set(missing), shards)
    reason = f"{len(missing)} of {n} images are missing{which}; the same command runs them alone"
    return dataclasses.replace(outcome, status="failed", reason=reason)


def _why_skipped(parts: Sequence[Path]) -> str | None:
    """Why the solver does not apply, as recorded by one of the shards; None if none recorded it."""
    runs = [CellStore(part).read_run() for part in parts]
    return next((run.reason or "" for run in runs if run and run.status == "skipped"), None)


def _lacking(plan: Plan, missing: set[str], shards: int) -> str:
    """The shards with missing images, in words."""
    if shards == 1:
        return ""
    lacking = [i for i in range(shards) if any(not missing.isdisjoint(chunk) for chunk in plan.chunks[i::shards])]
    return f", those of shard {', '.join(f'{i}/{shards}' for i in lacking)}"


def part_folders(cell_folder: Path) -> list[Path]:
    """The folders of a cell that have a run.json: its own and its shards'."""
    return sorted(path.parent for path in cell_folder.parent.glob(f"{glob.escape(cell_folder.name)}*/run.json"))


def settle(cell_folder: Path) -> None:
    """Mark the shards of a cell as complete if all their images are recorded, in whichever shards.

    Otherwise a shard that failed and was run again in other shards would make the cell a failed one.
    """
    for folder in part_folders(cell_folder):
        store = CellStore(folder)
        run = store.read_run()
        if run is None or run.status in ("complete", "skipped"):
            continue
        with suppress(LockedCell), store.writing():
            store.drop_checksums()
            store.write_run(replace(run, status="complete", reason=None, traceback=None))
            store.write_checksums()
