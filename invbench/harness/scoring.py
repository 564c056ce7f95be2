"""Scores of reconstructions, for each image and for sets of images, after a run or at any later time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import SupportsFloat, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invbench.analysis.stats import set_interval
from invbench.errors import MetricError
from invbench.guard import contained, reason_of
from invbench.metric import Metric, SampleMetric, SetMetric
from invbench.problem import Measurement
from invbench.store.files import MEAN, Record
from invbench.store.schema import Score

OnStage = Callable[[str], None]  # the metric that is being computed; "" when it has returned
Value = TypeVar("Value")


class Scorer:
    """Calls metrics safely: each works on copies, and one that fails loses only its own column.

    ``faults`` has the reasons, by name; a metric that has failed is not called again. Metrics are given tensors and
    operator on ``device``, one batch at a time.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        on_stage: OnStage = lambda name: None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.metrics = list(metrics)
        self.faults: dict[str, str] = {}
        self.device = torch.device(device)
        self._on_stage = on_stage

    def of_images(self, K: int, measured: Measurement) -> list[Metric]:
        """The metrics that score each image by itself, from its K samples."""

        def scores(metric: Metric) -> bool:
            return metric.least <= K if isinstance(metric, SampleMetric) else not isinstance(metric, SetMetric)

        return [m for m in self.metrics if scores(m) and self._available(m, measured)]

    def of_sets(self, measured: Measurement) -> list[SetMetric]:
        """The metrics that score a set of images."""
        return [m for m in self.metrics if isinstance(m, SetMetric) and self._available(m, measured)]

    def image_rows(
        self, cell: str, samples: Tensor, measured: Measurement, only: Collection[tuple[str, str]] | None = None
    ) -> list[list[Record]]:
        """Rows of each image from its samples (B, K, C, H, W): for every sample and, if K > 1, for all together.

        ``only`` are the requested metrics, by name and protocol.
        """
        scored = list(self._scored(samples.to(self.device), _on(self.device, measured), only))
        good = [(k, m, values) for k, m, values in scored if m.name not in self.faults]  # in none of the samples
        return [
            [Record(cell, image, k, m.name, m.protocol, values[b], m.unit, digest) for k, m, values in good]
            for b, (image, digest) in enumerate(zip(measured.images, measured.sha256, strict=True))
        ]

    def _scored(
        self, samples: Tensor, measured: Measurement, only: Collection[tuple[str, str]] | None
    ) -> Iterator[tuple[int, Metric, list[float]]]:
        """Sample, metric and its values of all images: of every sample, then of all samples, then of their mean."""
        usable = [m for m in self.of_images(samples.shape[1], measured) if only is None or (m.name, m.protocol) in only]
        for k, metric, x_hat in _calls(usable, samples):
            values = self._score(metric, x_hat, measured)
            if values is not None:
                yield k, metric, values

    def features(self, metric: SetMetric, x_hat: Tensor, measured: Measurement) -> Tensor | None:
        """Features of some images, one row each, on the scorer's device; None if the metric fails."""
        x_hat, measured = x_hat.to(self.device), _on(self.device, measured)

        def call() -> Tensor:
            rows = metric(x_hat.clone(), _copy(measured))
            if not isinstance(rows, Tensor) or rows.ndim < 1 or len(rows) != len(x_hat):
                raise MetricError(f"expected features of {len(x_hat)} images, one row each; got {_form(rows)}")
            return rows

        return self._call(metric, call)

    def set_score(self, metric: SetMetric, truth: Tensor, restored: Tensor, groups: Sequence[str]) -> Score | None:
        """The score of a set from its features and the images' groups, with its interval; None if it fails."""

        def call() -> Score:
            own = metric.estimate(truth.clone(), restored.clone(), groups)
            value, low, high = map(_number, own[:3]) if own else _bootstrapped(metric, truth, restored, groups)
            without = [_number(each) for each in own.without] if own else []
            return Score(metric.name, metric.protocol, metric.unit, value, low, high, len(truth), without)

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
        """The result of the call; None if it fails, with the reason in ``faults``."""
        if metric.name in self.faults:
            return None
        self._on_stage(metric.name)
        try:
            with contained(f"metric {metric.name}"):
                return call()
        except Exception as error:  # third-party code may raise anything
            self.faults[metric.name] = reason_of(error)
            return None
        finally:
            self._on_stage("")


def _bootstrapped(
    metric: SetMetric, truth: Tensor, restored: Tensor, groups: Sequence[str]
) -> tuple[float, float, float]:
    """The distance with its interval from resamples of groups."""

    def resampled(picks: NDArray[np.int64]) -> list[float]:
        scores = metric.distances(truth.clone(), restored.clone(), torch.from_numpy(picks))
        return [_number(score) for score in scores]

    value = _number(metric.distance(truth.clone(), restored.clone()))
    return value, *set_interval(resampled, value, groups)


def _calls(metrics: Sequence[Metric], samples: Tensor) -> list[tuple[int, Metric, Tensor]]:
    """The arguments for each metric: every sample and, if there are several, all of them, or their mean."""
    K = samples.shape[1]
    single = [m for m in metrics if not isinstance(m, SampleMetric)]
    calls: list[tuple[int, Metric, Tensor]] = [(k, m, samples[:, k]) for k in range(K) for m in single]
    if K > 1:
        calls += [(MEAN, m, samples) for m in metrics if isinstance(m, SampleMetric)]
        calls += [(MEAN, m, samples.mean(1)) for m in single]
    return calls


def _on(device: torch.device, measured: Measurement) -> Measurement:
    """The measurement with its tensors and operator on a device; the posterior stays on the CPU."""
    if measured.x.device == device:
        return measured
    x, y, std = (z.to(device) for z in (measured.x, measured.y, measured.std))
    return replace(measured, x=x, y=y, std=std, A=measured.A.to(device))


def _copy(measured: Measurement) -> Measurement:
    """A copy of the measurement, which a metric may modify."""
    return replace(measured, x=measured.x.clone(), y=measured.y.clone(), std=measured.std.clone())


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, SupportsFloat):
        raise MetricError(f"expected a number as distance; got {_form(value)}")
    return float(value)


def _form(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
