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

    Floats = NDArray[np.float64]

T = 1000  # steps of every published checkpoint


def linear_betas(steps: int = T) -> Floats:
    """The schedule both ADM checkpoints were trained on: 1e-4 to 0.02 for 1000 steps."""
    import numpy as np

    scale = T / steps
    return np.linspace(scale * 1e-4, scale * 0.02, steps)


def quad_betas(steps: int = T) -> Floats:
    """Squares of an even grid between the square roots of the end points (the official DAVI code's schedule)."""
    import numpy as np

    scale = T / steps
    return np.square(np.linspace(math.sqrt(scale * 1e-4), math.sqrt(scale * 0.02), steps))


def bridge_betas(steps: int = T) -> Floats:
    """First half of the quadratic schedule and its mirror image (I2SB, DAVI)."""
    import numpy as np

    half = quad_betas(steps)[: steps // 2]
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
    """Grid G1 (DDRM, DDNM, PiGDM, RED-diff): multiples of steps // nfe, descending; the next index is -1.

    >>> stride_grid(20)[:3], stride_grid(20)[-1]
    ([950, 900, 850], 0)
    """
    _check(nfe, steps)
    stride = steps // nfe
    return [j * stride for j in reversed(range(nfe))]


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


def quad_grid(n: int, steps: int = T) -> list[int]:
    """Grid G3 (DiffPIR): dense at low noise, from steps - 1 down to 0.

    >>> quad_grid(20)[:4]
    [999, 770, 675, 602]
    """
    _check(n, steps)
    if n == 1:
        return [steps - 1]
    q = [math.floor(math.sqrt(steps**2 * j / (n - 1))) for j in range(n)]
    return [steps - 1 - min(qj, steps - 1) for qj in q]


def _check(n: int, steps: int) -> None:
    if not 1 <= n <= steps:
        raise ConfigError(f"a time grid needs between 1 and {steps} steps; got {n}")
