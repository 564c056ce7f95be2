"""Charts of the page, as texts and positions: the page's style sheet draws them, in its colours and width."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from invbench.analysis.columns import CALLS, headline_metrics
from invbench.analysis.comparable import label, mean_of
from invbench.analysis.digits import Metrics, format_value
from invbench.analysis.pareto import pareto
from invbench.figures.charts import Bar, Panel, bars_of, panels, within_reach
from invbench.store.reader import LoadedCell

ARROWS = {True: " ↑", False: " ↓", None: ""}  # the better direction
DECADES = 9  # of network calls


class Dot(NamedTuple):
    """A solver's mean and the ends of its interval, as percentages of the width; nan if the mean is nan."""

    name: str
    text: str
    at: float
    low: float
    high: float

    @property
    def drawn(self) -> bool:
        """Whether it has a position."""
        return not math.isnan(self.at)


class Point(NamedTuple):
    """A solver's mean over its network calls, at percentages of width and height."""

    name: str
    text: str
    calls: str
    x: float
    y: float


@dataclass(frozen=True)
class Dots:
    """Solvers of a measurement, the best first; ``ends`` are the values at the sides."""

    title: str
    dots: Sequence[Dot]
    ends: tuple[str, str]


@dataclass(frozen=True)
class Front:
    """Solvers of a measurement: those on the Pareto front in order of their calls, and the others."""

    title: str
    best: Sequence[Point]
    others: Sequence[Point]
    ends: tuple[str, str]  # lowest and highest value
    ticks: Sequence[tuple[str, float]]  # network calls, and where

    @property
    def steps(self) -> str:
        """The front as the points of a line to the right edge, y downwards."""
        heights = [100 - point.y for point in self.best]
        pairs = zip(self.best, [heights[0], *heights], heights, strict=False)
        line = [f"{point.x},{height:.2f}" for point, *ends in pairs for height in ends]
        return " ".join([*line, f"100,{heights[-1]:.2f}"])


@dataclass(frozen=True)
class Chart:
    """A metric, a panel per measurement."""

    title: str
    dots: Sequence[Dots] = ()
    fronts: Sequence[Front] = ()


def charts(cells: Sequence[LoadedCell], metrics: Metrics) -> list[Chart]:
    """Charts of the recorded headline metrics, and of the last of them against network calls."""
    panels_by_metric = [(name, panels(cells, name)) for name in headline_metrics(metrics)]
    means = [
        Chart(_title(name, metrics), [_dots(p, name, metrics) for p in parts])
        for name, parts in panels_by_metric
        if parts
    ]
    return [*means, *(chart for name, parts in panels_by_metric[-1:] for chart in _costs(parts, name, metrics))]


def _title(metric: str, metrics: Metrics) -> str:
    return f"{_named(metric, metrics)}: means with 95 % intervals, the best first"


def _named(metric: str, metrics: Metrics) -> str:
    """The metric in words, with its better direction and unit."""
    cls = metrics[metric]
    return cls.__name__ + ARROWS[cls.higher_is_better] + (f" ({cls.unit})" if cls.unit else "")


def _dots(panel: Panel, metric: str, metrics: Metrics) -> Dots:
    sign = -1 if metrics[metric].higher_is_better else 1
    bars = sorted(bars_of(panel, metric), key=lambda bar: (math.isnan(bar.value), sign * bar.value))
    spans = [_span(bar, at) for bar, at in zip(bars, _reachable([bar.value for bar in bars]), strict=True)]
    ends = [end for span in spans for end in span if not math.isnan(end)] or [0.0]
    low, high = min(ends), max(ends)
    dots = [
        Dot(bar.name, format_value(metric, bar.value, metrics), *(_percent(end, low, high) for end in span))
        for bar, span in zip(bars, spans, strict=True)
    ]
    return Dots(panel.title, dots, (format_value(metric, low, metrics), format_value(metric, high, metrics)))


def _span(bar: Bar, at: float) -> tuple[float, float, float]:
    """The positions of a mean and of the ends of its interval; that of the mean if it has no interval."""
    finite = math.isfinite(bar.low) and math.isfinite(bar.high)
    return (at, bar.low, bar.high) if finite else (at, at, at)


def _costs(parts: Sequence[Panel], metric: str, metrics: Metrics) -> Iterator[Chart]:
    """A chart of Pareto fronts, if the metric has a better direction and a solver has both mean and cost."""
    fronts = [_front(panel.title, known, metric, metrics) for panel in parts if (known := _known(panel, metric))]
    if fronts and metrics[metric].higher_is_better is not None:
        yield Chart(f"{_named(metric, metrics)} against network calls: the optimal solvers are numbered", fronts=fronts)


def _known(panel: Panel, metric: str) -> list[tuple[str, float, float]]:
    """Name, network calls and mean of the solvers that have both."""
    means = [(c, mean_of(c, CALLS, panel.images), mean_of(c, metric, panel.images)) for c in panel.cells]
    return [
        (label(cell, panel.cells), calls, mean)
        for cell, calls, mean in means
        if calls is not None and mean is not None and not math.isnan(mean)
    ]


def _front(title: str, known: Sequence[tuple[str, float, float]], metric: str, metrics: Metrics) -> Front:
    names, calls, means = zip(*known, strict=True)
    heights, most = _reachable(means), max(calls)
    low, high = min(heights), max(heights)
    points = [
        Point(name, format_value(metric, mean, metrics), f"{cost:g}", _along(cost, most), _percent(height, low, high))
        for name, cost, mean, height in zip(names, calls, means, heights, strict=True)
    ]
    best = pareto(list(zip(calls, heights, strict=True)), bool(metrics[metric].higher_is_better))
    others = [point for i, point in enumerate(points) if i not in best]
    ticks = [(f"{n:,}", _along(n, most)) for n in (0, *(10**k for k in range(DECADES))) if n <= most]
    ends = format_value(metric, low, metrics), format_value(metric, high, metrics)
    return Front(title, [points[i] for i in best], others, ends, ticks)


def _along(calls: float, most: float) -> float:
    """The position of network calls on a logarithmic axis that begins with 0."""
    return _percent(math.log1p(calls), 0, math.log1p(most))


def _reachable(values: Sequence[float]) -> list[float]:
    """The values, with infinite ones replaced by values slightly beyond the finite range."""
    return [float(value) for value in within_reach(np.array(values))]


def _percent(value: float, low: float, high: float) -> float:
    """The position of a value between two others in percent; the middle if these are equal; nan for nan."""
    if high > low:
        return round(100 * (value - low) / (high - low), 2)
    return value if math.isnan(value) else 50.0
