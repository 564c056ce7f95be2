"""Pictures of a measurement for the page: truth, measurement and every solver's reconstruction, with their scores."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from invbench.analysis.columns import COLUMNS, first, ordered
from invbench.analysis.comparable import label, mean_of
from invbench.analysis.digits import Metrics, format_value
from invbench.errors import InvbenchError
from invbench.figures.pictures import measurement_pictures, picture, showable
from invbench.store.files import MEAN, Record
from invbench.store.fingerprint import Measured
from invbench.store.reader import LoadedCell

if TYPE_CHECKING:
    import numpy as np

    from invbench.harness.bank import MeasurementBank
    from invbench.plugins import Catalog

SIDE = 128  # longest side of a picture, pixels
ROOM = 40_000_000  # pictures of a page, bytes before compression; without loss they take two thirds of it
QUALITY = 90  # of WebP with loss: a quarter of the bytes, 38 dB at 64 pixels
CHUNK = 24  # images that the page builds at once, when they scroll into view
ABSENT = "The reconstructions of these records are not here, only their numbers; commands under provenance remake them."
Encode = Callable[["np.ndarray"], str]  # pixels -> data URI
Row = dict[str, Any]  # image, truth, measurement, cells: each a picture with its scores, or why there is none


@dataclass(frozen=True)
class Browser:
    """A grid of pictures with a row per image, in chunks of rows; or the ``reason`` why there is none."""

    columns: Sequence[str] = ()
    rows: Sequence[Row] = ()
    reason: str = ""
    lossless: bool = True

    @property
    def chunks(self) -> list[Sequence[Row]]:
        """Rows in groups that are drawn together."""
        return [self.rows[start : start + CHUNK] for start in range(0, len(self.rows), CHUNK)]


@dataclass(frozen=True)
class Column:
    """The first sample of a cell, or the mean of its samples."""

    name: str
    cell: LoadedCell
    sample: int
    scores: Mapping[str, Sequence[Record]]  # scores of an image
    metrics: Metrics

    @classmethod
    def of(cls, name: str, cell: LoadedCell, sample: int, metrics: Metrics) -> Column:
        scores: dict[str, list[Record]] = {}
        for record in cell.rows:
            if record.sample == sample:
                scores.setdefault(record.image, []).append(record)
        return cls(name, cell, sample, {image: scores[image] for image in cell.images if image in scores}, metrics)

    def row(self, image: str, measured: Measured, encode: Encode) -> Row | str:
        """Picture and scores of an image, or the reason why there are none."""
        records = self.scores.get(image)
        if not records:
            return "not run"
        if self.cell.image_path(image) is None:
            return "not kept"
        if not self.cell.measured[image].same(measured):
            return "of another measurement"
        name = first(self.metrics)
        captions = [format_value(name, r.value, self.metrics) for r in records if r.metric == name]
        by_column = {(r.metric, r.protocol): r for r in records}
        x_hat = self.cell.reconstructions(image)
        return {
            "src": encode(picture(x_hat.mean(0) if self.sample == MEAN else x_hat[self.sample])),
            "caption": captions[0] if captions else "",
            "scores": [_score(by_column[c], self.metrics) for c in ordered(by_column, self.metrics)],
        }


def browse(cells: Sequence[LoadedCell], catalog: Catalog, n: int, room: float = ROOM) -> Browser:
    """Pictures of the first ``n`` images of comparable cells, or the reason why there are none.

    They are compressed with loss where they have more than ``room`` bytes.
    """
    columns = _columns(cells, catalog.for_tables()[0])
    if not n:
        return Browser(reason="This report was made without images (--images 0).")
    if not any(cell.image_path(image) for cell in cells for image in cell.images):
        return Browser(reason=ABSENT)
    try:
        return _pictures(cells, columns, catalog, n, room)
    except InvbenchError as error:
        return Browser(reason=f"The images cannot be shown: {error}.")


def _columns(cells: Sequence[LoadedCell], metrics: Metrics) -> list[Column]:
    """Columns of the cells with scores, the fastest solver first."""
    columns = []
    for cell in sorted((c for c in cells if c.rows), key=lambda c: mean_of(c, "seconds") or 0.0):
        name, K = label(cell, cells), cell.run.config.samples
        columns.append(Column.of(f"{name}, sample 1 of {K}" if K > 1 else name, cell, 0, metrics))
        if K > 1:
            columns.append(Column.of(f"{name}, mean of {K}", cell, MEAN, metrics))
    return columns


def _pictures(cells: Sequence[LoadedCell], columns: Sequence[Column], catalog: Catalog, n: int, room: float) -> Browser:
    from invbench.harness.rebuild import located, rebuild_bank

    bank = rebuild_bank(located(cells[0], cells), catalog)
    recorded = {image for cell in cells for image in cell.images} if showable(bank.dataset.x_shape) else set()
    images = [image for image in bank.ids() if image in recorded][:n]
    if not images:
        return Browser(reason="These are no images that can be shown in a grid.")
    names = ["truth", "measurement", *(c.name for c in columns)]
    pixels = math.prod(min(side, SIDE) for side in bank.dataset.x_shape[1:])
    lossless = 3 * pixels * len(images) * len(names) <= room
    encode = partial(data_uri, lossless=lossless)
    return Browser(names, [_row(bank, image, columns, encode) for image in images], lossless=lossless)


def _row(bank: MeasurementBank, image: str, columns: Sequence[Column], encode: Encode) -> Row:
    from invbench.harness.bank import recorded

    measured = bank.measure([image])
    now = recorded(measured)[0]
    return {
        "image": image,
        "truth": encode(picture(measured.x[0])),
        "measurement": encode(measurement_pictures(bank, measured)[0]),
        "cells": [column.row(image, now, encode) for column in columns],
    }


def _score(record: Record, metrics: Metrics) -> tuple[str, str, str]:
    """Metric, value with its unit, protocol."""
    value = f"{format_value(record.metric, record.value, metrics)} {record.unit}".strip()
    return COLUMNS.get(record.metric, record.metric), value, record.protocol


def data_uri(pixels: np.ndarray, lossless: bool = True) -> str:
    """(H, W, 3) in [0, 1] as a WebP image of 8 bits, reduced where a side is longer than SIDE."""
    from PIL import Image

    image = Image.fromarray((pixels * 255).round().astype("uint8"))
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "webp", lossless=lossless, quality=QUALITY, method=1)  # others are slower, and hardly smaller
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
