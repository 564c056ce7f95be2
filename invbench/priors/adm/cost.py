"""Parameters and arithmetic of an ADM network, counted on the meta device without weights.

Two conventions are in use and differ by a factor: ``gmacs`` counts multiply-adds of convolutions, linear maps
and attention products; ``fvcore`` (the one behind the paper's 194.7 G) counts the same, calls it FLOPs, and adds
5 per element entering a group norm and 1 per element leaving a nearest upsampling. Twice gmacs are true FLOPs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invbench import Arithmetic
from invbench.priors.adm.unet import AttentionBlock, GroupNorm, ResBlock, UNet, UNetConfig


def count(config: UNetConfig, side: int) -> Arithmetic:
    """Count one evaluation of one image, (1, C, side, side)."""
    with torch.device("meta"):
        net, x, t = UNet(config), torch.zeros(1, config.in_channels, side, side), torch.zeros(1)
    totals = {"macs": 0, "norm": 0, "up": 0}

    def on_layer(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        x = args[0]
        if isinstance(module, nn.Conv2d):
            totals["macs"] += out.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            totals["macs"] += out.numel() * module.in_features
        elif isinstance(module, GroupNorm):
            totals["norm"] += x.numel()
        elif isinstance(module, AttentionBlock):
            C, pixels = x.shape[1], x.shape[2] * x.shape[3]
            totals["macs"] += 4 * C * C * pixels + 2 * C * pixels**2  # qkv and output maps; q k^T and weights v
        elif isinstance(module, ResBlock) and module.resample == "up":
            totals["up"] += 2 * 4 * x.numel()  # the residual and the skip branch

    for module in net.modules():
        module.register_forward_hook(on_layer)
    net(x, t)
    parameters = sum(p.numel() for p in net.parameters())
    macs, fvcore = totals["macs"], totals["macs"] + 5 * totals["norm"] + totals["up"]
    return Arithmetic((config.in_channels, side, side), parameters, macs, fvcore)
