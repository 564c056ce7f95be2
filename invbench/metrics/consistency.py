"""Data consistency: does the reconstruction explain the measurement?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from invbench import Measurement, Metric, hookimpl, real_parts

if TYPE_CHECKING:
    from torch import Tensor


class Consistency(Metric):
    """Root mean square of (y - H x_hat) / std: 1 for the truth; below 1 fits the noise, above 1 misses the data.

    The noise's true standard deviation is used even if the solver is not given it. Not clipped. For complex
    measurements, over real and imaginary parts. Measurements without noise have no value: the residual has no unit.
    """

    name: ClassVar[str] = "consistency"
    order: ClassVar[int] = 50
    summary: ClassVar[str] = "data residual in units of the noise; 1 is right"
    protocol: ClassVar[str] = "consistency/rms/true-std/float"
    unit: ClassVar[str] = "sigma"
    higher_is_better: ClassVar[None] = None

    def unavailable(self, measurement: Measurement) -> str | None:
        noisy = bool((measurement.std > 0).all())
        return None if noisy else "the measurements have no noise, whose standard deviation is the unit"

    def __call__(self, x_hat: Tensor, measurement: Measurement) -> Tensor:
        residual = (measurement.y - measurement.A(x_hat.double())) / measurement.std.double()
        return real_parts(residual).flatten(1).square().mean(1).sqrt()


@hookimpl
def invbench_register_metrics() -> list[type[Metric]]:
    return [Consistency]
