"""Scores of reconstructions: rows of each image, and of all images together, also long after the solver ran."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from invbench.errors import StoreError
from invbench.metric import Measurement, Metric, SampleMetric, SetMetric
from invbench.records import MEAN, CellStore, LoadedCell, Record, images_digest
from invbench.stats import set_interval

BATCH = 16
Measure = Callable[[Sequence[str]], Measurement]


def image_rows(cell: str, metrics: Sequence[Metric], samples: Tensor, measured: Measurement) -> list[list[Record]]:
    """Rows of each image from its samples (B, K, C, H, W): of every sample and, where K > 1, of all together."""
    K = samples.shape[1]
    usable = _usable(metrics, K, measured)
    single = [m for m in usable if not isinstance(m, SampleMetric)]
    several = [m for m in usable if isinstance(m, SampleMetric)]
    scored = [(k, m, m(samples[:, k], measured)) for k in range(K) for m in single]
    if K > 1:
        scored += [(MEAN, m, m(samples, measured)) for m in several]
        scored += [(MEAN, m, m(samples.mean(1), measured)) for m in single]
    return [
        [Record(cell, image, k, m.name, m.protocol, float(values[b]), m.unit, digest) for k, m, values in scored]
        for b, (image, digest) in enumerate(zip(measured.images, measured.sha256, strict=True))
    ]


def _usable(metrics: Sequence[Metric], K: int, measured: Measurement) -> list[Metric]:
    """Those that score each image by itself, from K samples of it."""
    found = [m for m in metrics if not isinstance(m, SetMetric) and m.unavailable(measured) is None]
    return found if K > 1 else [m for m in found if not isinstance(m, SampleMetric)]


def rescore(cell: LoadedCell, metrics: Sequence[Metric], measure: Measure) -> int:
    """Give a cell's images the scores they lack, from their kept reconstructions; returns the number of rows.

    Raises StoreError where a measurement is not the one that was solved, or a reconstruction is missing.
    """
    have = {(r.image, r.metric, r.protocol) for r in cell.rows}
    count = 0
    for chunk in _chunks(cell.images):
        measured = measure(chunk)
        for image, digest in zip(chunk, measured.sha256, strict=True):
            if cell.measured[image] != digest:
                raise StoreError(f"{cell.folders[0]}: {image} was solved from another measurement than is made today")
        usable = _usable(metrics, int(cell.run["config"]["samples"]), measured)
        lacking = [m for m in usable if any((i, m.name, m.protocol) not in have for i in chunk)]
        if not lacking:
            continue  # released records, which have no reconstructions, need none
        if not count:
            _refuse_damaged(cell)
        rows = image_rows(cell.id, lacking, torch.stack([cell.reconstructions(i) for i in chunk]), measured)
        for image, found in zip(chunk, rows, strict=True):
            new = [r for r in found if (image, r.metric, r.protocol) not in have]
            CellStore(cell.folder_of(image)).add_rows(new)
            count += len(new)
    if count:
        _seal(cell)
    return count


def _refuse_damaged(cell: LoadedCell) -> None:
    """Raise StoreError where a file was changed since it was sealed, before scores of it are sealed anew."""
    for folder in cell.folders:
        CellStore(folder).refuse_damaged()


def _seal(cell: LoadedCell) -> None:
    """Seal the folders whose runs are complete anew, after something was added."""
    for store in map(CellStore, cell.folders):
        if (run := store.read_run()) and run["status"] == "complete":
            store.seal()


def score_set(cell: LoadedCell, metrics: Sequence[Metric], measure: Measure, images: Sequence[str] = ()) -> None:
    """Write the scores of some of a cell's images as a set, of their first samples, where they are new.

    All its images unless told. What was scored of other sets stays beside them.
    """
    sets = [m for m in metrics if isinstance(m, SetMetric)]
    images = images or cell.images
    kept = {(s["metric"], s["protocol"]) for s in cell.set_scores(images)}
    if len(images) < 2 or not sets:
        return
    usable = [m for m in sets if m.unavailable(measure(images[:1])) is None]
    if kept.issuperset((m.name, m.protocol) for m in usable):
        return
    _refuse_damaged(cell)
    found: dict[str, list[Tensor]] = {m.name: [] for m in usable}
    truth: dict[str, list[Tensor]] = {m.name: [] for m in usable}
    for chunk in _chunks(images):
        measured = measure(chunk)
        x_hat = torch.stack([cell.reconstructions(image)[0] for image in chunk])
        for m in usable:
            found[m.name].append(m(x_hat, measured))
            truth[m.name].append(m(measured.x, measured))
    scores = [_set_score(m, torch.cat(truth[m.name]), torch.cat(found[m.name])) for m in usable]
    made = {images_digest(images): {"images": list(images), "scores": scores}}
    CellStore(min(cell.folders)).write_sets(cell.all_sets() | made)
    _seal(cell)


def _set_score(metric: SetMetric, truth: Tensor, found: Tensor) -> dict[str, Any]:
    value = metric.distance(truth, found)
    low, high = set_interval(lambda picks: metric.distance(truth[picks], found[picks]), value, len(truth))
    named = {"metric": metric.name, "protocol": metric.protocol, "unit": metric.unit}
    return {**named, "value": value, "low": low, "high": high}


def _chunks(images: Sequence[str]) -> list[list[str]]:
    return [list(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
