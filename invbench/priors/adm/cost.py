"""Parameters and arithmetic of an ADM network, counted on the meta device without weights.

Two conventions are in use and differ by a factor: ``gmacs`` counts multiply-adds of convolutions, linear maps
and attention products; ``fvcore`` (the one behind the paper's 194.7 G) counts the same, calls it FLOPs, and adds
5 per element entering a group norm and 1 per element leaving a nearest upsampling. Twice gmacs are true FLOPs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invbench.priors.adm.unet import AttentionBlock, GroupNorm, ResBlock, UNet, UNetConfig


@dataclass(frozen=True)
class Cost:
    """Of one forward pass of one image."""

    parameters: int
    macs: int
    norm_elements: int
    upsampled_elements: int

    @property
    def fvcore(self) -> int:
        """FLOPs in fvcore's convention."""
        return self.macs + 5 * self.norm_elements + self.upsampled_elements


def count(config: UNetConfig, side: int) -> Cost:
    """Count one evaluation at (1, 3, side, side)."""
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
    return Cost(parameters, totals["macs"], totals["norm"], totals["up"])


def describe(config: UNetConfig, side: int) -> list[str]:
    """Lines for ``invbench info``."""
    cost = count(config, side)
    return [
        f"parameters: {cost.parameters:,}",
        f"one evaluation at 3x{side}x{side}:",
        f"  {cost.macs / 1e9:.3f} GMAC (convolutions, linear maps, attention products)",
        f"  {cost.fvcore / 1e9:.3f} G in fvcore's convention (multiply-add = 1, group norm 5, upsampling 1 per element;"
        " the DAVI paper's Table 13)",
        f"  {2 * cost.macs / 1e9:.3f} GFLOP counting a multiply-add as two",
    ]
