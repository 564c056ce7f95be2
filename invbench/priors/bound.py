"""The term of the variational bound that trains a learned variance."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def variational_bound(x0: Tensor, x_t: Tensor, t: Tensor, eps: Tensor, v: Tensor, abar: Tensor) -> Tensor:
    """Terms L_t of the bound in bits per dimension, (B,) (Nichol and Dhariwal, 2021, eqs. 4-7 and 15).

    The KL divergence of p(x_{t-1} | x_t) from q(x_{t-1} | x_t, x0); at t = 0 the negative log likelihood of the 8-bit
    image. Images (B, C, H, W) and ``v`` in [-1, 1], ``t`` int64 (B,). Detach ``eps`` to train the variance alone.
    """
    a = abar.to(x0)
    a_t = a[t][:, None, None, None]
    a_s = torch.where(t > 0, a[t - 1], a.new_ones(()))[:, None, None, None]  # abar_{-1} = 1
    beta = 1 - a_t / a_s
    small = beta * (1 - a_s) / (1 - a_t)
    first = (1 - a[1] / a[0]) * (1 - a[0]) / (1 - a[1])  # at t = 0 the posterior's variance is 0; take that of t = 1
    small = torch.where(small > 0, small, first).log()
    log_var = small + (v + 1) / 2 * (beta.log() - small)

    def mean(clean: Tensor) -> Tensor:
        return (beta * a_s.sqrt() * clean + (1 - a_s) * (a_t / a_s).sqrt() * x_t) / (1 - a_t)

    gap = mean(x0) - mean((x_t - (1 - a_t).sqrt() * eps) / a_t.sqrt())
    kl = 0.5 * (log_var - small - 1 + (small - log_var).exp() + gap.square() * (-log_var).exp())
    nll = -_log_likelihood(x0, x0 - gap, log_var / 2)
    return torch.where(t[:, None, None, None] > 0, kl, nll).flatten(1).mean(1) / math.log(2)


def _log_likelihood(x0: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Of the 8-bit value of each pixel: the normal's mass in its bin, open at the ends of the range."""
    inv_std, half = (-log_std).exp(), 1 / 255
    below = torch.special.ndtr(inv_std * (x0 - mean + half)).where(x0 < 0.999, x0.new_ones(()))
    above = torch.special.ndtr(inv_std * (x0 - mean - half)).where(x0 > -0.999, x0.new_zeros(()))
    return (below - above).clamp(min=1e-12).log()
