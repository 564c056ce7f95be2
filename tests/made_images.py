"""Images and measurements made by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench import Identity, Measurement, Rng, SVDOperator, parse_noise

IDS = [str(i) for i in range(4)]


def pair(shape: tuple[int, ...] = (3, 24, 33)) -> tuple[Tensor, Tensor]:
    """Smooth images in [-1, 1] and noisy versions of them, each with its own level."""
    rng = Rng.for_images(IDS, use="metrics")
    x = torch.cumsum(rng.randn(shape), -1).div(6).tanh()
    return x + torch.linspace(0.01, 0.4, 4)[:, None, None, None] * rng.randn(shape), x


def measurement(x: Tensor, A: SVDOperator | None = None, noise: str = "gaussian 0.1 [-1,1]") -> Measurement:
    A = A or Identity(tuple(x.shape[1:]))
    ids = tuple(str(i) for i in range(len(x)))
    y, std = parse_noise(noise).sample(A(x), Rng.for_images(ids, use="noise"))
    return Measurement(ids, x, y, std, ("",) * len(x), A)
