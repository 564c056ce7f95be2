"""The results store: a folder per cell, written so that nothing computed is ever lost.

::

    <out>/<benchmark>/<task>/<solver>-<cell>[.shard-i-of-k]/
        run.json         configuration, versions, hashes, cost, status
        records.jsonl    one number a row, flushed per image; in released cells records.jsonl.gz. JSON by the letter:
                         nan is null, infinity 1e999; the last row of an image has the fingerprint of its measurement
        images/*.safetensors   the float reconstructions, (samples, C, H, W)
        sets.json        scores of sets of images, and of which, by the digest of their names
        checksums.json   SHA-256 of all of these, once the cell is complete

This module is free of torch, so that tables can be built anywhere.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import json
import math
import os
import re
import warnings
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import msgspec
import numpy as np

from invbench.artifacts import file_sha256
from invbench.errors import LockedCell, StoreError
from invbench.store.fingerprint import Fingerprint, Measured
from invbench.store.schema import filled, json_text, read_json, read_run, read_sets

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

SEAL = "checksums.json"
ROWS = "records.jsonl"
PACKED = "records.jsonl.gz"  # the same rows, of a cell that was released and is not written to any more
SETS = "sets.json"
PART = ".part"  # how the name of a file ends while it is written
ASIDE = "records.damaged"  # half-written lines, as a kill leaves them
SEALED = ("run.json", ROWS, PACKED, SETS, "images/*.safetensors")
PARTS = ("benchmark", "task", "solver", "dataset", "prior")  # of a configuration, each with its name
STATUSES = ("complete", "skipped", "running", "interrupted", "failed")  # of a cell, from good to bad
PATIENCE = 20.0  # seconds that adding scores waits for another process to leave a cell
Key = tuple[str, int, str, str]  # of a number: image, sample, metric, protocol
LONGEST_STEM = 255 - len(".safetensors.part")  # of the name of a file, in bytes
MEAN = -1  # ``sample`` of rows about several samples: scores of their mean, and of all of them together
LAST = "nfe_backward"  # the last row written for a sample: with it, the sample is complete


class Record(msgspec.Struct, frozen=True, gc=False):
    """One number. Millions are read at once: what is no container needs no garbage collector.

    ``y`` is in the last row of an image alone: the fingerprint of its measurement.
    """

    cell: str
    image: str
    sample: Annotated[int, msgspec.Meta(ge=MEAN, lt=2**31)]
    metric: str
    protocol: str
    value: float
    unit: str
    y_sha256: str
    y: Fingerprint | None = None

    @property
    def key(self) -> Key:
        """What makes it the same number in another row."""
        return self.image, self.sample, self.metric, self.protocol


_decoder = msgspec.json.Decoder(Record)


class CellStore:
    """One cell's folder, for one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = folder / ROWS
        self._keys: set[Key] | None = None  # of the rows that are there, while this process writes

    @contextmanager
    def writing(self, patience: float = 0.0) -> Iterator[None]:
        """Hold the folder's lock, for which it waits up to ``patience`` seconds.

        Raises LockedCell where another process has it, StoreError where nothing can be written.
        """
        import filelock

        with self._disk_errors():
            (self.folder / "images").mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / ".lock")
            try:
                lock.acquire(timeout=patience)
            except filelock.Timeout:
                raise LockedCell(
                    f"another process is running this cell ({self.folder}); wait for it, or choose another out=FOLDER"
                ) from None
        try:
            self._mend()
            yield
        finally:
            self._keys = None
            lock.release()

    def append(self, image: str, x_hat: Any, rows: Iterable[Record]) -> None:
        """Keep the reconstructions (samples, C, H, W) of an image, then its rows; both survive a kill at once."""
        from safetensors.torch import save

        self.append_file(image, save({"x_hat": x_hat.contiguous()}), rows)

    def append_file(self, image: str, data: bytes, rows: Iterable[Record]) -> None:
        """The same, of reconstructions that are the bytes of a file."""
        with self._disk_errors():
            write_atomic(self.image_path(image), data)
        self.add_rows(rows)

    def add_rows(self, rows: Iterable[Record]) -> int:
        """Append the rows that are not there yet, and have them on disk; returns their number. All of them, or none."""
        if self._keys is None:
            self._keys = {row.key for row in read_rows(self.rows)[0]}
        new = [row for row in rows if row.key not in self._keys]
        if not new:
            return 0
        with self._disk_errors():
            size = self.rows.stat().st_size if self.rows.is_file() else 0
            try:
                with self.rows.open("ab") as file:
                    file.write(_lines(new))
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:
                if self.rows.is_file():
                    os.truncate(self.rows, size)
                raise
        self._keys.update(row.key for row in new)
        return len(new)

    def seal(self) -> None:
        """Write the SHA-256 of every file."""
        sums = {str(path.relative_to(self.folder)): file_sha256(path) for path in self._files()}
        with self._disk_errors():
            write_atomic(self.folder / SEAL, (json.dumps(sums, indent=1) + "\n").encode())

    def replace(self, rows: Iterable[Record], run: dict[str, Any], sets: dict[str, Any]) -> None:
        """Write a whole cell anew but its reconstructions, its rows packed, and seal it."""
        with self._disk_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._drop_parts()
        self.unseal()
        self.clear()
        with self._disk_errors():
            write_atomic(self.folder / PACKED, gzip.compress(_lines(rows), mtime=0))
        self.write_run(run)
        if sets:
            self.write_sets(sets)
        self.seal()

    def write_sets(self, sets: dict[str, Any]) -> None:
        """Replace ``sets.json``."""
        with self._disk_errors():
            write_atomic(self.folder / SETS, json_text(sets, indent=1).encode())

    def unseal(self) -> None:
        """Forget them, before anything is written."""
        with self._disk_errors():
            (self.folder / SEAL).unlink(missing_ok=True)

    @property
    def sealed(self) -> bool:
        """Whether the sums are there."""
        return (self.folder / SEAL).is_file()

    def damage(self) -> list[str]:
        """What differs from the seal, a line each; empty if nothing does. Raises StoreError without a seal."""
        path = self.folder / SEAL
        if not path.is_file():
            raise StoreError(f"{self.folder} has no {SEAL}: its run is not complete; run the same command to go on")
        try:
            sums = read_json(path)
        except ValueError:
            return [f"{SEAL} is damaged"]
        now = {str(p.relative_to(self.folder)): file_sha256(p) for p in self._files()}
        names = sorted({*sums, *now})
        return [
            f"{name} {'is missing' if name not in now else 'was added' if name not in sums else 'has changed'}"
            for name in names
            if sums.get(name) != now.get(name)
        ]

    def refuse_damaged(self) -> None:
        """Raise StoreError where files were changed since they were sealed, which a new seal would hide."""
        if self.sealed and (found := self.damage()):
            raise StoreError(
                f"{self.folder} was changed since its run was complete: {', '.join(found)}. Put the files back, or run "
                "the cell anew with overwrite=true"
            )

    def _files(self) -> list[Path]:
        return [p for name in SEALED for p in sorted(self.folder.glob(name))]

    def clear(self) -> None:
        """Forget the rows and the scores of sets, so that every image is run again."""
        with self._disk_errors():
            for name in (ROWS, PACKED, SETS):
                (self.folder / name).unlink(missing_ok=True)
        self._keys = None

    def write_run(self, run: dict[str, Any]) -> None:
        """Replace ``run.json``."""
        with self._disk_errors():
            write_atomic(self.folder / "run.json", json_text(run).encode())

    def read_run(self) -> dict[str, Any] | None:
        """``run.json``, if there is one."""
        path = self.folder / "run.json"
        return _read_run(path) if path.is_file() else None

    def done(self, samples: int) -> dict[str, Measured]:
        """Images whose reconstructions and rows are complete, with what is recorded of their measurement.

        Of released records, which come without reconstructions, those whose rows are.
        """
        own, packed = (
            [r for r in read_rows(self.folder / name)[0] if r.metric == LAST and r.sample == samples - 1]
            for name in (ROWS, PACKED)
        )
        done = packed + [r for r in own if self.image_path(r.image).is_file()]
        return {r.image: Measured(r.y_sha256, r.y) for r in done}

    def image_path(self, image: str) -> Path:
        """Where the reconstructions of an image are kept."""
        return self.folder / "images" / f"{_file_stem(image)}.safetensors"

    def _mend(self) -> None:
        """Remove what a kill left: half-written files, and a half-written last line, which is moved aside."""
        with self._disk_errors():
            self._drop_parts()
            if not self.rows.is_file():
                return
            whole, newline, tail = self.rows.read_bytes().rpartition(b"\n")
            if tail:
                with (self.folder / ASIDE).open("ab") as aside:
                    aside.write(tail + b"\n")
                write_atomic(self.rows, whole + newline)
                warnings.warn(f"{self.rows}: a half-written last line was moved to {ASIDE}", stacklevel=2)

    def _drop_parts(self) -> None:
        """Remove half-written files."""
        for folder in (self.folder, self.folder / "images"):
            drop_parts(folder)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"cannot write to {self.folder}: {error.strerror or error}. What was computed before is kept; "
                "free space or permissions, or choose another out=FOLDER, then run the same command to go on"
            ) from None


def _file_stem(image: str) -> str:
    """An image's id as the name of a file; long ones are cut, and end in "=" and their SHA-256, as no other does.

    A file system takes 255 bytes, ``.safetensors.part`` among them.
    """
    quoted = quote(image, safe="")
    if len(quoted) <= LONGEST_STEM:
        return quoted
    start = re.sub(r"%.?$", "", quoted[:100])  # no half of an escaped byte
    return f"{start}={hashlib.sha256(image.encode()).hexdigest()}"


def images_digest(images: Iterable[str]) -> str:
    """Short SHA-256 of the names of images, whatever their order."""
    return hashlib.sha256("\n".join(sorted(images)).encode()).hexdigest()[:12]


def cell_folders(out: Path) -> list[Path]:
    """Every cell below ``out``."""
    return sorted(path.parent for path in out.glob("*/*/*/run.json"))


def read_rows(path: Path) -> tuple[list[Record], int]:
    """The rows of a ``records.jsonl``, packed or not, and the number of lines that could not be read.

    Raises StoreError where it cannot be unpacked.
    """
    if not path.is_file():
        return [], 0
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise StoreError(f"{path} cannot be read ({error}); put back the file that was released") from None
    try:
        return _decoder.decode_lines(data), 0
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a damaged line, nan or infinity
        parsed = [_parsed(line) for line in data.splitlines()]
        rows = [row for row in parsed if row is not None]
        return rows, len(parsed) - len(rows)


def _lines(rows: Iterable[Record]) -> bytes:
    return "".join(_line(row) + "\n" for row in rows).encode()


def _line(row: Record) -> str:
    """JSON by the letter, which has neither nan (null here) nor infinity (1e999, which every reader takes for it)."""
    fields = msgspec.to_builtins(row)
    if row.y is None:
        del fields["y"]
    if math.isfinite(row.value):
        return json.dumps(fields)
    text = {True: "null", False: "1e999" if row.value > 0 else "-1e999"}[math.isnan(row.value)]
    return json.dumps({**fields, "value": None}).replace('"value": null', f'"value": {text}', 1)


def _parsed(line: bytes) -> Record | None:
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decoder.decode(line)
    try:
        fields = json.loads(line)
        if isinstance(fields, dict) and fields.get("value", 0) is None:
            fields["value"] = math.nan
        return msgspec.convert(fields, Record)
    except (ValueError, RecursionError):  # msgspec's is a ValueError
        return None


@dataclass(frozen=True)
class LoadedCell:
    """A cell as read back: shards and all, one row per (image, sample, metric)."""

    id: str
    run: dict[str, Any]
    rows: list[Record]
    folders: tuple[Path, ...]
    damaged: int

    @cached_property
    def frame(self) -> pd.DataFrame:
        """What tables need of the rows, its text as categories; empty where there are none."""
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
        """What is recorded of the measurement of each image, sorted by name."""
        found = {r.image: Measured(r.y_sha256) for r in self.rows}
        found |= {r.image: Measured(r.y_sha256, r.y) for r in self.rows if r.y is not None}
        return dict(sorted(found.items()))

    @cached_property
    def scored(self) -> set[tuple[str, str, str]]:
        """What there is a number of: image, metric and protocol."""
        return {(r.image, r.metric, r.protocol) for r in self.rows}

    @cached_property
    def images(self) -> list[str]:
        """Images whose rows are complete, sorted by name."""
        return sorted({r.image for r in self.rows if r.metric == LAST})

    @property
    def sets(self) -> list[dict[str, Any]]:
        """Scores of all images as a set or, where images came after they were made, of the most that have any."""
        scored: list[list[str]] = [each["images"] for each in self.all_sets().values()]
        return self.set_scores(max(scored, key=lambda images: (images == self.images, len(images)), default=[]))

    def set_scores(self, images: Collection[str]) -> list[dict[str, Any]]:
        """Scores of these images as a set, each with their number ``n``; none where they were not made."""
        found = self.all_sets().get(images_digest(images), {"scores": []})
        return [{**score, "n": len(images)} for score in found["scores"]]

    def all_sets(self) -> dict[str, Any]:
        """What ``sets.json`` holds: names of images and scores, by the digest of the names."""
        return self._sets

    @cached_property
    def _sets(self) -> dict[str, Any]:
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
        """The samples (K, C, H, W) of an image. Raises StoreError where the file is missing."""
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


def load_cells(out: Path, **wanted: str) -> list[LoadedCell]:
    """Cells below ``out`` whose benchmark, task, noise, solver, dataset, prior or seed are the wanted ones.

    Of each, but of noise, one of several: ``solver="ddrm,davi"``. Cells whose files are damaged are left out, with a
    warning that names the file.
    """
    choices = {key: [value] if key == "noise" else value.split(",") for key, value in wanted.items()}
    by_id: dict[str, list[Path]] = {}
    for folder, run in _readable(out, choices.get("task")):
        names = _names(run["config"])
        if all(names[key] in values for key, values in choices.items()):
            by_id.setdefault(run["cell"], []).append(folder)
    return [cell for name, folders in by_id.items() if (cell := _sound(name, folders))]


def recorded_names(out: Path) -> list[dict[str, str]]:
    """What the cells below ``out`` are of: benchmark, task, noise, solver, dataset, prior and seed."""
    return [_names(run["config"]) for _, run in _readable(out)]


def _readable(out: Path, tasks: Collection[str] | None = None) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Folders of cells with their run.json; a warning for each that cannot be read."""
    for folder in cell_folders(out):
        if tasks is None or folder.parent.name in tasks:
            try:
                yield folder, _read_run(folder / "run.json")
            except StoreError as error:
                warnings.warn(f"left out: {error}", stacklevel=2)


def _sound(name: str, folders: list[Path]) -> LoadedCell | None:
    """The cell, or a warning and None where its files are damaged."""
    try:
        return load_parts(name, folders)
    except StoreError as error:
        warnings.warn(f"left out: {error}", stacklevel=2)
        return None


def _names(config: Mapping[str, Any]) -> dict[str, str]:
    names = {key: str(config[key]["name"]) for key in PARTS}
    return names | {"noise": str(config["task"].get("noise", "")), "seed": str(config["seed"])}


def load_cell(folder: Path) -> LoadedCell:
    """The cell whose folder, or whose shard's folder, this is. Raises StoreError where a file of it is damaged."""
    whole = folder.name.partition(".shard-")[0]
    folders = [path.parent for path in folder.parent.glob(f"{glob.escape(whole)}*/run.json")]
    return load_parts(_read_run(folder / "run.json")["cell"], folders)


def load_parts(cell: str, folders: Sequence[Path]) -> LoadedCell:
    """Join a cell's folder and its shards'; its own rows win, and the worst status is the cell's."""
    read = [read_rows(folder / name) for folder in sorted(folders, reverse=True) for name in (PACKED, ROWS)]
    merged = {r.key: r for rows, _ in read for r in rows}
    runs = {folder: filled(_read_run(folder / "run.json")) for folder in folders}
    worst_first = sorted(folders, key=lambda folder: -STATUSES.index(runs[folder]["status"]))
    costs = [run["cost"] for run in runs.values()]
    cost = {k: (max if k == "peak_bytes" else sum)(c.get(k, 0) for c in costs) for k in costs[0]}
    sessions = [session for run in runs.values() for session in run["sessions"]]
    run = {**runs[worst_first[0]], "cost": cost, "sessions": sorted(sessions, key=lambda s: str(s["started"]))}
    return LoadedCell(cell, run, list(merged.values()), tuple(worst_first), sum(bad for _, bad in read))


def _read_run(path: Path) -> dict[str, Any]:
    try:
        return read_run(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); delete its folder and run the cell again") from None


def drop_parts(folder: Path) -> None:
    """Remove the half-written files that a kill left in a folder, to which nobody else writes."""
    for part in folder.glob(f"*{PART}"):
        part.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, whatever interrupts it. Raises OSError where it cannot be written."""
    name = path.name if len(os.fsencode(path.name)) < 200 else hashlib.sha256(os.fsencode(path.name)).hexdigest()
    part = path.with_name(f"{name}.{os.getpid()}{PART}")
    try:
        for old in path.parent.glob(f"{glob.escape(name)}.*{PART}"):
            if not _alive(old.name.split(".")[-2]):
                old.unlink(missing_ok=True)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _alive(pid: str) -> bool:
    """Whether a process with this number is there; taken for granted where that cannot be asked."""
    if os.name != "posix" or not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
