"""Scores of reconstructions: rows of each image, and of all images together, also long after the solver ran."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invbench.analysis.stats import set_interval
from invbench.errors import MetricError, StoreError
from invbench.guard import contained, reason_of
from invbench.metric import Measurement, Metric, SampleMetric, SetMetric
from invbench.run.bank import recorded
from invbench.run.rebuild import Remeasure
from invbench.store.records import MEAN, PATIENCE, CellStore, LoadedCell, Record, images_digest, load_parts

BATCH = 16
OnStage = Callable[[str], None]  # the metric that is called now; "" when it has returned
Value = TypeVar("Value")


class Scorer:
    """Metrics that are strangers: each works on copies, and one that fails costs its own column and nothing else.

    ``faults`` says why, by name; a metric that has failed is not called again.
    """

    def __init__(self, metrics: Sequence[Metric], on_stage: OnStage = lambda name: None) -> None:
        self.metrics = list(metrics)
        self.faults: dict[str, str] = {}
        self._on_stage = on_stage

    def of_images(self, K: int, measured: Measurement) -> list[Metric]:
        """Those that score each image by itself, from K samples of it."""
        kinds = (SetMetric,) if K > 1 else (SetMetric, SampleMetric)
        return [m for m in self.metrics if not isinstance(m, kinds) and self._available(m, measured)]

    def of_sets(self, measured: Measurement) -> list[SetMetric]:
        """Those that score a set of images."""
        return [m for m in self.metrics if isinstance(m, SetMetric) and self._available(m, measured)]

    def image_rows(
        self, cell: str, samples: Tensor, measured: Measurement, only: Collection[tuple[str, str]] | None = None
    ) -> list[list[Record]]:
        """Rows of each image from its samples (B, K, C, H, W): of every sample and, where K > 1, of all together.

        ``only`` are the metrics that are wanted, by name and protocol.
        """
        K = samples.shape[1]
        usable = [m for m in self.of_images(K, measured) if only is None or (m.name, m.protocol) in only]
        single = [m for m in usable if not isinstance(m, SampleMetric)]
        several = [m for m in usable if isinstance(m, SampleMetric)]
        scored = [(k, m, self._score(m, samples[:, k], measured)) for k in range(K) for m in single]
        if K > 1:
            scored += [(MEAN, m, self._score(m, samples, measured)) for m in several]
            scored += [(MEAN, m, self._score(m, samples.mean(1), measured)) for m in single]
        good = [(k, m, values) for k, m, values in scored if values is not None and m.name not in self.faults]
        return [
            [Record(cell, image, k, m.name, m.protocol, values[b], m.unit, digest) for k, m, values in good]
            for b, (image, digest) in enumerate(zip(measured.images, measured.sha256, strict=True))
        ]

    def features(self, metric: SetMetric, x_hat: Tensor, measured: Measurement) -> Tensor | None:
        """Features of some images, a row each; None where the metric fails."""

        def call() -> Tensor:
            rows = metric(x_hat.clone(), _copy(measured))
            if not isinstance(rows, Tensor) or rows.ndim < 1 or len(rows) != len(x_hat):
                raise MetricError(f"expected features of {len(x_hat)} images, a row each; got {_form(rows)}")
            return rows

        return self._call(metric, call)

    def set_score(self, metric: SetMetric, truth: Tensor, found: Tensor) -> dict[str, Any] | None:
        """The score of a set from its features, with its interval; None where the metric fails."""

        def call() -> dict[str, Any]:
            def resampled(picks: NDArray[np.int64]) -> list[float]:
                scores = metric.distances(truth.clone(), found.clone(), torch.from_numpy(picks))
                return [_number(score) for score in scores]

            value = _number(metric.distance(truth.clone(), found.clone()))
            low, high = set_interval(resampled, value, len(truth))
            named = {"metric": metric.name, "protocol": metric.protocol, "unit": metric.unit}
            return {**named, "value": value, "low": low, "high": high}

        return self._call(metric, call)

    def _available(self, metric: Metric, measured: Measurement) -> bool:
        return self._call(metric, lambda: metric.unavailable(measured) is None) or False

    def _score(self, metric: Metric, x_hat: Tensor, measured: Measurement) -> list[float] | None:
        def call() -> list[float]:
            values = metric(x_hat.clone(), _copy(measured))
            if not isinstance(values, Tensor) or values.shape != (len(x_hat),) or values.is_complex():
                raise MetricError(f"expected a tensor of {len(x_hat)} real numbers; got {_form(values)}")
            return [float(value) for value in values.detach().double().cpu()]

        return self._call(metric, call)

    def _call(self, metric: Metric, call: Callable[[], Value]) -> Value | None:
        """What the call returns, or None, with the reason kept, where it fails."""
        if metric.name in self.faults:
            return None
        self._on_stage(metric.name)
        try:
            with contained(f"metric {metric.name}"):
                return call()
        except Exception as error:  # a stranger's
            self.faults[metric.name] = reason_of(error)
            return None
        finally:
            self._on_stage("")


def _copy(measured: Measurement) -> Measurement:
    """The same measurement in tensors of its own, which a metric may change as it likes."""
    return replace(measured, x=measured.x.clone(), y=measured.y.clone(), std=measured.std.clone())


def _number(value: Any) -> float:
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise MetricError(f"expected a number as distance; got {_form(value)}")
    return float(value)


def _form(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


@contextmanager
def adding_to(cell: LoadedCell, folders: Sequence[Path], patience: float) -> Iterator[LoadedCell]:
    """The cell as it is on disk, while nobody else writes to some of its folders; these are sealed afterwards.

    Raises LockedCell where another process keeps one for longer, StoreError where a file was changed since it was
    sealed.
    """
    with ExitStack() as stack:
        stores = [CellStore(folder) for folder in folders]
        for store in stores:
            stack.enter_context(store.writing(patience))
            store.refuse_damaged()
        yield load_parts(cell.id, cell.folders)
        for store in stores:
            run = store.read_run()
            if run and run["status"] == "complete" and not store.sealed:
                store.seal()


def unfinished(cell: LoadedCell) -> bool:
    """Whether the process that added scores to a complete cell was killed before it sealed it."""
    return cell.run["status"] == "complete" and not all(CellStore(folder).sealed for folder in cell.folders)


def rescore(cell: LoadedCell, scorer: Scorer, measure: Remeasure) -> int:
    """Give a cell's images the scores they lack, from their kept reconstructions; returns the number of rows.

    Images that the dataset holds no more are left as they are. Raises StoreError where a measurement is not the one
    that was solved, or a reconstruction is missing.
    """
    chunks = _chunks([image for image in cell.images if image in measure.held])
    wanting = [chunk for chunk in chunks if _lacking(cell, chunk, scorer, measure(chunk))]
    if not wanting and not unfinished(cell):
        return 0  # released records, which have no reconstructions, need none
    with adding_to(cell, cell.folders, PATIENCE) as cell:
        return sum(_rescore_chunk(cell, chunk, scorer, measure(chunk)) for chunk in wanting)


def _lacking(cell: LoadedCell, chunk: Sequence[str], scorer: Scorer, measured: Measurement) -> list[Metric]:
    """Metrics that some of these images have no score of. Raises StoreError for another measurement."""
    for image, now in zip(chunk, recorded(measured), strict=True):
        if not cell.measured[image].same(now):
            raise StoreError(f"{cell.folders[0]}: {image} was solved from another measurement than is made today")
    usable = scorer.of_images(int(cell.run["config"]["samples"]), measured)
    return [m for m in usable if any((i, m.name, m.protocol) not in cell.scored for i in chunk)]


def _rescore_chunk(cell: LoadedCell, chunk: Sequence[str], scorer: Scorer, measured: Measurement) -> int:
    """Add the scores that some images lack; returns the number of rows."""
    stores = {folder: CellStore(folder) for folder in cell.folders}
    wanted = {(m.name, m.protocol) for m in _lacking(cell, chunk, scorer, measured)}
    samples = torch.stack([cell.reconstructions(i) for i in chunk])
    count = 0
    for image, found in zip(chunk, scorer.image_rows(cell.id, samples, measured, wanted), strict=True):
        store = stores[cell.folder_of(image)]
        store.unseal()
        count += store.add_rows(row for row in found if (image, row.metric, row.protocol) not in cell.scored)
    return count


def score_set(
    cell: LoadedCell, scorer: Scorer, measure: Remeasure, images: Sequence[str] = (), patience: float = PATIENCE
) -> None:
    """Write the scores of some of a cell's images as a set, of their first samples, where they are new.

    All its images unless told. What was scored of other sets stays beside them. Raises LockedCell where another process
    writes to the cell for longer than ``patience`` seconds.
    """
    images = images or cell.images
    several = len(images) > 1 and measure.held.issuperset(images)
    lacking = _unscored(cell, scorer, measure, images) if several else []
    if not lacking and not unfinished(cell):
        return
    scores = _set_scores(cell, scorer, measure, images, lacking) if lacking else []
    folder = min(cell.folders)
    with adding_to(cell, [folder] if scores else cell.folders, patience) as cell:
        there = [{key: value for key, value in s.items() if key != "n"} for s in cell.set_scores(images)]
        known = {(s["metric"], s["protocol"]) for s in there}
        new = [s for s in scores if (s["metric"], s["protocol"]) not in known]
        if new:
            store = CellStore(folder)
            store.unseal()
            store.write_sets(cell.all_sets() | {images_digest(images): {"images": list(images), "scores": there + new}})


def _unscored(cell: LoadedCell, scorer: Scorer, measure: Remeasure, images: Sequence[str]) -> list[SetMetric]:
    """Metrics of sets that these images have no score of."""
    there = {(s["metric"], s["protocol"]) for s in cell.set_scores(images)}
    return [m for m in scorer.of_sets(measure(images[:1])) if (m.name, m.protocol) not in there]


def _set_scores(
    cell: LoadedCell, scorer: Scorer, measure: Remeasure, images: Sequence[str], usable: Sequence[SetMetric]
) -> list[dict[str, Any]]:
    found: dict[str, list[Tensor | None]] = {m.name: [] for m in usable}
    truth: dict[str, list[Tensor | None]] = {m.name: [] for m in usable}
    for chunk in _chunks(images):
        measured = measure(chunk)
        x_hat = torch.stack([cell.reconstructions(image)[0] for image in chunk])
        for m in usable:
            found[m.name].append(scorer.features(m, x_hat, measured))
            truth[m.name].append(scorer.features(m, measured.x, measured))
    scores = [
        scorer.set_score(m, _joined(truth[m.name]), _joined(found[m.name]))
        for m in usable
        if m.name not in scorer.faults
    ]
    return [score for score in scores if score is not None]


def _joined(features: Sequence[Tensor | None]) -> Tensor:
    return torch.cat([rows for rows in features if rows is not None])


def _chunks(images: Sequence[str]) -> list[list[str]]:
    return [list(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
