"""A psi that sees the measurement: the score of q(x | y), where the paper's is that of q(x) over all measurements."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from invbench import ConfigError, Prior


def conditioned(psi: Prior) -> Prior:
    """psi for (B, 2C, H, W), x_t and the measurement as an image; it begins by ignoring the latter.

    The first convolution is given as many channels again, of weight 0. Raises ConfigError if there is none.
    """
    net: Any = getattr(psi, "net", None)
    if not hasattr(net, "input_blocks"):
        raise ConfigError("training.conditional needs a prior that is an ADM network; this one is not")
    first = net.input_blocks[0][0]
    wide = nn.Conv2d(2 * first.in_channels, first.out_channels, first.kernel_size, padding=first.padding)
    with torch.no_grad():
        wide.weight.copy_(torch.cat([first.weight, torch.zeros_like(first.weight)], dim=1))
        wide.bias.copy_(first.bias)  # type: ignore[union-attr]
    net.input_blocks[0][0] = wide.to(first.weight.device).to(memory_format=torch.channels_last)
    channels, *size = psi.x_shape
    psi.x_shape = (2 * channels, *size)
    return psi
