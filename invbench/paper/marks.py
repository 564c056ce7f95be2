"""Texts of a paper's table in a format, the best and the second best value of a column marked. No torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from invbench.analysis.comparable import interval_of
from invbench.analysis.digits import format_interval
from invbench.analysis.table import escape
from invbench.metric import Metric
from invbench.store.reader import LoadedCell

MARKS = {  # of the best and the second best value of a column
    "text": ("*{}*", "_{}_"),
    "md": ("**{}**", "<u>{}</u>"),
    "latex": (r"\textbf{{{}}}", r"\underline{{{}}}"),
    "html": ("<b>{}</b>", "<u>{}</u>"),
    "csv": ("{}", "{}"),
}
ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}  # after a header, by which values are better


@dataclass(frozen=True)
class Style:
    """How a table is printed: ``how`` is its format, with ``intervals`` of 95 % beside our means where wanted.

    ``metrics`` are those installed.
    """

    how: str
    metrics: Mapping[str, type[Metric]] = field(default_factory=dict)
    intervals: bool = False

    def escaped(self, text: str) -> str:
        """The text as the format has it."""
        return text if self.how == "csv" else escape(text, self.how)  # csv is escaped when it is printed

    def marked(self, text: str, rank: int) -> str:
        """An escaped text with the mark of its rank: 0 is the best, 1 the second best."""
        return MARKS[self.how][rank].format(text) if rank < 2 else text

    def score(self, cell: LoadedCell, metric: str, value: float, images: Collection[str] | None = None) -> str:
        """A cell's mean over images, all if none are named, with its interval where these are wanted."""
        low, high = interval_of(cell, metric, images) if self.intervals else (math.nan, math.nan)
        return format_interval(metric, value, low, high, self.metrics)
