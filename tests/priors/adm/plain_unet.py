"""The ADM network as its definition reads, from the tensors of a checkpoint."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from invbench.priors.adm.unet import UNetConfig


def plain_norm(state: dict[str, Tensor], key: str, x: Tensor, groups: int) -> Tensor:
    parts = x.reshape(len(x), groups, -1)
    mean, var = parts.mean(2, keepdim=True), parts.var(2, unbiased=False, keepdim=True)
    normal = ((parts - mean) / (var + 1e-5).sqrt()).reshape(x.shape)
    return normal * state[f"{key}.weight"][:, None, None] + state[f"{key}.bias"][:, None, None]


def plain_conv(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    weight = state[f"{key}.weight"]
    return F.conv2d(x.contiguous(), weight, state[f"{key}.bias"], padding=weight.shape[-1] // 2)


def plain_linear(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    return x @ state[f"{key}.weight"].T + state[f"{key}.bias"]


def swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def plain_attention(state: dict[str, Tensor], key: str, x: Tensor, head: int, groups: int) -> Tensor:
    """The channels of qkv are [q, k, v] of head 0, then [q, k, v] of head 1, and so on."""
    B, C, H, W = x.shape
    flat = plain_norm(state, f"{key}.norm", x, groups).flatten(2)
    qkv = torch.einsum("oc,bct->bot", state[f"{key}.qkv.weight"][:, :, 0], flat) + state[f"{key}.qkv.bias"][:, None]
    heads = []
    for start in range(0, 3 * C, 3 * head):
        q, k, v = (qkv[:, start + i * head : start + (i + 1) * head] for i in range(3))
        weights = torch.einsum("bct,bcs->bts", q, k).div(math.sqrt(head)).softmax(2)
        heads.append(torch.einsum("bts,bcs->bct", weights, v))
    weight, bias = state[f"{key}.proj_out.weight"][:, :, 0], state[f"{key}.proj_out.bias"]
    out = torch.einsum("oc,bct->bot", weight, torch.cat(heads, 1)) + bias[:, None]
    return x + out.reshape(B, C, H, W)


def plain_res(state: dict[str, Tensor], key: str, x: Tensor, emb: Tensor, groups: int, how: str = "") -> Tensor:
    def resample(z: Tensor) -> Tensor:
        if how == "up":
            return z.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return z.reshape(*z.shape[:2], z.shape[2] // 2, 2, -1, 2).mean((3, 5)) if how == "down" else z

    h = plain_conv(state, f"{key}.in_layers.2", resample(swish(plain_norm(state, f"{key}.in_layers.0", x, groups))))
    scale, shift = plain_linear(state, f"{key}.emb_layers.1", swish(emb))[:, :, None, None].chunk(2, 1)
    h = swish(plain_norm(state, f"{key}.out_layers.0", h, groups) * (1 + scale) + shift)
    skip = plain_conv(state, f"{key}.skip_connection", x) if f"{key}.skip_connection.weight" in state else x
    return resample(skip) + plain_conv(state, f"{key}.out_layers.3", h)


def plain_unet(state: dict[str, Tensor], config: UNetConfig, x: Tensor, t: Tensor) -> Tensor:
    """The network as its definition reads, from the tensors of a checkpoint."""
    half = config.channels // 2
    angles = t.float()[:, None] * torch.exp(-math.log(10_000) * torch.arange(half) / half)
    emb = plain_linear(state, "time_embed.0", torch.cat([angles.cos(), angles.sin()], 1))
    emb = plain_linear(state, "time_embed.2", swish(emb))

    def stage(key: str, x: Tensor, how: str = "") -> Tensor:
        """``how`` is the direction of resampling in this stage's last block, if it is one that resamples."""
        count = len({name.split(".")[2] for name in state if name.startswith(f"{key}.")})
        for i in range(count):
            block = f"{key}.{i}"
            if f"{block}.qkv.weight" in state:
                x = plain_attention(state, block, x, config.head_channels, config.groups)
            else:
                x = plain_res(state, block, x, emb, config.groups, how if i == count - 1 else "")
        return x

    per_level, levels = config.num_res_blocks + 1, len(config.channel_mult)
    x = plain_conv(state, "input_blocks.0.0", x)
    skips = [x]
    for i in range(1, levels * per_level):
        x = stage(f"input_blocks.{i}", x, "down" if i % per_level == 0 else "")
        skips.append(x)
    x = plain_res(state, "middle_block.0", x, emb, config.groups)
    x = plain_attention(state, "middle_block.1", x, config.head_channels, config.groups)
    x = plain_res(state, "middle_block.2", x, emb, config.groups)
    for i in range(levels * per_level):
        last_of_level = i % per_level == per_level - 1 and i < (levels - 1) * per_level
        x = stage(f"output_blocks.{i}", torch.cat([x, skips.pop()], 1), "up" if last_of_level else "")
    return plain_conv(state, "out.2", swish(plain_norm(state, "out.0", x, config.groups)))
