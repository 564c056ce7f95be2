"""The discrete variance-preserving schedules and their time grids, in float64.

``abar[t]`` is the cumulative product of ``1 - beta``, t = 0..T-1 (the DAVI paper's alpha_t). A grid is a
descending list of original indices: the network always gets the index it was trained with.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from invbench.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Floats = NDArray[np.float64]

T = 1000  # steps of every published checkpoint


def linear_betas(steps: int = T) -> Floats:
    """The schedule both ADM checkpoints were trained on: 1e-4 to 0.02 for 1000 steps."""
    import numpy as np

    scale = T / steps
    return np.linspace(scale * 1e-4, scale * 0.02, steps)


def quad_betas(steps: int = T, end: float = 0.02) -> Floats:
    """Squares of an even grid between the square roots of 1e-4 and ``end`` (the official DAVI code's schedule)."""
    import numpy as np

    scale = T / steps
    return np.square(np.linspace(math.sqrt(scale * 1e-4), math.sqrt(scale * end), steps))


def bridge_betas(steps: int = T, end: float = 0.02) -> Floats:
    """First half of the quadratic schedule and its mirror image (I2SB, whose beta_max is 1000 ``end``; DAVI)."""
    import numpy as np

    half = quad_betas(steps, end)[: steps // 2]
    return np.concatenate([half, half[::-1]])


def alpha_bar(betas: Floats) -> Floats:
    """Cumulative product of 1 - beta.

    >>> round(float(alpha_bar(linear_betas())[499]), 7)
    0.0785872
    """
    import numpy as np

    return np.cumprod(1 - betas, dtype=np.float64)


def bridge_std(betas: Floats) -> tuple[Floats, Floats]:
    """Forward and backward standard deviations of the bridge: sums over i <= a and over i >= a, both inclusive."""
    import numpy as np

    return np.sqrt(np.cumsum(betas)), np.sqrt(np.cumsum(betas[::-1])[::-1])


def stride_grid(nfe: int, steps: int = T) -> list[int]:
    """Grid G1 (DDRM, DDNM, PiGDM, RED-diff): floor(j steps / nfe), descending to 0; the next index is -1.

    The official codes' grid where nfe divides steps; for other nfe it is spread as evenly. One or two calls count
    down from steps - 1 instead: a chain begins with noise, which at 0 or steps / 2 would be taken for an image.

    >>> stride_grid(20)[:3], stride_grid(20)[-1]
    ([950, 900, 850], 0)
    >>> stride_grid(3), stride_grid(2), stride_grid(1)
    ([666, 333, 0], [999, 499], [999])
    """
    _check(nfe, steps)
    if nfe <= 2:
        return [steps - 1 - j * steps // nfe for j in range(nfe)]
    return [j * steps // nfe for j in reversed(range(nfe))]


def even_grid(n: int, steps: int = T) -> list[int]:
    """Grid G2 (guided-diffusion respacing): n points from steps - 1 to 0, rounded half to even, descending."""
    _check(n, steps)
    if n == 1:
        return [0]
    stride, points, position = (steps - 1) / (n - 1), [], 0.0
    for _ in range(n):
        points.append(round(position))
        position += stride
    return points[::-1]


def _check(n: int, steps: int) -> None:
    if not 1 <= n <= steps:
        raise ConfigError(f"a time grid needs between 1 and {steps} steps; got {n}")


def ddim_split(abar_t: float, abar_s: float, eta: float) -> tuple[float, float]:
    """Weights (c1, c2) of fresh and of predicted noise in a DDIM step from t to s (Song et al., 2021, eq. 16).

    ``eta`` = 0 is deterministic, 1 is ancestral. Above 1 the predicted share is clamped at zero.
    """
    c1 = eta * math.sqrt((1 - abar_t / abar_s) * (1 - abar_s) / (1 - abar_t))
    return c1, math.sqrt(max(0.0, 1 - abar_s - c1**2))


def ancestral_step(
    x_t: Tensor, x0: Tensor, v: Tensor | None, abar_t: float, abar_s: float
) -> tuple[Tensor, Tensor | float]:
    """Mean and standard deviation of p(x_s | x_t) for the predicted image (Nichol and Dhariwal, 2021, eqs. 9-15).

    ``v`` interpolates the log variance between beta and the posterior's; None takes the posterior's. No noise is
    left at abar_s = 1. On a respaced grid beta is that of the step actually taken.
    """
    beta = 1 - abar_t / abar_s
    mean = (beta * abar_s**0.5 * x0 + (1 - abar_s) * (1 - beta) ** 0.5 * x_t) / (1 - abar_t)
    if abar_s == 1:
        return mean, 0.0
    small = math.log(beta * (1 - abar_s) / (1 - abar_t))
    if v is None:
        return mean, math.exp(0.5 * small)
    return mean, (0.5 * (small + (v + 1) / 2 * (math.log(beta) - small))).exp()


def travel_walk(n: int, length: int = 1, repeat: int = 1) -> list[int]:
    """Positions visited on a grid of n steps with time travel, from n - 1 down to -1 (RePaint, DDNM).

    Whenever a multiple of ``length`` below n - length is first reached, the walk climbs ``length`` steps and comes
    down again, ``repeat`` - 1 times. A descent costs a network call, a climb none.

    >>> travel_walk(4, length=2, repeat=2)
    [3, 2, 1, 0, 1, 2, 1, 0, -1]
    """
    if length < 1 or repeat < 1:
        raise ConfigError(f"time travel needs length and repeat of at least 1; got {length} and {repeat}")
    climbs = dict.fromkeys(range(0, n - length, length), repeat - 1)
    walk, at = [], n
    while at > 0:
        at -= 1
        walk.append(at)
        if climbs.get(at, 0):
            climbs[at] -= 1
            walk += range(at + 1, at + length + 1)
            at += length
    return [*walk, -1]
