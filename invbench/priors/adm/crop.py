"""Random crops of training images."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench import ConfigError, Rng


def random_crop(x: Tensor, side: int, rng: Rng) -> Tensor:
    """A square of ``side`` pixels of each image (B, C, H, W), anywhere. Raises ConfigError for smaller ones."""
    H, W = x.shape[2:]
    if min(H, W) < side:
        raise ConfigError(f"the training images are {H}x{W}, smaller than the crop of {side}; lower training.crop")
    tops, lefts = rng.integers(H - side + 1, ()).tolist(), rng.integers(W - side + 1, ()).tolist()
    return torch.stack([row[:, t : t + side, u : u + side] for row, t, u in zip(x, tops, lefts, strict=True)])
