"""What the measurements on a GPU share: the device, sizes, times, and a line of the table."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from made_networks import TINY

from invbench.meter import synchronize
from invbench.priors.adm.sources import AdmFfhq256
from invbench.priors.adm.unet import UNet, convolve_in
from invbench.rng import seeded

DEVICE = torch.device(os.environ.get("DEVICE", "cuda"))
ON_GPU = DEVICE.type == "cuda"
CONFIG, SIDE = (AdmFfhq256.config(), 256) if ON_GPU else (TINY, 16)
ROWS = 16 if ON_GPU else 2


@dataclass
class Figure:
    """A line of the table: what was measured, its value, and the bar it is held to, if any."""

    what: str
    value: str
    form: str = "{:.2f}"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def bar(self) -> str:
        if self.at_most is not None:
            return f"at most {self.form.format(self.at_most)}"
        return "" if self.at_least is None else f"at least {self.form.format(self.at_least)}"

    def holds(self, value: float) -> bool:
        above = self.at_most is not None and value > self.at_most
        return not above and not (self.at_least is not None and value < self.at_least)


def network(dtype: torch.dtype) -> UNet:
    """A network of the size of FFHQ's on the device, its convolutions in ``dtype``, as the product lays it out."""
    net = seeded(lambda: UNet(CONFIG)).eval().requires_grad_(False)
    return convolve_in(net, dtype).to(DEVICE).to(memory_format=torch.channels_last)


def medians(*calls: Callable[[], object], rounds: int = 9) -> list[float]:
    """Median seconds of each call after two that warm up; they alternate."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds + 2):
        for call, own in zip(calls, times, strict=True):
            synchronize(DEVICE)
            begin = time.perf_counter()
            call()
            synchronize(DEVICE)
            own.append(time.perf_counter() - begin)
    return [statistics.median(own[2:]) for own in times]
