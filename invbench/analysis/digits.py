"""Numbers as tables, figures and reports show them: each metric declares its own digits."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from invbench.metric import Metric

Metrics = Mapping[str, type[Metric]]  # those installed, by name
NONE: Metrics = MappingProxyType({})
COSTS = {"seconds": ".2g", "gflops": ".1f", "nfe_forward": "g", "nfe_backward": "g"}  # costs are not plugins
SPEC = re.compile(r",?(\.\d{1,2})?[efgEFG%]")
SIGNIFICANT = ".3g"  # if a metric's own digits would show 0


def spec_of(metric: str, metrics: Metrics) -> str:
    """The format of a metric's values; three decimals if it is not installed, or if its ``digits`` is not a format.

    Without ``metrics``, the installed ones are used.
    """
    metrics = metrics or installed()
    spec = metrics[metric].digits if metric in metrics else COSTS.get(metric, Metric.digits)
    return spec if SPEC.fullmatch(spec) or spec in COSTS.values() else Metric.digits


@cache
def installed() -> Metrics:
    """The metrics that are installed, by name."""
    from invbench.plugins import load_catalog

    return load_catalog().for_tables()[0]


def formatted(value: float, low: float, high: float, spec: str) -> tuple[str, str, str]:
    """A value and the ends of its interval; in significant digits if the metric's own would show 0 or equal ends.

    >>> formatted(3.2e-5, 3.1e-5, 3.4e-5, ".3f"), formatted(0.5, 0.4, 0.6, ".1f")
    (('3.2e-05', '3.1e-05', '3.4e-05'), ('0.5', '0.4', '0.6'))
    """
    own = f"{value:{spec}}", f"{low:{spec}}", f"{high:{spec}}"
    significant = f"{value:{SIGNIFICANT}}", f"{low:{SIGNIFICANT}}", f"{high:{SIGNIFICANT}}"
    vanishes = value != 0 and math.isfinite(value) and not re.search("[1-9]", own[0].partition("e")[0])
    lost = low != high and own[1] == own[2] and significant[1] != significant[2] and spec not in COSTS.values()
    return significant if vanishes or lost else own


def format_value(metric: str, value: float, metrics: Metrics = NONE) -> str:
    """A value with the digits of its metric."""
    return formatted(value, value, value, spec_of(metric, metrics))[0]


def format_interval(metric: str, value: float, low: float, high: float, metrics: Metrics = NONE) -> str:
    """``23.85 [23.10, 24.61]``; the value alone if it has no interval, or one of length zero."""
    text, *ends = formatted(value, low, high, spec_of(metric, metrics))
    return text if math.isnan(low) or ends[0] == ends[1] else f"{text} [{ends[0]}, {ends[1]}]"
