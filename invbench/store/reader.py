"""Reading cells from a results folder."""

from __future__ import annotations

import glob
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from invbench.errors import StoreError
from invbench.store.fingerprint import Measured
from invbench.store.jsonfiles import read_sets
from invbench.store.schema import Config, Cost, Run, Score, ScoredSet

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor
from invbench.store.files import (
    LAST,
    PACKED,
    ROWS,
    SETS,
    STATUSES,
    Record,
    _read_run,
    cell_folders,
    images_digest,
    read_rows,
)
from invbench.store.writer import CellStore


@dataclass(frozen=True)
class LoadedCell:
    """A cell with all its shards, one row per (image, sample, metric)."""

    id: str
    run: Run
    rows: list[Record]
    folders: tuple[Path, ...]
    damaged: int

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows as a frame for tables, with text as categories; empty if there are none."""
        import pandas as pd

        return pd.DataFrame(
            {
                "image": _categories([r.image for r in self.rows]),
                "sample": np.array([r.sample for r in self.rows], int),
                "metric": _categories([r.metric for r in self.rows]),
                "protocol": _categories([r.protocol for r in self.rows]),
                "value": np.array([r.value for r in self.rows], float),
            }
        )

    @cached_property
    def measured(self) -> dict[str, Measured]:
        """The recorded measurement of each image, sorted by name."""
        by_image = {r.image: Measured(r.y_sha256) for r in self.rows}
        by_image |= {r.image: Measured(r.y_sha256, r.y) for r in self.rows if r.y is not None}
        return dict(sorted(by_image.items()))

    @cached_property
    def groups(self) -> dict[str, str]:
        """The group of each image: the image itself if no other is recorded."""
        own = {r.image: r.group for r in self.rows if r.group}
        return {image: own.get(image, image) for image in self.measured}

    @cached_property
    def scored(self) -> set[tuple[str, str, str]]:
        """The (image, metric, protocol) for which there is a number."""
        return {(r.image, r.metric, r.protocol) for r in self.rows}

    @cached_property
    def images(self) -> list[str]:
        """Images whose rows are complete, sorted by name."""
        return sorted({r.image for r in self.rows if r.metric == LAST})

    @property
    def sets(self) -> list[Score]:
        """Scores of all images as a set or, if images were added later, of the largest set that has scores."""
        scored = [each.images for each in self.all_sets().values()]
        return self.set_scores(max(scored, key=lambda images: (images == self.images, len(images)), default=[]))

    def set_scores(self, images: Collection[str]) -> list[Score]:
        """Scores of these images as a set, each with their number ``n``; none if they were not computed."""
        scored_set = self.all_sets().get(images_digest(images))
        return [*scored_set.scores] if scored_set else []

    def all_sets(self) -> dict[str, ScoredSet]:
        """The content of ``sets.json``: names of images and scores, by the digest of the names."""
        return self._sets

    @cached_property
    def _sets(self) -> dict[str, ScoredSet]:
        path = min(self.folders) / SETS
        if not path.is_file():
            return {}
        try:
            return read_sets(path)
        except (OSError, ValueError) as error:
            warnings.warn(
                f"{path} cannot be read ({error}); scores of sets are left out: delete it and run 'invbench rescore'",
                stacklevel=2,
            )
            return {}

    def folder_of(self, image: str) -> Path:
        """The folder that holds an image: the cell's, or a shard's."""
        path = self.image_path(image)
        return path.parent.parent if path else min(self.folders)

    def image_path(self, image: str) -> Path | None:
        """The reconstructions of an image, in whichever shard holds them."""
        paths = (CellStore(folder).image_path(image) for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def reconstructions(self, image: str) -> Tensor:
        """The samples (K, C, H, W) of an image. Raises StoreError if the file is missing."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.image_path(image)
        if path is None:
            raise StoreError(
                f"the reconstruction of {image} is missing from {self.folders[0]}; run the cell with overwrite=true "
                "(released records hold numbers alone)"
            )
        try:
            return load_file(path)["x_hat"]
        except (OSError, KeyError, SafetensorError) as error:
            raise StoreError(f"{path} cannot be read ({error}); run the cell with overwrite=true") from None


def _categories(texts: list[str]) -> pd.Categorical:
    import pandas as pd

    names = sorted(set(texts))
    code = {name: i for i, name in enumerate(names)}
    codes = np.fromiter(map(code.__getitem__, texts), np.intp, len(texts))
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype=object))


def load_cells(out: Path, **filters: str) -> list[LoadedCell]:
    """Cells below ``out`` with this benchmark, task, noise, solver, dataset, prior or seed.

    All but noise may be one of several: ``solver="ddrm,davi"``. Cells whose files are damaged are left out, with a
    warning that names the file.
    """
    choices = {key: [value] if key == "noise" else value.split(",") for key, value in filters.items()}
    by_id: dict[str, list[Path]] = {}
    for folder, run in _readable(out, choices.get("task")):
        names = _names(run.config)
        if all(names[key] in values for key, values in choices.items()):
            by_id.setdefault(run.cell, []).append(folder)
    return [cell for name, folders in by_id.items() if (cell := _sound(name, folders))]


def recorded_names(out: Path) -> list[dict[str, str]]:
    """The names in the cells below ``out``: benchmark, task, noise, solver, dataset, prior and seed."""
    return [_names(run.config) for _, run in _readable(out)]


def _readable(out: Path, tasks: Collection[str] | None = None) -> Iterator[tuple[Path, Run]]:
    """Folders of cells with their run.json; a warning for each that cannot be read."""
    for folder in cell_folders(out):
        if tasks is None or folder.parent.name in tasks:
            try:
                yield folder, _read_run(folder / "run.json")
            except StoreError as error:
                warnings.warn(f"left out: {error}", stacklevel=2)


def _sound(name: str, folders: list[Path]) -> LoadedCell | None:
    """The cell, or a warning and None if its files are damaged."""
    try:
        return load_parts(name, folders)
    except StoreError as error:
        warnings.warn(f"left out: {error}", stacklevel=2)
        return None


def _names(config: Config) -> dict[str, str]:
    names = {"benchmark": config.benchmark.name, **{kind: part.name for kind, part in config.parts()}}
    return names | {"noise": config.task.noise, "seed": str(config.seed)}


def load_cell(folder: Path) -> LoadedCell:
    """The cell of a folder, which may be a shard's. Raises StoreError if one of its files is damaged."""
    cell_name = folder.name.partition(".shard-")[0]
    folders = [path.parent for path in folder.parent.glob(f"{glob.escape(cell_name)}*/run.json")]
    return load_parts(_read_run(folder / "run.json").cell, folders)


def load_parts(cell: str, folders: Sequence[Path]) -> LoadedCell:
    """Join a cell's folder and those of its shards: its own rows take precedence, and the worst status counts.

    If a process was killed, run.json still says "running"; that is read as "interrupted".
    """
    read = [read_rows(folder / name) for folder in sorted(folders, reverse=True) for name in (PACKED, ROWS)]
    merged = {r.key: r for rows, _ in read for r in rows}
    runs = {folder: _run_of(folder) for folder in folders}
    worst_first = sorted(folders, key=lambda folder: -STATUSES.index(runs[folder].status))
    cost = sum((run.cost for run in runs.values()), Cost())
    sessions = sorted((session for run in runs.values() for session in run.sessions), key=lambda s: s.started)
    run = msgspec.structs.replace(runs[worst_first[0]], cost=cost, sessions=sessions)
    return LoadedCell(cell, run, list(merged.values()), tuple(worst_first), sum(bad for _, bad in read))


def _run_of(folder: Path) -> Run:
    """A folder's run.json, with status "interrupted" if its process was killed."""
    run = _read_run(folder / "run.json")
    if run.status == "running" and not CellStore(folder).is_being_written():
        run.status = "interrupted"
    return run
