"""Samples against the exact posterior, on the tiers that know it.

Each score has a floor, what exact samples get with as many draws: the row of the preset's exact sampler.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from invbench.hookspecs import hookimpl
from invbench.metric import Measurement, Metric, SampleMetric

if TYPE_CHECKING:
    from torch import Tensor

    from invbench.posterior import ExactPosterior, Part


class PosteriorMetric(SampleMetric):
    """A score of K samples under p(x | y), in one ``part`` of the image space or, where None, in all of it."""

    table: ClassVar[str] = "posterior"
    part: ClassVar[Part | None] = None

    def unavailable(self, measurement: Measurement) -> str | None:
        exact = measurement.posterior
        if exact is None:
            return "the posterior is not known; it is on benchmark=gmm and gmm2d with Gaussian noise"
        if self.part and exact.part(self.part) == slice(*[len(exact.V)] * 2):
            return f"the operator has no {self.part} space"
        return None

    def __call__(self, samples: Tensor, measurement: Measurement) -> Tensor:
        assert measurement.posterior is not None
        return self.score(measurement.posterior, samples.flatten(2).double(), measurement.y.flatten(1).double())

    @abstractmethod
    def score(self, exact: ExactPosterior, x: Tensor, y: Tensor) -> Tensor:
        """x (B, K, n), y (B, m) -> (B,)."""


class ModeError(PosteriorMetric):
    """Half the sum of absolute differences between posterior weights and the share of samples in each component."""

    name: ClassVar[str] = "modes"
    summary: ClassVar[str] = "error of the mixture weights (total variation)"
    protocol: ClassVar[str] = "modes/total-variation/responsibilities"
    higher_is_better: ClassVar[bool] = False

    def score(self, exact: ExactPosterior, x: Tensor, y: Tensor) -> Tensor:
        return exact.mode_error(x, y)


class SlicedWasserstein(PosteriorMetric):
    """Distance of samples and posterior along 64 fixed random directions, in posterior standard deviations."""

    summary: ClassVar[str] = "sliced Wasserstein distance to the posterior"
    unit: ClassVar[str] = "std"
    higher_is_better: ClassVar[bool] = False

    def score(self, exact: ExactPosterior, x: Tensor, y: Tensor) -> Tensor:
        assert self.part
        return exact.sliced_wasserstein(x, y, self.part)


class MeanGap(PosteriorMetric):
    """Distance of the samples' mean from E[x | y], in posterior standard deviations; exact samples get 1 / sqrt(K)."""

    summary: ClassVar[str] = "error of the samples' mean"
    unit: ClassVar[str] = "std"
    higher_is_better: ClassVar[bool] = False

    def score(self, exact: ExactPosterior, x: Tensor, y: Tensor) -> Tensor:
        assert self.part
        return exact.mean_gap(x, y, self.part)


class SpreadRatio(PosteriorMetric):
    """Root mean square standard deviation of the samples over the posterior's; below 1 is over-confident."""

    summary: ClassVar[str] = "standard deviation of the samples over the posterior's"
    higher_is_better: ClassVar[None] = None

    def score(self, exact: ExactPosterior, x: Tensor, y: Tensor) -> Tensor:
        assert self.part
        return exact.spread_ratio(x, y, self.part)


class PosteriorCoverage(PosteriorMetric):
    """Share of sample coordinates inside the posterior's central 90 % interval; above 0.9 is over-confident."""

    summary: ClassVar[str] = "share of samples in the posterior's central 90 % interval"
    higher_is_better: ClassVar[None] = None
    target: ClassVar[float] = 0.9

    def score(self, exact: ExactPosterior, x: Tensor, y: Tensor) -> Tensor:
        assert self.part
        return exact.coverage(x, y, self.part)


class SWDRange(SlicedWasserstein):
    """In the range of H^T."""

    name: ClassVar[str] = "swd_range"
    protocol: ClassVar[str] = "posterior-swd/w2/64-directions/range"
    part: ClassVar[Part | None] = "range"


class SWDNull(SlicedWasserstein):
    """In the null space of H."""

    name: ClassVar[str] = "swd_null"
    protocol: ClassVar[str] = "posterior-swd/w2/64-directions/null"
    part: ClassVar[Part | None] = "null"


class MeanGapRange(MeanGap):
    """In the range of H^T."""

    name: ClassVar[str] = "gap_range"
    protocol: ClassVar[str] = "posterior-mean-gap/std/range"
    part: ClassVar[Part | None] = "range"


class MeanGapNull(MeanGap):
    """In the null space of H."""

    name: ClassVar[str] = "gap_null"
    protocol: ClassVar[str] = "posterior-mean-gap/std/null"
    part: ClassVar[Part | None] = "null"


class SpreadRange(SpreadRatio):
    """In the range of H^T."""

    name: ClassVar[str] = "std_range"
    protocol: ClassVar[str] = "posterior-std-ratio/rms/range"
    part: ClassVar[Part | None] = "range"


class SpreadNull(SpreadRatio):
    """In the null space of H."""

    name: ClassVar[str] = "std_null"
    protocol: ClassVar[str] = "posterior-std-ratio/rms/null"
    part: ClassVar[Part | None] = "null"


class CoverageRange(PosteriorCoverage):
    """In the range of H^T."""

    name: ClassVar[str] = "cover_range"
    protocol: ClassVar[str] = "posterior-coverage/central-90/range"
    part: ClassVar[Part | None] = "range"


class CoverageNull(PosteriorCoverage):
    """In the null space of H."""

    name: ClassVar[str] = "cover_null"
    protocol: ClassVar[str] = "posterior-coverage/central-90/null"
    part: ClassVar[Part | None] = "null"


@hookimpl
def invbench_register_metrics() -> list[type[Metric]]:
    return [
        *(SWDRange, SWDNull, MeanGapRange, MeanGapNull, SpreadRange, SpreadNull, CoverageRange, CoverageNull),
        ModeError,
    ]
