"""Best of four runs, each in the better of its two orientations: how the literature scores phase retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from invbench import Measurement, Metric, Operator, Rng, SampleMetric, hookimpl
from invbench.metrics.distortion import PSNR, SSIM
from invbench.metrics.perceptual import LPIPSAlex

if TYPE_CHECKING:
    from torch import Tensor

RUNS = 4
SAME = 1e-4  # relative to the norm of the measurement: rounding of a transform in float32 is 1e-6


def turned(x: Tensor) -> Tensor:
    """By 180 degrees in the plane: (..., H, W)."""
    return x.flip(-2, -1)


def blind_to_turns(A: Operator, like: Tensor) -> bool:
    """Whether an image and its half turn have the same measurement, tested on a random image on ``like``'s device."""
    x = Rng.single(purpose="half turn").randn(A.x_shape).to(like)
    y, z = A(x), A(turned(x))
    return float((y - z).abs().square().sum() / y.abs().square().sum()) ** 0.5 < SAME


class BestOf4(SampleMetric):
    """A metric of images on the best of the first four samples, where the operator is blind to half turns.

    Each sample is scored as it is and rotated by 180 degrees, and this metric takes the best of its own eight scores,
    as DAPS's code does over its four runs: other metrics may choose other samples. The choice uses the truth, so the
    score says what a solver can find in four attempts, not what a user gets. Negatives and shifts are not aligned.
    Always the first four samples count: the best of another number would be another protocol.
    """

    inner: ClassVar[type[Metric]]
    table: ClassVar[str] = "best of 4"
    least: ClassVar[int] = RUNS

    def unavailable(self, measurement: Measurement) -> str | None:
        if not blind_to_turns(measurement.A, measurement.x):
            return "the operator tells an image from its half turn, so that nothing has to be aligned"
        return self.inner().unavailable(measurement)

    def __call__(self, samples: Tensor, measurement: Measurement) -> Tensor:
        import torch

        inner, first = self.inner(), samples[:, :RUNS]
        scores = [inner(x, measurement) for x_hat in first.unbind(1) for x in (x_hat, turned(x_hat))]
        both = torch.stack(scores)
        return both.amax(0) if self.higher_is_better else both.amin(0)


class BestPSNR(BestOf4):
    """Peak signal-to-noise ratio of the best of four runs."""

    name: ClassVar[str] = "psnr_best4"
    order: ClassVar[int] = PSNR.order
    summary: ClassVar[str] = "PSNR, best of four samples or their half turns; for phase retrieval"
    protocol: ClassVar[str] = f"best-of-4/half-turn/{PSNR.protocol}"
    unit: ClassVar[str] = PSNR.unit
    digits: ClassVar[str] = PSNR.digits
    higher_is_better: ClassVar[bool] = True
    inner: ClassVar[type[Metric]] = PSNR


class BestSSIM(BestOf4):
    """Structural similarity of the best of four runs."""

    name: ClassVar[str] = "ssim_best4"
    order: ClassVar[int] = SSIM.order
    summary: ClassVar[str] = "SSIM, best of four samples or their half turns; for phase retrieval"
    protocol: ClassVar[str] = f"best-of-4/half-turn/{SSIM.protocol}"
    higher_is_better: ClassVar[bool] = True
    inner: ClassVar[type[Metric]] = SSIM


class BestLPIPS(BestOf4):
    """LPIPS with AlexNet of the best of four runs."""

    name: ClassVar[str] = "lpips_best4"
    order: ClassVar[int] = LPIPSAlex.order
    summary: ClassVar[str] = "LPIPS (AlexNet), best of four samples or their half turns; for phase retrieval"
    protocol: ClassVar[str] = f"best-of-4/half-turn/{LPIPSAlex.protocol}"
    higher_is_better: ClassVar[bool] = False
    inner: ClassVar[type[Metric]] = LPIPSAlex


@hookimpl
def invbench_register_metrics() -> list[type[Metric]]:
    return [BestPSNR, BestSSIM, BestLPIPS]
