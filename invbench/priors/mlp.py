"""A small network for images of a few pixels, where the prior is a closed form and brings none of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from invbench import Prior, Shape, seeded
from invbench.priors.adm.unet import timestep_embedding

WIDTH, TIMES = 128, 32


class Mlp(nn.Module):
    """(B, *x_shape) and a time step (B,), or (1,) for all -> (B, *x_shape)."""

    def __init__(self, x_shape: Shape, width: int = WIDTH) -> None:
        super().__init__()
        n = math.prod(x_shape)
        self.time_embed = nn.Sequential(nn.Linear(TIMES, width), nn.SiLU(), nn.Linear(width, width))
        self.first, self.last = nn.Linear(n, width), nn.Linear(width, n)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(3)
        )

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        emb = self.time_embed(timestep_embedding(t, TIMES))
        h = self.first(x.flatten(1))
        for block in self.blocks:
            h = h + block(h + emb)
        return self.last(h).view_as(x)


class MlpPrior(Prior):
    """Predictions of an :class:`Mlp` on the schedule of another prior."""

    net: Mlp

    def __init__(self, x_shape: Shape, abar: Tensor, device: torch.device | str = "cpu") -> None:
        self.x_shape, self.abar = x_shape, abar
        self.net = seeded(lambda: Mlp(x_shape)).to(device)

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, None]:
        t = torch.full((1,), t, device=x_t.device) if isinstance(t, int) else t
        return self.net(x_t.float(), t).to(x_t.dtype), None
