"""What records say about a claim, in numbers: estimates, ratios, paired comparisons, and verdicts on them. No torch."""

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
    """What is recorded about a claim, of n images; ``missing`` are methods to run (again)."""

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
    """A ratio with its least and greatest, on how many images; ``sure`` where that spread says something."""

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
    """How far the method that should be better leads; p of a score of sets is 0 where intervals are apart, else 1."""

    estimate: Estimate
    p: float
    text: str

    @property
    def lead(self) -> float:
        """Above 0 where it does lead."""
        return self.estimate.value


@dataclass(frozen=True)
class Order:
    """The paired comparisons of an order that could be made, of so many pairs."""

    comparisons: Sequence[Comparison]
    pairs: int

    @cached_property
    def ahead(self) -> list[Comparison]:
        """Those whose better method leads."""
        return [each for each in self.comparisons if each.lead > 0]

    @cached_property
    def surely_ahead(self) -> list[Comparison]:
        """Those where it does so beyond chance."""
        return [each for each in self.ahead if each.p < SIGNIFICANT]

    @cached_property
    def surely_behind(self) -> list[Comparison]:
        """Those whose better method is behind beyond chance, of all that were compared."""
        ps = holm([each.p for each in self.comparisons])
        pairs = zip(self.comparisons, ps, strict=True)
        return [each for each, p in pairs if p < SIGNIFICANT and each.lead < 0]

    @property
    def closest(self) -> Comparison:
        """What speaks most against it."""
        return min(self.surely_behind or self.comparisons, key=lambda each: each.lead)

    @property
    def images(self) -> int:
        """The fewest images that a comparison is over."""
        return min(each.estimate.n for each in self.comparisons)

    @property
    def counted(self) -> str:
        """How many of all its pairs hold, where there are several."""
        held, against = len(self.surely_ahead), len(self.surely_behind)
        return f"of {self.pairs} pairs {held} hold significantly, {against} the other way" if self.pairs > 1 else ""

    @property
    def settled(self) -> bool:
        """Whether pairs that could not be compared would change nothing."""
        return len(self.comparisons) == self.pairs or bool(self.surely_behind)

    @property
    def verdict(self) -> str:
        """Whether every better method is ahead."""
        if self.surely_behind:
            return CONTRADICTED
        if len(self.ahead) < len(self.comparisons):
            return UNDECIDED
        return WITHIN if len(self.surely_ahead) < len(self.comparisons) else REPRODUCED
