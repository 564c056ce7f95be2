"""Algorithm 2 of I2SB, an image as a vector, in float64."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from bridges import SHAPE
from torch import Tensor

import invbench as ib

SLOPE = 0.3  # of the network in closed form
BETAS = np.concatenate([(half := np.linspace(0.01, math.sqrt(3e-4), 1000)[:500] ** 2), half[::-1]])
LEVELS = np.sqrt(np.cumsum(BETAS))


def linear(x: Tensor, t: Tensor) -> Tensor:
    return SLOPE * x + t / 2000


def recursion(
    x: np.ndarray, grid: list[int], noise: Callable[[], np.ndarray], correct: Callable[..., np.ndarray] | None = None
) -> np.ndarray:
    """Algorithm 2, an image as a vector; DDPM's posterior in variances, as the paper has it."""
    for a, b in itertools.pairwise(grid):
        net = SLOPE * x + (0.1 + a / 999 * 999.9) / 2000
        x0_hat = x - LEVELS[a] * net
        var, delta = LEVELS[b] ** 2, LEVELS[a] ** 2 - LEVELS[b] ** 2
        after = (delta * x0_hat + var * x) / (delta + var)
        if b > 0:
            after = after + math.sqrt(delta * var / (delta + var)) * noise()
        x = after if correct is None else after - correct(x0_hat, a, delta / (delta + var))
    return x


def noise() -> Callable[[], np.ndarray]:
    rng = ib.Rng.for_images(["0"], use="solve")
    return lambda: rng.randn((math.prod(SHAPE),))[0].double().numpy()
