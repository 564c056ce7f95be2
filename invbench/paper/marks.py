"""Values of our records in the style of a paper's tables."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from invbench.analysis.cell import Cell, Spread
from invbench.analysis.comparable import image_means, interval_of
from invbench.analysis.digits import formatted, spec_of
from invbench.metric import Metric
from invbench.store.reader import LoadedCell

ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}  # suffix of a header, by the better direction


@dataclass(frozen=True)
class Style:
    """The style of a table: what is printed beside our means. ``metrics`` are the installed ones."""

    metrics: Mapping[str, type[Metric]] = field(default_factory=dict)
    spread: Spread = "none"

    def score(self, cell: LoadedCell, metric: str, value: float, images: Collection[str] | None = None) -> Cell:
        """A cell's mean over these images, or over all if none are given, with its interval or deviation.

        Scores of sets have no standard deviation over images.
        """
        if self.spread == "interval":
            return self.printed(metric, value, *interval_of(cell, metric, images))
        printed = self.printed(metric, value)
        deviation = float(image_means(cell, metric, images).std()) if self.spread == "std" else math.nan
        if not math.isfinite(deviation):
            return printed
        text, beside, _ = formatted(value, deviation, deviation, spec_of(metric, self.metrics))
        return replace(printed, text=text, spread=f"± {beside}")

    def printed(self, metric: str, value: float, low: float = math.nan, high: float = math.nan) -> Cell:
        """A value with the digits of its metric, and its interval if it has one that is not of length zero."""
        text, *ends = formatted(value, low, high, spec_of(metric, self.metrics))
        return Cell(text, "" if math.isnan(low) or ends[0] == ends[1] else f"[{ends[0]}, {ends[1]}]")
