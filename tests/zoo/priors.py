"""Broken priors. The control is a mixture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import invbench as ib
from invbench import PriorSource, Shape
from invbench.testing.problems import tiny_prior
from zoo.register import broken, control


@control("prior")
@dataclass(frozen=True)
class GoodPrior(PriorSource):
    """Nothing is wrong with it."""

    def load(self, x_shape: Shape, device: Any) -> ib.Prior:
        return tiny_prior(x_shape, device)[0]

    def fingerprint(self) -> str:
        return 64 * "0"


def prior(name: str, check: str, fault: str, change: Callable[[Any], Any], also: str = "") -> None:
    """Register a prior that is a good one, changed."""

    @dataclass(frozen=True)
    class Faulty(GoodPrior):
        def load(self, x_shape: Shape, device: Any) -> ib.Prior:
            return change(GoodPrior.load(self, x_shape, device))

    Faulty.__name__, Faulty.__doc__ = name, f"{fault}; {check}."
    broken("prior", check, also)(Faulty)


def upside_down(prior: Any) -> Any:
    prior.abar = prior.abar.flip(0)
    return prior


def predicting(change: Callable[[Tensor, Any, Tensor], Tensor]) -> Callable[[Any], Any]:
    """A prior whose prediction is changed: x_t, t, eps -> eps."""

    class Changed(ib.GmmPrior):
        def _predict(self, x_t: Tensor, t: Any) -> tuple[Tensor, None]:
            return change(x_t, t, ib.GmmPrior._predict(self, x_t, t)[0]), None

    return lambda prior: Changed(prior.mixture, prior.x_shape, prior.device)


prior("UpsideDown", "abar", "abar rises with t", upside_down)
prior("SixChannels", "shape", "Returns the variance's channels too", predicting(lambda x, t, e: torch.cat([e, e], 1)))
prior("Infinite", "finite", "Divides by zero at the first level", predicting(lambda x, t, e: e / t), "times device")
prior("BatchNormed", "batch", "Normalises over the batch", predicting(lambda x, t, e: e - e.mean(0)), "times")
prior(
    "FirstStep",
    "times",
    "Takes the first row's step for all",
    lambda prior: predicting(lambda x, t, e: e if isinstance(t, int) else prior.eps(x, int(t[0])))(prior),
)


@broken("prior", "fingerprint")
@dataclass(frozen=True)
class NoHash(GoodPrior):
    """A version instead of a hash; fingerprint."""

    def fingerprint(self) -> str:
        return "v1"


@broken("prior", "device")
@dataclass(frozen=True)
class StaysOnCpu(GoodPrior):
    """Leaves its network where it was made; device."""

    def load(self, x_shape: Shape, device: Any) -> ib.Prior:
        return ib.MlpPrior(x_shape, GoodPrior.load(self, x_shape, device).abar)
