"""The mixtures of the exact tier: image patches, and three modes in the plane."""

from __future__ import annotations

import copy
import hashlib
import math
from functools import cache

import torch
from torch import Tensor

from invbench import Shape
from invbench.priors.gmm import Covariance, GaussianMixture

# Closed-form stand-ins for image patches, 16 x 16 x 3. Each row: weight, mean image, standard deviation of a
# pixel, correlation length along rows and along columns (pixels).
PATCH_SHAPE: Shape = (3, 16, 16)
PATCHES = (
    (0.16, "flat 0.0 0.0 0.0", 0.20, 12.0, 12.0),  # smooth
    (0.10, "flat 0.5 0.5 0.5", 0.12, 16.0, 16.0),  # bright and smooth
    (0.10, "flat -0.5 -0.5 -0.5", 0.12, 16.0, 16.0),  # dark and smooth
    (0.10, "flat 0.3 0.0 -0.3", 0.14, 10.0, 10.0),  # warm
    (0.10, "flat -0.3 0.0 0.3", 0.14, 10.0, 10.0),  # cool
    (0.08, "edge 0.0 0.4", 0.12, 12.0, 12.0),  # dark left, bright right
    (0.08, "edge 180.0 0.4", 0.12, 12.0, 12.0),
    (0.08, "edge 90.0 0.4", 0.12, 12.0, 12.0),  # dark top, bright bottom
    (0.08, "edge 270.0 0.4", 0.12, 12.0, 12.0),
    (0.06, "flat 0.0 0.0 0.0", 0.18, 20.0, 2.0),  # vertical stripes
    (0.06, "flat 0.0 0.0 0.0", 0.18, 2.0, 20.0),  # horizontal stripes
)
COLOUR = ((1.0, 0.85, 0.75), (0.85, 1.0, 0.85), (0.75, 0.85, 1.0))  # correlation of the channels

# Two crossing arms and a round mode in the plane, shown as an image of one channel and two pixels.
PLANE_SHAPE: Shape = (1, 1, 2)
PLANE = (
    (0.4, (-0.4, -0.2), ((0.06, 0.05), (0.05, 0.06))),
    (0.4, (0.4, -0.2), ((0.06, -0.05), (-0.05, 0.06))),
    (0.2, (0.0, 0.6), ((0.01, 0.0), (0.0, 0.01))),
)


def patch_mixture() -> GaussianMixture:
    """Eleven components over 16 x 16 x 3 patches: smooth, bright, dark, warm, cool, four edges, two textures."""
    return copy.deepcopy(_patch_mixture())  # whoever changes it in place changes his own


@cache
def _patch_mixture() -> GaussianMixture:
    means = torch.stack([_patch_mean(text).flatten() for _, text, *_ in PATCHES])
    covs = tuple(_patch_covariance(std, rows, cols) for *_, std, rows, cols in PATCHES)
    return GaussianMixture(torch.tensor([p[0] for p in PATCHES], dtype=torch.float64), means, covs)


def planar_mixture() -> GaussianMixture:
    """Three components in the plane, to plot."""
    covs = tuple(Covariance.full(torch.tensor(c, dtype=torch.float64)) for *_, c in PLANE)
    weights, means = ([p[i] for p in PLANE] for i in (0, 1))
    return GaussianMixture(torch.tensor(weights, dtype=torch.float64), torch.tensor(means, dtype=torch.float64), covs)


def recipe_hash(*recipe: object) -> str:
    """SHA-256 of the parameters of a closed form."""
    return hashlib.sha256(repr(recipe).encode()).hexdigest()


def _patch_mean(text: str) -> Tensor:
    kind, *numbers = text.split()
    C, H, W = PATCH_SHAPE
    if kind == "flat":
        return torch.tensor([float(v) for v in numbers], dtype=torch.float64)[:, None, None].expand(C, H, W)
    angle, height = math.radians(float(numbers[0])), float(numbers[1])
    y, x = torch.meshgrid(*(torch.arange(s, dtype=torch.float64) - (s - 1) / 2 for s in (H, W)), indexing="ij")
    return (height * torch.tanh((math.cos(angle) * x + math.sin(angle) * y) / 2)).expand(C, H, W)


def _patch_covariance(std: float, rows: float, cols: float) -> Covariance:
    """std^2 COLOUR (x) exp(-|i-j|/rows) (x) exp(-|i-j|/cols)."""
    _, H, W = PATCH_SHAPE
    colour = std**2 * torch.tensor(COLOUR, dtype=torch.float64)
    return Covariance.kronecker(colour, _exponential(H, rows), _exponential(W, cols))


def _exponential(n: int, length: float) -> Tensor:
    i = torch.arange(n, dtype=torch.float64)
    return torch.exp(-(i[:, None] - i).abs() / length)
