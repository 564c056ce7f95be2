"""The adversarial term of the released code, which the paper does not mention: a patch discriminator."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invbench import Rng

WIDTHS, STRIDES = (64, 128, 256, 512, 1), (2, 2, 2, 1, 1)


class Discriminator(nn.Module):
    """(B, 3, H, W) -> the outputs of its five stages; the last, (B, 1, h, w), judges overlapping patches."""

    def __init__(self, channels: int = 3, seed: int = 0) -> None:
        super().__init__()
        stages = []
        for i, (width, stride) in enumerate(zip(WIDTHS, STRIDES, strict=True)):
            conv = nn.Conv2d(channels, width, 4, stride, padding=2)
            norm = [nn.BatchNorm2d(width)] if 0 < i < 4 else []
            stages.append(nn.Sequential(conv, *norm, *([nn.LeakyReLU(0.2)] if i < 4 else [])))
            channels = width
        self.stages = nn.ModuleList(stages)
        with torch.no_grad():
            for name, p in self.named_parameters():
                noise = 0.02 * Rng.single(purpose="discriminator", parameter=name, seed=seed).randn(tuple(p.shape))[0]
                if p.ndim == 1:  # of a batch norm, or the bias of a convolution
                    noise = torch.zeros_like(p) if name.endswith("bias") else 1 + noise
                p.copy_(noise)

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs


def judge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The hinge loss of the discriminator's judgements."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def fool_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """What the generator minimises: the judgement of its images, and the distance of their features to real ones'."""
    matching = sum(((f - r.detach()).abs().mean() for f, r in zip(fake[:-1], real[:-1], strict=True)), torch.zeros(()))
    return matching.to(fake[-1]) - fake[-1].mean()


def adaptive_weight(supervised: Tensor, fool: Tensor, W: Tensor) -> Tensor:
    """The ratio of the losses' gradients at ``W``, a late layer of the generator, between 0.01 and 10."""
    norms = [torch.autograd.grad(loss, W, retain_graph=True)[0].norm() for loss in (supervised, fool)]
    return (norms[0] / (norms[1] + 1e-4)).clamp(0.01, 10).detach()
