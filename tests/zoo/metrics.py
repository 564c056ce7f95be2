"""Broken metrics. The control is the mean absolute error."""

from __future__ import annotations

from typing import ClassVar

import torch

from invbench import Metric
from zoo.register import broken, control


@control("metric")
class GoodMetric(Metric):
    """Nothing is wrong with it."""

    protocol: ClassVar[str] = "mae/range2/float"
    higher_is_better: ClassVar[bool | None] = False

    def __call__(self, x_hat, measurement):
        return (x_hat - measurement.x).abs().flatten(1).mean(1)


@broken("metric", "values", "batch")
class MeanOfAll(GoodMetric):
    """One number for the batch; values."""

    def __call__(self, x_hat, measurement):
        return (x_hat - measurement.x).abs().mean()


@broken("metric", "batch")
class RelativeToBatch(GoodMetric):
    """Divides by the range of the batch; batch."""

    def __call__(self, x_hat, measurement):
        return GoodMetric.__call__(self, x_hat, measurement) / (x_hat.max() - x_hat.min())


@broken("metric", "repeat", "batch device")
class RandomPatches(GoodMetric):
    """Looks at newly drawn pixels at each call; repeat."""

    def __call__(self, x_hat, measurement):
        keep = torch.rand_like(x_hat[:1]) < 0.5
        return (keep * (x_hat - measurement.x)).abs().flatten(1).mean(1)


@broken("metric", "inputs")
class ClipsInPlace(GoodMetric):
    """Clips the reconstruction it was given; inputs."""

    def __call__(self, x_hat, measurement):
        return (x_hat.clamp_(-1, 1) - measurement.x).abs().flatten(1).mean(1)


@broken("metric", "device")
class WeightsOnCpu(GoodMetric):
    """Weighs pixels by a window on the CPU; device."""

    def __call__(self, x_hat, measurement):
        window = torch.hann_window(x_hat.shape[-1])
        return (window * (x_hat - measurement.x)).abs().flatten(1).mean(1)


@broken("metric", "protocol")
class NoProtocol(GoodMetric):
    """Does not say what its number depends on; protocol."""

    protocol: ClassVar[str] = ""


@broken("metric", "best")
class WrongWay(GoodMetric):
    """An error that is said to be better when higher; best."""

    higher_is_better: ClassVar[bool | None] = True
