"""What is there of a cell before it is run: images that are kept, and parts of an earlier run of it."""

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

LOOKED_AT = 16  # or up to twice as many images that are kept, to see whether they are still the same


@dataclass(frozen=True)
class Plan:
    """What is asked for of a cell: where it lies, its run.json if there were none, and its batches of images."""

    store: CellStore  # of the cell, or of its shard
    whole: Path  # the cell's folder
    fresh: Run
    chunks: list[list[str]]

    @classmethod
    def of(cls, cell: Cell, options: Options) -> Plan:
        """Raises PluginError where a part of the cell cannot say what it is."""
        images = image_ids(cell.dataset)[: options.n]
        with described("the parts of the cell cannot be described"):
            config, places = cell.config(), cell.places()
        cell_id, (i, k) = config.digest()[:12], options.shard
        whole = options.out / config.place / f"{cell.solver.name}-{cell_id}"
        store = CellStore(whole if k == 1 else whole.with_name(f"{whole.name}.shard-{i}-of-{k}"))
        fresh = Run(FORMAT, cell_id, config, places=places, origins=dict(cell.origins))
        return cls(store, whole, fresh, _chunks(images, options.batch_size, options.shard))

    @property
    def asked(self) -> list[str]:
        """The images."""
        return [image for chunk in self.chunks for image in chunk]

    def count(self, existing: Existing) -> int:
        """How many of the images are done."""
        return sum(image in existing.done for image in self.asked)

    def outcome(self, run: Run, before: int = 0, faults: Mapping[str, str] | None = None) -> Outcome:
        """What became of the cell, of whose images some were there before."""
        name, folder, solved = run.config.solver.name, self.store.folder, run.images - before
        return Outcome(run.status, run.cell, name, folder, run.images, run.reason or "", solved, faults or {})


@dataclass(frozen=True)
class Existing:
    """What there is of a cell: its run.json, and the images that are done, with what they were measured as."""

    run: Run | None
    done: Mapping[str, Measured]


def look_for(cell: Cell, plan: Plan, options: Options, bank: MeasurementBank) -> Existing:
    """What there is of a cell; nothing where it is overwritten.

    Raises StoreError where files were changed since the cell was complete, or the images are others now.
    """
    if options.overwrite and not plan.store.overwritten_by(options.command_id):
        drop_other_parts(plan.whole, options.shard, options.joined)
        plan.store.overwrite(options.command_id)
        return Existing(None, {})
    plan.store.verify_checksums()
    if plan.store.read_run() is None:
        adopt(plan.store, plan.fresh, cell.samples, bank, plan.asked)
    done = done_images(plan.whole, cell.samples)
    refuse_other_images(bank, plan.asked, done)
    return Existing(plan.store.read_run(), done)


def complete_run(plan: Plan, existing: Existing) -> Run | None:
    """The run.json of a cell to which nothing is to be added; None where something is.

    A folder that was moved is noted, and so is something.
    """
    run = existing.run
    if run is None or run.places != plan.fresh.places or run.status != "complete" or not plan.store.has_checksums:
        return None
    if not existing.done.keys() >= set(plan.asked):
        return None
    return replace(run, images=len(plan.asked))


def _chunks(images: Sequence[str], size: int, shard: tuple[int, int]) -> list[list[str]]:
    """Batches at fixed positions of the list; a shard takes every k-th of them, so batches never depend on it."""
    i, k = shard
    chunks = [list(images[start : start + size]) for start in range(0, len(images), size)]
    return chunks[i::k]


def done_images(whole: Path, samples: int) -> dict[str, Measured]:
    """Images that are complete in the cell's folder or in any of its shards', with what they were measured as."""
    done: dict[str, Measured] = {}
    for folder in (whole, *whole.parent.glob(f"{glob.escape(whole.name)}.shard-*")):
        done |= CellStore(folder).done(samples)
    return done


def refuse_other_images(bank: MeasurementBank, images: Sequence[str], done: Mapping[str, Measured]) -> None:
    """Raise StoreError where files of the dataset have changed since images were solved; looks at some of them."""
    solved = [image for image in images if image in done]
    some = solved[:: max(1, len(solved) // LOOKED_AT)]
    for image, now in zip(some, recorded(bank.measure(some)) if some else (), strict=True):
        if not done[image].same(now):
            raise StoreError(
                f"image {image} of dataset {bank.dataset.name} is not the one that was solved before: its measurement "
                "has changed. Put the file back, or run with overwrite=true, or into another out=FOLDER"
            )


def adopt(store: CellStore, fresh: Run, samples: int, bank: MeasurementBank, images: Sequence[str]) -> None:
    """Take over what was solved of the same images before files were added to, or removed from, a user's folder.

    Another list of files is another cell. Each of its images that is measured as before is not solved again.
    """
    config, missing = fresh.config, list(images)
    if config.dataset.sha256 is None:
        return
    for folder in sorted(store.folder.parent.glob(f"{glob.escape(config.solver.name)}-*")):
        if folder == store.folder or not _differ_in_files_alone(folder, config):
            continue
        done = CellStore(folder).done(samples)
        there = [image for image in missing if image in done]
        for image, now in zip(there, recorded(bank.measure(there)) if there else (), strict=True):
            if done[image].same(now):
                _copy(image, CellStore(folder), store, fresh.cell)
                missing.remove(image)


def _differ_in_files_alone(folder: Path, config: Config) -> bool:
    """Whether the cell in a folder has this configuration, but for the list of the dataset's files."""
    try:
        run = CellStore(folder).read_run()
    except StoreError:  # damaged
        return False
    return run is not None and _without_files(run.config) == _without_files(config)


def _without_files(config: Config) -> Config:
    return replace(config, dataset=replace(config.dataset, sha256=None))


def _copy(image: str, old: CellStore, new: CellStore, cell: str) -> None:
    """Keep the reconstructions and rows of an image in another cell, too."""
    rows = [replace(row, cell=cell) for row in read_rows(old.rows)[0] if row.image == image]
    new.append_file(image, old.image_path(image).read_bytes(), rows)


def drop_other_parts(whole: Path, shard: tuple[int, int], joined: bool = False) -> None:
    """Remove the parts of a cell that is overwritten in others, since their old rows would stay.

    Raises StoreError where one shard is to be overwritten of a cell that was run in other parts, and no command
    overwrites, and joins, all of them.
    """
    end = f"-of-{shard[1]}" if shard[1] > 1 else whole.name
    names = [path.parent.name for path in whole.parent.glob(f"{glob.escape(whole.name)}*/run.json")]
    others = sorted(name for name in names if not name.endswith(end))
    if others and shard[1] > 1 and not joined:
        raise StoreError(
            f"overwrite=true would leave old rows in {', '.join(others)}, which hold the same images; overwrite the "
            "cell in these parts, or whole"
        )
    for name in others:
        with CellStore(whole.with_name(name)).writing(PATIENCE):
            shutil.rmtree(whole.with_name(name), ignore_errors=True)  # another shard's process may be quicker
