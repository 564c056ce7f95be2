"""The denoiser of white Gaussian images, which is known in closed form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import invbench as ib

SHAPE, MU, TAU = (3, 8, 8), 0.2, 0.5  # of white images in [-1, 1]
UNIT = ((MU + 1) / 2, TAU / 2)  # of the same in [0, 1]


class White(nn.Module):
    """The denoiser of white Gaussian images in [0, 1], as one of deepinv's is called."""

    def forward(self, u: Tensor, sigma: float | Tensor, **_: Any) -> Tensor:
        m, s = UNIT
        level = torch.as_tensor(sigma, dtype=u.dtype).reshape(-1, 1, 1, 1)
        return (s**2 * u + level**2 * m) / (s**2 + level**2)


def white() -> ib.Prior:
    return ib.prior_from(White(), SHAPE, predicts="denoiser", range="[0,1]")


def draw(shape: ib.Shape, use: str = "x", rows: int = 2) -> Tensor:
    return ib.Rng.for_images([str(i) for i in range(rows)], use=use).randn(shape)
