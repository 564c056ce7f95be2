"""The published order of computation of an ADM network, on the parameters of ours: what its speed is compared with."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from invbench.priors.adm.unet import AttentionBlock, GroupNorm, ResBlock, UNet, convolve_in, timestep_embedding


def plain_norm(norm: GroupNorm, x: Tensor) -> Tensor:
    return F.group_norm(x.float(), norm.num_groups, norm.weight, norm.bias, norm.eps).type(x.dtype)


def plain_resample(x: Tensor, how: str | None) -> Tensor:
    if how == "up":
        return F.interpolate(x, scale_factor=2, mode="nearest")
    return F.avg_pool2d(x, 2) if how == "down" else x


def plain_res(block: ResBlock, x: Tensor, emb: Tensor) -> Tensor:
    h = plain_resample(F.silu(plain_norm(block.in_layers[0], x)), block.resample)
    h = block.in_layers[2](h)
    scale, shift = block.emb_layers(emb).type(h.dtype)[:, :, None, None].chunk(2, dim=1)
    h = plain_norm(block.out_layers[0], h) * (1 + scale) + shift
    h = block.out_layers[3](block.out_layers[2](F.silu(h)))
    return block.skip_connection(plain_resample(x, block.resample)) + h


def plain_attention(block: AttentionBlock, x: Tensor) -> Tensor:
    B, C, H, W = x.shape
    flat, d = x.reshape(B, C, -1), block.head_channels
    qkv = block.qkv(plain_norm(block.norm, flat))
    q, k, v = qkv.reshape(-1, 3 * d, H * W).split(d, dim=1)
    weight = torch.einsum("bct,bcs->bts", q * d**-0.25, k * d**-0.25)
    weight = torch.softmax(weight.float(), dim=-1).type(weight.dtype)
    out = torch.einsum("bts,bcs->bct", weight, v).reshape(B, C, -1)
    return (flat + block.proj_out(out)).reshape(x.shape)


def plain_stage(stage: nn.ModuleList, x: Tensor, emb: Tensor) -> Tensor:
    for block in stage:
        if isinstance(block, ResBlock):
            x = plain_res(block, x, emb)
        elif isinstance(block, AttentionBlock):
            x = plain_attention(block, x)
        else:
            x = block(x)
    return x


def plain_forward(net: UNet, x: Tensor, t: Tensor) -> Tensor:
    """(B, 3, H, W), (B,) -> (B, 6, H, W): contiguous, casts in every norm, one embedding a row, explicit attention.

    Inside, images have the type of the convolutions; the head is in float32.
    """
    dtype, x = x.dtype, x.type(net.input_blocks[0][0].weight.dtype)
    emb = net.time_embed(timestep_embedding(t, net.config.channels))
    skips = []
    for stage in net.input_blocks:
        x = plain_stage(stage, x, emb)
        skips.append(x)
    x = plain_stage(net.middle_block, x, emb)
    for stage in net.output_blocks:
        x = plain_stage(stage, torch.cat([x, skips.pop()], dim=1), emb)
    return net.out[2](F.silu(plain_norm(net.out[0], x.type(dtype))))


def published(net: UNet, dtype: torch.dtype) -> UNet:
    """A copy of a network in the memory layout of the published one; its convolutions in ``dtype``."""
    plain = UNet(net.config).eval().requires_grad_(False)
    plain.load_state_dict(net.state_dict())
    return convolve_in(plain, dtype).to(next(net.parameters()).device, memory_format=torch.contiguous_format)
