"""Images drawn from a prior."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from invbench.prior import Prior
from invbench.rng import Rng
from invbench.schedule import ddim_split, stride_grid


def draw(prior: Prior, rng: Rng, nfe: int, device: torch.device) -> Tensor:
    """Unconditional samples (B, C, H, W) in [-1, 1], by DDIM with eta = 1 and clipped predictions."""
    x = rng.randn(prior.x_shape).to(device)
    for t, s in pairwise([*stride_grid(nfe), -1]):
        eps = prior.eps(x, t)
        c1, c2 = ddim_split(prior.alpha_bar(t), prior.alpha_bar(s), 1.0)
        x = prior.alpha_bar(s) ** 0.5 * prior.to_x0(x, eps, t).clamp(-1, 1) + c1 * rng.randn_like(x) + c2 * eps
    return x.clamp(-1, 1)
