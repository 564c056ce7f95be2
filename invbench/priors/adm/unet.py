"""The ADM U-Net (Dhariwal and Nichol, 2021), in the key layout of the published checkpoints.

Module and parameter names follow the reference state dict, so that its files load strictly. The arithmetic
is arranged for inference: activations stay channels-last, attention goes through
``scaled_dot_product_attention`` on a view, and a time step shared by the batch is embedded once; scale and shift
are folded into the affine map of the group norms.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from invbench import DataError

PUBLISHED_GROUPS = 32
PART = 4096  # pixels that the group norm with gradients goes through at once
SMALL = 1024  # pixels below which torch's group norm gives each group of an image to one thread


@dataclass(frozen=True)
class UNetConfig:
    """Shape of an ADM U-Net.

    ``attention_factors`` are downsampling factors (1, 2, 4, ...) at which every residual block is followed by
    attention; the middle block always has one. ``groups`` are those of every group norm: 32 in the published networks.
    With as many groups as channels each channel loses its mean, and the network knows no colour.
    """

    channels: int
    channel_mult: tuple[int, ...]
    num_res_blocks: int
    attention_factors: tuple[int, ...]
    head_channels: int
    in_channels: int = 3
    out_channels: int = 6
    groups: int = PUBLISHED_GROUPS

    @property
    def stride(self) -> int:
        """Image sides must be divisible by this."""
        return 1 << (len(self.channel_mult) - 1)


def timestep_embedding(t: Tensor, dim: int) -> Tensor:
    """Sinusoidal embedding, cosines first: (B,) -> (B, dim), float32."""
    half = dim // 2
    freqs = torch.exp(-math.log(10_000) / half * torch.arange(half, dtype=torch.float32, device=t.device))
    args = t.float()[:, None] * freqs
    return F.pad(torch.cat([args.cos(), args.sin()], dim=1), (0, dim % 2))


class GroupNorm(nn.GroupNorm):
    """Group norm in float32, followed by SiLU where asked for; scale and shift of the time step cost nothing.

    On a CPU the moments are of each image by itself, so that a row of the result does not depend on the batch around
    it: with several threads ``F.group_norm`` on channels-last CPU tensors splits its sums by batch size (differences
    of 1e-5, amplified by every sampling step), and is called for each image. Elsewhere, and where it is compiled, it
    is ``F.group_norm``.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__(groups, channels, eps=1e-5)

    def forward(
        self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None, silu: bool = False
    ) -> Tensor:
        """(B, C, H, W) -> GN(x)(1 + scale) + shift of the same shape and type; scale and shift (b, C), b in {1, B}."""
        gain, bias = self.weight[None], self.bias[None]
        if scale is not None and shift is not None:
            gain, bias = gain * (1 + scale), torch.addcmul(shift, bias, 1 + scale)
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            out = self._native(x.float(), gain, bias)
            return (F.silu(out) if silu else out).to(x.dtype)
        if len(gain) == 1 and not torch.is_grad_enabled():
            return self._by_row(x, gain[0], bias[0], silu)
        gain, bias = gain.expand(len(x), -1), bias.expand(len(x), -1)
        normalised: Tensor = _Normalise.apply(x, gain, bias, self.num_groups, self.eps, silu)
        return normalised

    def _by_row(self, x: Tensor, gain: Tensor, bias: Tensor, silu: bool) -> Tensor:
        """The kernel, which sums each image by itself, or is called for each."""
        if _sums_by_row(x):
            out = F.group_norm(x, self.num_groups, gain, bias, self.eps)
            return F.silu(out, inplace=True) if silu else out
        out = torch.empty_like(x)
        for row, to in zip(x.split(1), out.split(1), strict=True):
            normalised = F.group_norm(row, self.num_groups, gain, bias, self.eps)
            torch.ops.aten.silu.out(normalised, out=to) if silu else to.copy_(normalised)
        return out

    def _native(self, x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        """One kernel if all rows share gain and bias, else two."""
        if len(gain) == 1:
            return F.group_norm(x, self.num_groups, gain[0], bias[0], self.eps)
        return torch.addcmul(
            bias[:, :, None, None], F.group_norm(x, self.num_groups, eps=self.eps), gain[:, :, None, None]
        )


class _Normalise(torch.autograd.Function):
    """x (B, C, H, W), gain and bias (B, C) -> (x - mean) / std * gain + bias, mean and std over each group; then SiLU.

    The backward pass is written out: two sums over the pixels and one affine map, where differentiating the
    forward pass would touch every pixel a dozen times, more than the convolutions cost. Large images are gone through
    in parts that stay in the cache.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, bias: Tensor, groups: int, eps: float, silu: bool) -> Tensor:
        h = _pixels(x)
        parts = h.split(PART, dim=1)
        mean = _over_group(_mean(parts), groups)
        var = _over_group(_mean([part.square() for part in parts]), groups) - mean.square()
        rstd = (var.clamp(min=0) + eps).rsqrt()
        slope = rstd * gain
        offset = bias - mean * slope
        out = torch.empty_like(h)
        for part, to in zip(parts, out.split(PART, dim=1), strict=True):
            torch.addcmul(offset[:, None], part, slope[:, None], out=to)
            if silu:
                F.silu(to, inplace=True)
        ctx.save_for_backward(x, gain, bias, mean, rstd)
        ctx.groups, ctx.silu = groups, silu
        return _image(out, x)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, bias, mean, rstd = ctx.saved_tensors
        h, g = _pixels(x), _pixels(grad)
        if ctx.silu:
            slope = rstd * gain
            normalised = torch.addcmul((bias - mean * slope)[:, None], h, slope[:, None])
            g = torch.ops.aten.silu_backward(g, normalised)
        d_bias = g.sum(1)
        d_gain = rstd * ((g * h).sum(1) - mean * d_bias)
        # dx = rstd (gain g - <gain g> - x_hat <gain g x_hat>), <.> the mean over the group and x_hat = (x - mean) rstd
        slope = -rstd.square() * _over_group(gain * d_gain, ctx.groups) / h.shape[1]
        offset = -rstd * _over_group(gain * d_bias, ctx.groups) / h.shape[1] - mean * slope
        dx = torch.addcmul(offset[:, None], h, slope[:, None]).addcmul_(g, (rstd * gain)[:, None])
        return _image(dx, x), d_gain, d_bias, None, None, None


def _sums_by_row(x: Tensor) -> bool:
    """Whether ``F.group_norm`` sums each image of a CPU tensor by itself; in half precision its sums are in float32.

    Of a large channels-last image in float32 it shares the pixels of the whole batch out to its threads.
    """
    return len(x) == 1 or torch.get_num_threads() == 1 or x.dtype != torch.float32 or x[0, 0].numel() < SMALL


def _mean(parts: Sequence[Tensor]) -> Tensor:
    """Mean over the pixels of parts (B, pixels, C) of an image: (B, C)."""
    total = parts[0].sum(1)
    for part in parts[1:]:
        total += part.sum(1)
    return total / sum(part.shape[1] for part in parts)


def _pixels(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H W, C) in float32, a view if the tensor is channels-last."""
    return x.float().permute(0, 2, 3, 1).flatten(1, 2)


def _image(pixels: Tensor, like: Tensor) -> Tensor:
    """(B, H W, C) -> (B, C, H, W) of the shape and type of ``like``."""
    B, C, H, W = like.shape
    return pixels.view(B, H, W, C).permute(0, 3, 1, 2).to(like.dtype)


def _over_group(moments: Tensor, groups: int) -> Tensor:
    """Mean over the channels of each group, repeated for them: (B, C) -> (B, C)."""
    grouped = moments.view(len(moments), groups, -1)
    return grouped.mean(2, keepdim=True).expand_as(grouped).reshape_as(moments)


class ResBlock(nn.Module):
    """Residual block with scale-shift time conditioning; ``resample`` is "up", "down" or None."""

    def __init__(self, c_in: int, c_out: int, emb_channels: int, groups: int, resample: str | None = None) -> None:
        super().__init__()
        self.resample = resample
        self.in_layers = nn.Sequential(GroupNorm(c_in, groups), nn.SiLU(), nn.Conv2d(c_in, c_out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb_channels, 2 * c_out))
        conv = nn.Conv2d(c_out, c_out, 3, padding=1)
        _zero(conv)
        self.out_layers = nn.Sequential(GroupNorm(c_out, groups), nn.SiLU(), nn.Dropout(0.0), conv)
        self.skip_connection = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        norm, _, conv = self.in_layers
        h = conv(_resample(norm(x, silu=True), self.resample))
        scale, shift = self.emb_layers(emb).chunk(2, dim=1)
        norm, _, _, conv = self.out_layers
        h = conv(norm(h, scale, shift, silu=True))
        return h.add_(self.skip_connection(_resample(x, self.resample)))


class AttentionBlock(nn.Module):
    """Self-attention over pixels; ``qkv`` holds [q, k, v] of head 0, then of head 1, ... (the legacy order)."""

    def __init__(self, channels: int, head_channels: int, groups: int) -> None:
        super().__init__()
        self.head_channels = head_channels
        self.norm = GroupNorm(channels, groups)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)
        _zero(self.proj_out)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        del emb
        B, C, H, W = x.shape
        pixels = self.norm(x).permute(0, 2, 3, 1).reshape(B, H * W, C)
        qkv = F.linear(pixels, self.qkv.weight[:, :, 0], self.qkv.bias)
        q, k, v = qkv.view(B, H * W, -1, 3, self.head_channels).permute(3, 0, 2, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, H * W, C)
        out = F.linear(out, self.proj_out.weight[:, :, 0], self.proj_out.bias)
        return out.view(B, H, W, C).permute(0, 3, 1, 2) + x


class Stage(nn.ModuleList):
    """Blocks applied in turn: (x, emb) -> x."""

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        for block in self:
            x = block(x) if isinstance(block, nn.Conv2d) else block(x, emb)
        return x


class UNet(nn.Module):
    """The network: (B, C, H, W), (B,) -> (B, 2 C, H, W), i.e. noise prediction and variance interpolation."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        c, emb, groups = config.channels, 4 * config.channels, config.groups
        self.time_embed = nn.Sequential(nn.Linear(c, emb), nn.SiLU(), nn.Linear(emb, emb))
        levels = list(enumerate(config.channel_mult))

        def attention(level: int, channels: int) -> list[nn.Module]:
            has_attention = 2**level in config.attention_factors
            return [AttentionBlock(channels, config.head_channels, groups)] if has_attention else []

        inputs = [Stage([nn.Conv2d(config.in_channels, c, 3, padding=1)])]
        skips, width = [c], c
        for level, mult in levels:
            for _ in range(config.num_res_blocks):
                inputs.append(Stage([ResBlock(width, mult * c, emb, groups), *attention(level, mult * c)]))
                width = mult * c
                skips.append(width)
            if level != levels[-1][0]:
                inputs.append(Stage([ResBlock(width, width, emb, groups, "down")]))
                skips.append(width)
        self.input_blocks = nn.ModuleList(inputs)

        middle = AttentionBlock(width, config.head_channels, groups)
        self.middle_block = Stage([ResBlock(width, width, emb, groups), middle, ResBlock(width, width, emb, groups)])

        outputs = []
        for level, mult in reversed(levels):
            for i in range(config.num_res_blocks + 1):
                blocks = [ResBlock(width + skips.pop(), mult * c, emb, groups), *attention(level, mult * c)]
                width = mult * c
                if level and i == config.num_res_blocks:
                    blocks.append(ResBlock(width, width, emb, groups, "up"))
                outputs.append(Stage(blocks))
        self.output_blocks = nn.ModuleList(outputs)
        head = nn.Conv2d(width, config.out_channels, 3, padding=1)
        _zero(head)
        self.out = nn.Sequential(GroupNorm(width, groups), nn.SiLU(), head)

    @property
    def metadata(self) -> dict[str, Any]:
        """Settings that are not visible in the weights, stored in their files."""
        return {"groups": self.out[0].num_groups}

    def adopt(self, metadata: Mapping[str, Any]) -> None:
        """Take the settings with which weights of this metadata were trained; without metadata, change nothing.

        Trainings that recorded no groups had 32. Raises DataError for groups that do not divide the channels.
        """
        if not metadata:
            return
        norms = [module for module in self.modules() if isinstance(module, GroupNorm)]
        groups = metadata.get("groups", PUBLISHED_GROUPS)
        if type(groups) is not int or groups < 1 or any(norm.num_channels % groups for norm in norms):
            raise DataError(
                f"expected groups that divide the network's channels; got {groups!r} in the weights' metadata"
            )
        for norm in norms:
            norm.num_groups = groups

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """x (B, C, H, W), t (B,), or (1,) for a step shared by the batch -> (B, 2 C, H, W)."""
        emb = self.time_embed(timestep_embedding(t, self.config.channels))
        skips = []
        for stage in self.input_blocks:
            x = stage(x, emb)
            skips.append(x)
        x = self.middle_block(x, emb)
        for stage in self.output_blocks:
            x = stage(torch.cat([x, skips.pop()], dim=1), emb)
        with _full_precision(x):  # an error of the noise counts 157 times over in the image at t = 999
            norm, _, head = self.out
            return head(norm(x.float(), silu=True))


def convolve_in(net: UNet, dtype: torch.dtype) -> UNet:
    """The network with the convolutions of its blocks in ``dtype``; norms, time embedding and output stay float32."""
    for blocks in (net.input_blocks, net.middle_block, net.output_blocks):
        for module in blocks.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d):
                module.to(dtype)
    return net


def _full_precision(x: Tensor) -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def _zero(module: nn.Module) -> None:
    for p in module.parameters():
        nn.init.zeros_(p)


def _resample(x: Tensor, how: str | None) -> Tensor:
    if how == "up":
        return F.interpolate(x, scale_factor=2, mode="nearest")
    return F.avg_pool2d(x, 2) if how == "down" else x
