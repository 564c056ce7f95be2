"""Columns of tables: their order, their headers, and the metrics that are shown by default.

Metrics declare how they are shown. Only costs are named here: they are measured for every solver and are not plugins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from invbench.analysis.digits import NONE, Metrics, installed
from invbench.metric import Metric

CALLS, BACKWARD, SECONDS = "nfe_forward", "nfe_backward", "seconds"
COLUMNS = {CALLS: "NFE", BACKWARD: "NFE backward", SECONDS: "s/image"}  # of costs, in order, the last of a table
IMAGES = "images"  # the table of metrics that are not installed


class Column(NamedTuple):
    """A metric in one protocol; numbers of different protocols never share a column."""

    metric: str
    protocol: str


def table_of(metric: str, metrics: Metrics) -> str:
    """The kind of table in which a metric is printed."""
    return metrics[metric].table if metric in metrics else IMAGES


def headline_metrics(metrics: Metrics) -> list[str]:
    """The metrics that charts and reports show by default, in their order."""
    return [name for name in sorted(metrics, key=lambda name: _place(name, metrics)) if metrics[name].headline]


def first(metrics: Metrics) -> str:
    """The metric that is shown if there is room for only one; "" if no metric is a headline."""
    return next(iter(headline_metrics(metrics)), "")


def ordered(columns: Iterable[tuple[str, str]], metrics: Metrics = NONE) -> list[Column]:
    """Columns in the order of a table: metrics by their own order, then by name; then costs.

    Without ``metrics``, the installed ones are used.
    """
    known = metrics or installed()
    return sorted((Column(*column) for column in columns), key=lambda c: (*_place(c.metric, known), c.protocol))


def of_metric(name: str, columns: Iterable[Column]) -> list[Column]:
    """The columns of a metric."""
    return [column for column in columns if column.metric == name]


def chosen(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """The columns of these metrics, in the given order; all columns if no metric is given."""
    return [column for name in names for column in of_metric(name, columns)] if names else list(columns)


def _place(name: str, metrics: Metrics) -> tuple[bool, int, str]:
    """Sorts metrics by their order and name, and costs after them."""
    if name in COLUMNS:
        return True, list(COLUMNS).index(name), name
    return False, metrics[name].order if name in metrics else Metric.order, name


def headers(columns: Sequence[Column], metrics: Metrics) -> list[str]:
    """The header of each column: the metric or, if several of its protocols are shown, the protocol."""
    names = [column.metric for column in columns]
    return [_header(column, metrics, names.count(column.metric) > 1) for column in columns]


def _header(column: Column, metrics: Metrics, ambiguous: bool) -> str:
    if column.metric in COLUMNS:
        return COLUMNS[column.metric]
    name = column.protocol if ambiguous else column.metric
    metric = metrics.get(column.metric)
    if metric is None:
        return name
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{name}{_direction(metric)}{unit}"


def _direction(metric: type[Metric]) -> str:
    if metric.higher_is_better is None:
        return "" if metric.target is None else f" →{metric.target:g}"
    return " ↑" if metric.higher_is_better else " ↓"


def protocols_note(columns: Collection[Column]) -> str:
    """The protocol of each metric; costs have no protocol."""
    return "Protocols: " + "; ".join(c.protocol for c in columns if c.metric not in COLUMNS) + "."
