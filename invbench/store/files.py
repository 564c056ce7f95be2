"""The files of a cell's folder: their names, and the rows of numbers."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec

from invbench.errors import StoreError
from invbench.store.fingerprint import Fingerprint
from invbench.store.jsonfiles import read_run
from invbench.store.schema import Run

CHECKSUMS = "checksums.json"


ROWS = "records.jsonl"


PACKED = "records.jsonl.gz"  # the same rows, for a released cell that is not written to any more


SETS = "sets.json"


ASIDE = "records.damaged"  # half-written lines left by a kill


PARTS = ("benchmark", "task", "solver", "dataset", "prior")  # parts of a configuration, each with a name


STATUSES = ("complete", "skipped", "running", "interrupted", "failed")  # statuses of a cell, from good to bad


PATIENCE = 20.0  # seconds that adding scores waits for another process to leave a cell


Key = tuple[str, int, str, str]  # key of a number: image, sample, metric, protocol


LONGEST_STEM = 255 - len(".safetensors.part")  # longest file name, in bytes


MEAN = -1  # ``sample`` in rows about several samples: scores of their mean, and of all of them together


LAST = "nfe_backward"  # the last row written for a sample: with it, the sample is complete


class Record(msgspec.Struct, frozen=True, gc=False):
    """One number. Millions are read at once, so the garbage collector does not track them.

    Only the last row of an image has ``y``, the fingerprint of its measurement, and ``group``, the image's group if it
    is not its own.
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
    group: str = ""

    @property
    def key(self) -> Key:
        """The key that identifies the number; a later row with the same key replaces it."""
        return self.image, self.sample, self.metric, self.protocol


_decoder = msgspec.json.Decoder(Record)


def _file_stem(image: str) -> str:
    """An image's id as the name of a file; long ones are cut, and end in "=" and their SHA-256, as no other does.

    A file system takes 255 bytes, ``.safetensors.part`` among them.
    """
    quoted = quote(image, safe="")
    if len(quoted) <= LONGEST_STEM:
        return quoted
    start = re.sub(r"%.?$", "", quoted[:100])  # do not cut within an escaped byte
    return f"{start}={hashlib.sha256(image.encode()).hexdigest()}"


def images_digest(images: Iterable[str]) -> str:
    """Short SHA-256 of the names of images, independent of their order."""
    return hashlib.sha256("\n".join(sorted(images)).encode()).hexdigest()[:12]


def cell_folders(out: Path) -> list[Path]:
    """Every cell below ``out``."""
    return sorted(path.parent for path in out.glob("*/*/*/run.json"))


def where_instead(out: Path) -> str:
    """The folder in ``out`` that holds records, if there is one, as the end of a message; else ""."""
    found = next(iter(sorted(out.glob("*/*/*/*/run.json"))), None)
    return f"there are some in {found.parents[3]}" if found else ""


def read_rows(path: Path) -> tuple[list[Record], int]:
    """The rows of a ``records.jsonl``, packed or not, and the number of lines that could not be read.

    Raises StoreError if it cannot be unpacked.
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
    """Strict JSON, which has neither nan (null here) nor infinity (1e999, which every reader parses as infinity)."""
    fields = {key: value for key, value in msgspec.to_builtins(row).items() if key not in ("y", "group") or value}
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


def _read_run(path: Path) -> Run:
    try:
        return read_run(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); delete its folder and run the cell again") from None
