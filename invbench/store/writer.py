"""The results store: a folder per cell, written so that nothing computed is ever lost.

::

    <out>/<benchmark>/<task>/<solver>-<cell>[.shard-i-of-k]/
        run.json         configuration, versions, hashes, cost, status
        records.jsonl    one number per row, flushed per image; in released cells records.jsonl.gz. JSON by the letter:
                         nan is null, infinity 1e999; the last row of an image has the fingerprint of its measurement
        images/*.safetensors   the float reconstructions, (samples, C, H, W)
        sets.json        scores of sets of images, and the images, by the digest of their names
        checksums.json   SHA-256 of all of these, once the cell is complete

This module is free of torch, so that tables can be built anywhere.
"""

from __future__ import annotations

import gzip
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from invbench.artifacts import file_sha256
from invbench.atomic import drop_parts, write_atomic
from invbench.errors import LockedCell, StoreError
from invbench.store.files import (
    ASIDE,
    CHECKSUMS,
    LAST,
    PACKED,
    ROWS,
    SETS,
    Key,
    Record,
    _file_stem,
    _lines,
    _read_run,
    read_rows,
)
from invbench.store.fingerprint import Measured
from invbench.store.jsonfiles import json_text, read_json
from invbench.store.schema import Run, ScoredSet

if TYPE_CHECKING:
    from torch import Tensor

LOCK = ".lock"  # held by the process that writes the folder
OVERWRITTEN = ".overwritten"  # by which command, last
CHECKED = ("run.json", ROWS, PACKED, SETS, "images/*.safetensors")


class CellStore:
    """One cell's folder, for one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = folder / ROWS
        self._keys: set[Key] | None = None  # keys of the existing rows, while this process writes

    @contextmanager
    def writing(self, patience: float = 0.0) -> Iterator[None]:
        """Hold the folder's lock, for which it waits up to ``patience`` seconds.

        Raises LockedCell if another process has it, StoreError where nothing can be written.
        """
        import filelock

        with self._disk_errors():
            (self.folder / "images").mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / LOCK)
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

    def is_being_written(self) -> bool:
        """Whether a process holds the folder's lock; also true if that cannot be determined. Writes nothing."""
        try:
            import fcntl

            with (self.folder / LOCK).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except (ImportError, OSError):
            return True
        return False

    def append(self, image: str, x_hat: Tensor, rows: Iterable[Record]) -> None:
        """Write the reconstructions (samples, C, H, W) of an image, then its rows; both survive a kill from then on."""
        from safetensors.torch import save

        self.append_file(image, save({"x_hat": x_hat.contiguous()}), rows)

    def append_file(self, image: str, data: bytes, rows: Iterable[Record]) -> None:
        """The same, with reconstructions given as the bytes of a file."""
        with self._disk_errors():
            write_atomic(self.image_path(image), data)
        self.add_rows(rows)

    def add_rows(self, rows: Iterable[Record]) -> int:
        """Append the rows that are missing, all or none, and flush them to disk; returns their number."""
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

    def write_checksums(self) -> None:
        """Write the SHA-256 of every file."""
        sums = {str(path.relative_to(self.folder)): file_sha256(path) for path in self._files()}
        with self._disk_errors():
            write_atomic(self.folder / CHECKSUMS, (json.dumps(sums, indent=1) + "\n").encode())

    def replace(self, rows: Iterable[Record], run: Run, sets: Mapping[str, ScoredSet]) -> None:
        """Write a whole cell except its reconstructions: its rows packed, with checksums."""
        with self._disk_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._drop_parts()
        self.drop_checksums()
        self.clear()
        with self._disk_errors():
            write_atomic(self.folder / PACKED, gzip.compress(_lines(rows), mtime=0))
        self.write_run(run)
        if sets:
            self.write_sets(sets)
        self.write_checksums()

    def write_sets(self, sets: Mapping[str, ScoredSet]) -> None:
        """Replace ``sets.json``."""
        with self._disk_errors():
            write_atomic(
                self.folder / SETS, json_text({key: each.plain() for key, each in sets.items()}, indent=1).encode()
            )

    def drop_checksums(self) -> None:
        """Remove the checksums, before anything is written."""
        with self._disk_errors():
            (self.folder / CHECKSUMS).unlink(missing_ok=True)

    @property
    def has_checksums(self) -> bool:
        """Whether there are checksums."""
        return (self.folder / CHECKSUMS).is_file()

    def damage(self) -> list[str]:
        """The differences from the checksums, one line each. Raises StoreError if there are no checksums."""
        path = self.folder / CHECKSUMS
        if not path.is_file():
            raise StoreError(
                f"{self.folder} has no {CHECKSUMS}: its run is not complete; run the same command to resume"
            )
        try:
            sums = read_json(path)
        except ValueError:
            return [f"{CHECKSUMS} is damaged"]
        now = {str(p.relative_to(self.folder)): file_sha256(p) for p in self._files()}
        faults = {name: "is missing" for name in sums.keys() - now.keys()}
        faults |= {name: "was added" for name in now.keys() - sums.keys()}
        faults |= {name: "has changed" for name in sums.keys() & now.keys() if sums[name] != now[name]}
        return [f"{name} {fault}" for name, fault in sorted(faults.items())]

    def verify_checksums(self) -> None:
        """Raise StoreError if files differ from their checksums, which new checksums would hide."""
        if self.has_checksums and (lines := self.damage()):
            raise StoreError(
                f"{self.folder} was changed since its run was complete: {', '.join(lines)}. Put the files back, or run "
                "the cell again with overwrite=true"
            )

    def _files(self) -> list[Path]:
        return [p for name in CHECKED for p in sorted(self.folder.glob(name))]

    def overwritten_by(self, command_id: str) -> bool:
        """Whether another job of the same command has already overwritten the cell."""
        path = self.folder / OVERWRITTEN
        return bool(command_id) and path.is_file() and path.read_bytes() == command_id.encode()

    def overwrite(self, command_id: str) -> None:
        """Remove the existing records, and note which command did so."""
        self.drop_checksums()
        self.clear()
        with self._disk_errors():
            write_atomic(self.folder / OVERWRITTEN, command_id.encode())

    def clear(self) -> None:
        """Remove the rows and the scores of sets, so that every image is run again."""
        with self._disk_errors():
            for name in (ROWS, PACKED, SETS):
                (self.folder / name).unlink(missing_ok=True)
        self._keys = None

    def write_run(self, run: Run) -> None:
        """Replace ``run.json``."""
        with self._disk_errors():
            write_atomic(self.folder / "run.json", json_text(run.plain()).encode())

    def read_run(self) -> Run | None:
        """``run.json``, if there is one."""
        path = self.folder / "run.json"
        return _read_run(path) if path.is_file() else None

    def finished(self, samples: int) -> dict[str, Measured]:
        """Images whose reconstructions and rows are complete, with their recorded measurements.

        Released records come without reconstructions: for them, complete rows are enough.
        """
        own, packed = (
            [r for r in read_rows(self.folder / name)[0] if r.metric == LAST and r.sample == samples - 1]
            for name in (ROWS, PACKED)
        )
        complete_rows = packed + [r for r in own if self.image_path(r.image).is_file()]
        return {r.image: Measured(r.y_sha256, r.y) for r in complete_rows}

    def image_path(self, image: str) -> Path:
        """The file of an image's reconstructions."""
        return self.folder / "images" / f"{_file_stem(image)}.safetensors"

    def _mend(self) -> None:
        """Clean up after a kill: remove half-written files, and move a half-written last line aside."""
        with self._disk_errors():
            self._drop_parts()
            if not self.rows.is_file():
                return
            complete_lines, newline, tail = self.rows.read_bytes().rpartition(b"\n")
            if tail:
                with (self.folder / ASIDE).open("ab") as aside:
                    aside.write(tail + b"\n")
                write_atomic(self.rows, complete_lines + newline)
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
                "free space or permissions, or choose another out=FOLDER, then run the same command to resume"
            ) from None
