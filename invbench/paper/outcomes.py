"""The numbers behind a verdict: estimates, ratios and paired comparisons from records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from invbench.analysis.stats import SIGNIFICANT, holm
from invbench.paper.evidence import DIFFERS, NOT_RUN

REPRODUCED, WITHIN, UNDECIDED, CONTRADICTED = "reproduced", "within interval", "undecided", "contradicted"
VERDICTS = (REPRODUCED, WITHIN, UNDECIDED, CONTRADICTED, DIFFERS, NOT_RUN)


@dataclass(frozen=True)
class Finding:
    """The verdict on a claim from n images, with its text; ``missing`` are methods to run (again)."""

    verdict: str
    ours: str = "-"
    n: int = 0
    reason: str = ""
    missing: tuple[str, ...] = ()


class Estimate(NamedTuple):
    """A mean over images, or a set's score, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


class Ratio(NamedTuple):
    """A ratio with its minimum and maximum over n images; ``sure`` if that spread is meaningful."""

    value: float
    low: float
    high: float
    n: int
    sure: bool
    setting: str

    def verdict(self, bound: float) -> str:
        """Whether it is at least the bound."""
        if self.sure and self.low >= bound:
            return REPRODUCED
        if self.sure and self.high < bound:
            return CONTRADICTED
        return WITHIN if self.value >= bound else UNDECIDED

    @property
    def text(self) -> str:
        """The ratio with its spread."""
        spread = f" [{self.low:.4g}, {self.high:.4g}]" if self.low < self.high else ""
        return f"{self.value:.4g}x{spread}"


class Comparison(NamedTuple):
    """The lead of the method that should be better; for scores of sets whose parts are not known, p is 0 if intervals
    do not overlap, else 1.
    """

    estimate: Estimate
    p: float
    text: str

    @property
    def lead(self) -> float:
        """Positive if the method that should be better is ahead."""
        return self.estimate.value


@dataclass(frozen=True)
class Order:
    """The paired comparisons of an order, out of ``pairs`` pairs."""

    comparisons: Sequence[Comparison]
    pairs: int

    @cached_property
    def ahead(self) -> list[Comparison]:
        """The comparisons in which the method that should be better leads."""
        return [each for each in self.comparisons if each.lead > 0]

    @cached_property
    def surely_ahead(self) -> list[Comparison]:
        """Those in which it leads significantly."""
        return [each for each in self.ahead if each.p < SIGNIFICANT]

    @cached_property
    def surely_behind(self) -> list[Comparison]:
        """Those in which it is significantly behind, after correction over all comparisons."""
        ps = holm([each.p for each in self.comparisons])
        pairs = zip(self.comparisons, ps, strict=True)
        return [each for each, p in pairs if p < SIGNIFICANT and each.lead < 0]

    @property
    def closest(self) -> Comparison:
        """The comparison that speaks most against the order."""
        return min(self.surely_behind or self.comparisons, key=lambda each: each.lead)

    @property
    def images(self) -> int:
        """The smallest number of images of a comparison."""
        return min(each.estimate.n for each in self.comparisons)

    @property
    def counted(self) -> str:
        """How many pairs hold significantly, if there are several."""
        held, against = len(self.surely_ahead), len(self.surely_behind)
        return f"of {self.pairs} pairs {held} hold significantly, {against} the other way" if self.pairs > 1 else ""

    @property
    def settled(self) -> bool:
        """Whether the verdict is the same whatever the missing pairs are."""
        return len(self.comparisons) == self.pairs or bool(self.surely_behind)

    @property
    def verdict(self) -> str:
        """The verdict on whether every method that should be better is ahead."""
        if self.surely_behind:
            return CONTRADICTED
        if len(self.ahead) < len(self.comparisons):
            return UNDECIDED
        return WITHIN if len(self.surely_ahead) < len(self.comparisons) else REPRODUCED
