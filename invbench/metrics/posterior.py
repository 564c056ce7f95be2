"""Samples against the exact posterior, on the benchmarks where it is known.

Each score has a floor, the score of the same number of exact samples: the row of the preset's exact sampler.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from invbench import Measurement, Metric, SampleMetric, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    from invbench import Part, Posterior


class PosteriorMetric(SampleMetric):
    """A score of K samples under p(x | y), in one ``part`` of the image space or, where None, in all of it."""

    table: ClassVar[str] = "posterior"
    part: ClassVar[Part | None] = None

    def unavailable(self, measurement: Measurement) -> str | None:
        exact = measurement.posterior
        if exact is None:
            return "the posterior is not known; it is on benchmark=gmm and gmm2d with Gaussian noise"
        if self.part and not exact.dimension(self.part):
            return f"the operator has no {self.part} space"
        return None

    def __call__(self, samples: Tensor, measurement: Measurement) -> Tensor:
        exact = measurement.posterior
        assert exact is not None
        y = exact.flat(measurement.y)
        return self.score(exact, samples.flatten(2).to(y), y)

    @abstractmethod
    def score(self, exact: Posterior, x: Tensor, y: Tensor) -> Tensor:
        """x (B, K, n), y (B, m) -> (B,)."""


class ModeError(PosteriorMetric):
    """Half the sum of absolute differences between posterior weights and the share of samples in each component."""

    name: ClassVar[str] = "modes"
    order: ClassVar[int] = 50
    summary: ClassVar[str] = "error of the mixture weights (total variation)"
    protocol: ClassVar[str] = "modes/total-variation/responsibilities"
    higher_is_better: ClassVar[bool] = False

    def score(self, exact: Posterior, x: Tensor, y: Tensor) -> Tensor:
        return exact.mode_error(x, y)


class SlicedWasserstein(PosteriorMetric):
    """Distance of samples and posterior along 64 fixed random directions, in posterior standard deviations."""

    name: ClassVar[str] = "swd"
    order: ClassVar[int] = 10
    summary: ClassVar[str] = "sliced Wasserstein distance to the posterior"
    protocol: ClassVar[str] = "posterior-swd/w2/64-projected-directions"
    unit: ClassVar[str] = "std"
    higher_is_better: ClassVar[bool] = False

    def score(self, exact: Posterior, x: Tensor, y: Tensor) -> Tensor:
        assert self.part
        return exact.sliced_wasserstein(x, y, self.part)


class MeanGap(PosteriorMetric):
    """Distance of the samples' mean from E[x | y], in posterior standard deviations; exact samples get 1 / sqrt(K)."""

    name: ClassVar[str] = "gap"
    order: ClassVar[int] = 20
    summary: ClassVar[str] = "error of the samples' mean"
    protocol: ClassVar[str] = "posterior-mean-gap/std"
    unit: ClassVar[str] = "std"
    higher_is_better: ClassVar[bool] = False

    def score(self, exact: Posterior, x: Tensor, y: Tensor) -> Tensor:
        assert self.part
        return exact.mean_gap(x, y, self.part)


class SpreadRatio(PosteriorMetric):
    """Root mean square standard deviation of the samples over the posterior's; below 1 is over-confident."""

    name: ClassVar[str] = "std"
    order: ClassVar[int] = 30
    summary: ClassVar[str] = "standard deviation of the samples over the posterior's"
    protocol: ClassVar[str] = "posterior-std-ratio/rms"
    higher_is_better: ClassVar[None] = None

    def score(self, exact: Posterior, x: Tensor, y: Tensor) -> Tensor:
        assert self.part
        return exact.spread_ratio(x, y, self.part)


class PosteriorCoverage(PosteriorMetric):
    """Share of samples inside the posterior's central 90 % interval, along 64 fixed random directions.

    Above 0.9 is over-confident.
    """

    name: ClassVar[str] = "cover"
    order: ClassVar[int] = 40
    summary: ClassVar[str] = "share of samples in the posterior's central 90 % interval"
    protocol: ClassVar[str] = "posterior-coverage/central-90/64-projected-directions"
    higher_is_better: ClassVar[None] = None
    target: ClassVar[float] = 0.9

    def score(self, exact: Posterior, x: Tensor, y: Tensor) -> Tensor:
        assert self.part
        return exact.coverage(x, y, self.part)


def _in_both_parts(score: type[PosteriorMetric]) -> list[type[Metric]]:
    """A score in the range of H^T and in the null space of H, as two metrics."""
    parts: tuple[Part, ...] = ("range", "null")
    return [
        type(
            f"{score.__name__}{part.title()}",
            (score,),
            {
                "name": f"{score.name}_{part}",
                "protocol": f"{score.protocol}/{part}",
                "order": score.order + place,
                "part": part,
                "summary": f"{score.summary}, where H measures{' nothing' if part == 'null' else ''}",
                "__doc__": score.__doc__,
            },
        )
        for place, part in enumerate(parts)
    ]


@hookimpl
def invbench_register_metrics() -> list[type[Metric]]:
    split = (SlicedWasserstein, MeanGap, SpreadRatio, PosteriorCoverage)
    return [*(metric for score in split for metric in _in_both_parts(score)), ModeError]
