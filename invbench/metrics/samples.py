"""Several reconstructions of one measurement: are they as spread out as they should be?"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from invbench import Measurement, Metric, SampleMetric, SVDOperator, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

TAIL = 0.05  # probability left out on either side of the interval whose coverage is measured


class CRPS(SampleMetric):
    """Continuous ranked probability score, mean over pixels: E|X - x| - E|X - X'| / 2 with distinct X, X' (fair)."""

    name: ClassVar[str] = "crps"
    order: ClassVar[int] = 10
    summary: ClassVar[str] = "continuous ranked probability score of the samples"
    protocol: ClassVar[str] = "crps/fair/pixels/range2/float"
    higher_is_better: ClassVar[bool] = False

    def __call__(self, samples: Tensor, measurement: Measurement) -> Tensor:
        import torch

        x, truth = samples.flatten(2).double(), measurement.x.flatten(1).double()
        K = x.shape[1]
        error = (x - truth[:, None]).abs().mean((1, 2))
        ranks = 2 * torch.arange(1, K + 1, dtype=x.dtype, device=x.device) - K - 1
        pairs = (x.sort(dim=1).values * ranks[:, None]).sum(1).mean(1)  # sum over k < l of |x_k - x_l|
        return error - pairs / (K * (K - 1))


class Coverage(SampleMetric):
    """Share of pixels whose truth is in the samples' central interval, minus the nominal share.

    The interval leaves out the j lowest and j highest of K samples, j nearest below 5 % of K + 1 but at least one;
    exchangeable truth and samples fall inside with probability 1 - 2 j / (K + 1). Below 0 is over-confident.
    """

    name: ClassVar[str] = "coverage"
    order: ClassVar[int] = 20
    summary: ClassVar[str] = "coverage of the samples' central interval, less the nominal"
    protocol: ClassVar[str] = "coverage/central/excess/pixels"
    higher_is_better: ClassVar[None] = None
    target: ClassVar[float] = 0.0

    def __call__(self, samples: Tensor, measurement: Measurement) -> Tensor:
        x, truth = samples.flatten(2), measurement.x.flatten(1)
        K = x.shape[1]
        j = max(1, int(TAIL * (K + 1)))
        ordered = x.sort(dim=1).values
        inside = (ordered[:, j - 1] <= truth) & (truth <= ordered[:, K - j])
        return inside.double().mean(1) - (1 - 2 * j / (K + 1))


class Spread(SampleMetric):
    """Root mean square, over pixels, of the samples' standard deviation on [-1, 1]."""

    name: ClassVar[str] = "spread"
    order: ClassVar[int] = 30
    summary: ClassVar[str] = "standard deviation of the samples"
    protocol: ClassVar[str] = "spread/rms-std/pixels/range2/float"
    higher_is_better: ClassVar[None] = None
    target: ClassVar[None] = None

    def __call__(self, samples: Tensor, measurement: Measurement) -> Tensor:
        return _rms_std(samples)


class Diversity(SampleMetric):
    """The spread of the samples in one part of the image space; squares of both parts add up to the total spread's."""

    higher_is_better: ClassVar[None] = None
    target: ClassVar[None] = None

    def unavailable(self, measurement: Measurement) -> str | None:
        return None if isinstance(measurement.A, SVDOperator) else "needs an operator with an SVD"

    def __call__(self, samples: Tensor, measurement: Measurement) -> Tensor:
        A = measurement.A
        assert isinstance(A, SVDOperator)
        flat = samples.flatten(0, 1).double()
        measured = A.pinv(A(flat)).unflatten(0, samples.shape[:2])
        return _rms_std(self.pick(samples.double(), measured))

    @abstractmethod
    def pick(self, samples: Tensor, measured: Tensor) -> Tensor:
        """The part, from the samples and their projections H^+ H x."""


class DiversityRange(Diversity):
    """In the range of H^T, which the measurement determines up to its noise."""

    name: ClassVar[str] = "div_range"
    order: ClassVar[int] = 40
    summary: ClassVar[str] = "spread of the samples where H measures"
    protocol: ClassVar[str] = "diversity/rms-std/range"

    def pick(self, samples: Tensor, measured: Tensor) -> Tensor:
        return measured


class DiversityNull(Diversity):
    """In the null space of H, about which only the prior says something."""

    name: ClassVar[str] = "div_null"
    order: ClassVar[int] = 50
    summary: ClassVar[str] = "spread of the samples where H measures nothing"
    protocol: ClassVar[str] = "diversity/rms-std/null"

    def pick(self, samples: Tensor, measured: Tensor) -> Tensor:
        return samples - measured


def _rms_std(samples: Tensor) -> Tensor:
    """(B, K, C, H, W) -> (B,)."""
    return samples.double().var(1).flatten(1).mean(1).sqrt()


@hookimpl
def invbench_register_metrics() -> list[type[Metric]]:
    return [CRPS, Coverage, Spread, DiversityRange, DiversityNull]
