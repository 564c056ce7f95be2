"""Metrics of images, of samples and of sets of images.

A number is comparable only within its protocol, so every metric names its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from invbench.artifacts import Artifact

if TYPE_CHECKING:
    from torch import Tensor

    from invbench.problem import Measurement


class Metric(ABC):
    """A number per image.

    ``protocol`` states everything the number depends on (range, colour handling, clipping, quantisation);
    numbers of different protocols never share a column.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    protocol: ClassVar[str]
    unit: ClassVar[str] = ""
    digits: ClassVar[str] = ".3f"  # of its values in tables, as Python formats numbers
    order: ClassVar[int] = 100  # of its column in tables, the least first; of equals, by name
    headline: ClassVar[bool] = False  # shown by default in charts and reports
    higher_is_better: ClassVar[bool | None]  # None: nearest to the target is best
    target: ClassVar[float | None] = 1.0  # None: no better direction
    table: ClassVar[str] = "images"  # metrics of one kind are printed in one table
    artifacts: ClassVar[tuple[Artifact, ...]] = ()  # files that ``invbench fetch`` gets

    def unavailable(self, measurement: Measurement) -> str | None:
        """Why the metric has no value for these measurements; None if it has one."""
        del measurement
        return None

    @abstractmethod
    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B,)."""


class SampleMetric(Metric):
    """A number per image from K >= ``least`` reconstructions of the same measurement."""

    least: ClassVar[int] = 2  # of fewer it has no value
    table: ClassVar[str] = "samples"

    @abstractmethod
    def __call__(self, samples: Tensor, measurement: Measurement) -> Tensor:
        """(B, K, C, H, W) in [-1, 1] -> (B,)."""


class SetEstimate(NamedTuple):
    """A score of a set of images and its 95 % interval, nan if it has none.

    ``without`` are the scores without each group in turn, in the order in which groups first come: two estimates of the
    same images are compared by the jackknife of their difference. Empty if they are not known.
    """

    value: float
    low: float
    high: float
    without: tuple[float, ...] = ()


class SetMetric(Metric):
    """One number for a set of images: a distance between the features of reconstructions and truths.

    Called like other metrics, it returns the features of each image, one row each: (B, C, H, W) -> (B, ...). Below
    ``least`` images a table warns; ``deviations`` says in words how its intervals are estimated.
    """

    least: ClassVar[int] = 2048
    deviations: ClassVar[str] = "bootstrap over groups of images"

    @abstractmethod
    def distance(self, truth: Tensor, restored: Tensor) -> float:
        """The distance between the features of n truths and of their reconstructions, both (n, ...)."""

    def estimate(self, truth: Tensor, restored: Tensor, groups: Sequence[str]) -> SetEstimate | None:
        """The distance with a 95 % interval of the metric's own, given the images' groups; None: by bootstrap."""
        del truth, restored, groups
        return None

    def distances(self, truth: Tensor, restored: Tensor, picks: Tensor) -> Sequence[float]:
        """The distance of each resample: ``picks`` (resamples, n) are indices of its images. Override it for speed."""
        return [self.distance(truth[pick], restored[pick]) for pick in picks]
