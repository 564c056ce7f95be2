"""Building blocks of training steps: learning rates, averages of weights and of gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer


def mean_over_processes(parameters: Iterable[nn.Parameter]) -> None:
    """Average gradients over the processes that ``accelerate launch`` started."""
    from accelerate.utils import reduce

    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = reduce(nn.utils.parameters_to_vector(gradients), reduction="mean")
    nn.utils.vector_to_parameters(flat, gradients)


def cosine(step: int, total: int, floor: float = 0.0) -> float:
    """1 at the first step, ``floor`` at the last, half a cosine between.

    >>> cosine(0, 100), cosine(100, 100)
    (1.0, 0.0)
    """
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / total))


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Give every parameter group this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def ema_decay(updates: int, limit: float = 0.9999) -> float:
    """Warm-up of DAVI's exponential moving average: none for 100 updates, then 1 - (n - 100)^(-2/3), at most ``limit``.

    >>> round(ema_decay(1000), 4), round(ema_decay(10_000), 4)
    (0.9893, 0.9978)
    """
    return 0.0 if updates <= 101 else min(limit, 1 - (updates - 100) ** (-2 / 3))


@torch.no_grad()
def ema_update(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average <- decay average + (1 - decay) network, parameter by parameter."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
