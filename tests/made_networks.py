"""ADM networks of any size: without weights, with random ones, and the shipped prior."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from invbench import Prior, Rng
from invbench.priors.adm.own import AdmOwn
from invbench.priors.adm.sources import AdmPhotos
from invbench.priors.adm.unet import UNet, UNetConfig

TINY = UNetConfig(channels=32, channel_mult=(1, 2), num_res_blocks=1, attention_factors=(2,), head_channels=16)
RICH = UNetConfig(
    channels=32, channel_mult=(1, 2, 2), num_res_blocks=2, attention_factors=(1, 4), head_channels=32, groups=16
)


def draw(*shape: int, use: str = "x") -> Tensor:
    return Rng.single(use=use).randn(shape)[0]


def on_meta(config: UNetConfig) -> UNet:
    with torch.device("meta"):
        return UNet(config)


def randomised(config: UNetConfig) -> UNet:
    """No weight at its initial value: the zeros of a fresh network would hide everything behind them."""
    net = UNet(config).eval().requires_grad_(False)
    for name, p in net.named_parameters():
        gain = 1.0 if p.ndim == 1 else 1 / math.sqrt(p[0].numel())
        offset = 1.0 if p.ndim == 1 and name.endswith("weight") else 0.0
        p.copy_(offset + (0.2 if p.ndim == 1 else 1.0) * gain * draw(*p.shape, use=name))
    return net


def small(weights: str = "", dtype: str = "float32") -> Prior:
    return AdmPhotos(weights=weights, dtype=dtype).load((3, 16, 32), "cpu")


def own_weights(folder: Path, channels: int = 1, width: int = 16, **card: Any) -> str:
    """A file as a training of prior=adm_own writes it, of a network that has learned nothing."""
    net = randomised(AdmOwn(channels=channels, width=width).config())
    said = {"prior": {"name": "adm_own", "channels": channels, "width": width}, **net.metadata, **card}
    path = folder / f"{channels}-{width}.safetensors"
    save_file({key: value.half() for key, value in net.state_dict().items()}, path, {"card": json.dumps(said)})
    return str(path)
