"""What exists of a cell before it is run: finished images, and shards of an earlier run."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from invbench.errors import StoreError
from invbench.guard import described
from invbench.harness.bank import MeasurementBank, image_ids, recorded
from invbench.harness.cell import Cell, Options
from invbench.harness.outcome import Outcome
from invbench.store.files import PATIENCE, read_rows
from invbench.store.fingerprint import Measured
from invbench.store.schema import FORMAT, Config, Run
from invbench.store.writer import CellStore

LOOKED_AT = (
    16  # or up to twice as many: finished images that are measured again, to see whether they are still the same
)


@dataclass(frozen=True)
class Plan:
    """The requested work on a cell: its folder, a new run.json for it, and its batches of images."""

    store: CellStore  # store of the cell, or of its shard
    cell_folder: Path  # the cell's folder
    fresh: Run
    chunks: list[list[str]]

    @classmethod
    def of(cls, cell: Cell, options: Options) -> Plan:
        """The plan for a cell. Raises PluginError if a plugin cannot describe itself."""
        images = image_ids(cell.dataset)[: options.n]
        with described("the parts of the cell cannot be described"):
            config, places = cell.config(), cell.places()
        cell_id, (i, k) = config.digest()[:12], options.shard
        cell_folder = options.out / config.place / f"{cell.solver.name}-{cell_id}"
        store = CellStore(cell_folder if k == 1 else cell_folder.with_name(f"{cell_folder.name}.shard-{i}-of-{k}"))
        fresh = Run(FORMAT, cell_id, config, places=places, origins=dict(cell.origins))
        return cls(store, cell_folder, fresh, _chunks(images, options.batch_size, options.shard))

    @property
    def images(self) -> list[str]:
        """The images."""
        return [image for chunk in self.chunks for image in chunk]

    def count(self, existing: Existing) -> int:
        """The number of finished images."""
        return sum(image in existing.finished for image in self.images)

    def outcome(self, run: Run, before: int = 0, faults: Mapping[str, str] | None = None) -> Outcome:
        """The outcome of the cell, given the images that were finished before."""
        name, folder, solved = run.config.solver.name, self.store.folder, run.images - before
        return Outcome(run.status, run.cell, name, folder, run.images, run.reason or "", solved, faults or {})


@dataclass(frozen=True)
class Existing:
    """The existing records of a cell: its run.json, and the finished images with their recorded measurements."""

    run: Run | None
    finished: Mapping[str, Measured]


def look_for(cell: Cell, plan: Plan, options: Options, bank: MeasurementBank) -> Existing:
    """The existing records of a cell; none if it is overwritten.

    Raises StoreError if files were changed since the cell was complete, or if the images are others now.
    """
    if options.overwrite and not plan.store.overwritten_by(options.command_id):
        drop_other_parts(plan.cell_folder, options.shard, options.joined)
        plan.store.overwrite(options.command_id)
        return Existing(None, {})
    plan.store.verify_checksums()
    if plan.store.read_run() is None:
        adopt(plan.store, plan.fresh, cell.samples, bank, plan.images)
    finished = done_images(plan.cell_folder, cell.samples)
    refuse_other_images(bank, plan.images, finished)
    return Existing(plan.store.read_run(), finished)


def complete_run(plan: Plan, existing: Existing) -> Run | None:
    """The run.json of a cell to which nothing needs to be added; else None.

    If a folder of files was moved, the new place has to be added.
    """
    run = existing.run
    if run is None or run.places != plan.fresh.places or run.status != "complete" or not plan.store.has_checksums:
        return None
    if not existing.finished.keys() >= set(plan.images):
        return None
    return replace(run, images=len(plan.images))


def _chunks(images: Sequence[str], size: int, shard: tuple[int, int]) -> list[list[str]]:
    """Batches at fixed positions of the list; a shard takes every k-th of them, so batches never depend on it."""
    i, k = shard
    chunks = [list(images[start : start + size]) for start in range(0, len(images), size)]
    return chunks[i::k]


def done_images(cell_folder: Path, samples: int) -> dict[str, Measured]:
    """Images that are complete in the cell's folder or in any shard's, with their recorded measurements."""
    finished: dict[str, Measured] = {}
    for folder in (cell_folder, *cell_folder.parent.glob(f"{glob.escape(cell_folder.name)}.shard-*")):
        finished |= CellStore(folder).finished(samples)
    return finished


def refuse_other_images(bank: MeasurementBank, images: Sequence[str], finished: Mapping[str, Measured]) -> None:
    """Raise StoreError if files of the dataset have changed since images were solved; checks some of them."""
    solved = [image for image in images if image in finished]
    some = solved[:: max(1, len(solved) // LOOKED_AT)]
    for image, now in zip(some, recorded(bank.measure(some)) if some else (), strict=True):
        if not finished[image].same(now):
            raise StoreError(
                f"image {image} of dataset {bank.dataset.name} is not the one that was solved before: its measurement "
                "has changed. Put the file back, or run with overwrite=true, or into another out=FOLDER"
            )


def adopt(store: CellStore, fresh: Run, samples: int, bank: MeasurementBank, images: Sequence[str]) -> None:
    """Take over images that were solved before files were added to, or removed from, a user's folder.

    Another list of files makes another cell. Images whose measurement is unchanged are not solved again.
    """
    config, missing = fresh.config, list(images)
    if config.dataset.sha256 is None:
        return
    for folder in sorted(store.folder.parent.glob(f"{glob.escape(config.solver.name)}-*")):
        if folder == store.folder or not _differ_in_files_alone(folder, config):
            continue
        finished = CellStore(folder).finished(samples)
        there = [image for image in missing if image in finished]
        for image, now in zip(there, recorded(bank.measure(there)) if there else (), strict=True):
            if finished[image].same(now):
                _copy(image, CellStore(folder), store, fresh.cell)
                missing.remove(image)


def _differ_in_files_alone(folder: Path, config: Config) -> bool:
    """Whether the cell in a folder has this configuration, apart from the list of the dataset's files."""
    try:
        run = CellStore(folder).read_run()
    except StoreError:  # damaged
        return False
    return run is not None and _without_files(run.config) == _without_files(config)


def _without_files(config: Config) -> Config:
    return replace(config, dataset=replace(config.dataset, sha256=None))


def _copy(image: str, old: CellStore, new: CellStore, cell: str) -> None:
    """Copy the reconstructions and rows of an image into another cell."""
    rows = [replace(row, cell=cell) for row in read_rows(old.rows)[0] if row.image == image]
    new.append_file(image, old.image_path(image).read_bytes(), rows)


def drop_other_parts(cell_folder: Path, shard: tuple[int, int], joined: bool = False) -> None:
    """Remove the old shards of a cell that is overwritten in other shards, since their rows would remain.

    Raises StoreError if only one shard is to be overwritten, in a cell that was run in other parts, and the command
    does not overwrite and join all of them.
    """
    end = f"-of-{shard[1]}" if shard[1] > 1 else cell_folder.name
    names = [path.parent.name for path in cell_folder.parent.glob(f"{glob.escape(cell_folder.name)}*/run.json")]
    others = sorted(name for name in names if not name.endswith(end))
    if others and shard[1] > 1 and not joined:
        raise StoreError(
            f"overwrite=true would leave old rows in {', '.join(others)}, which hold the same images; overwrite the "
            "cell in these parts, or as a whole"
        )
    for name in others:
        with CellStore(cell_folder.with_name(name)).writing(PATIENCE):
            shutil.rmtree(cell_folder.with_name(name), ignore_errors=True)  # another shard's process may be quicker
