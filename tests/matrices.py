"""Operators as matrices, and images to apply them to."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench import Operator, Rng, Shape


def draw(shape: Shape, batch: int = 2, use: str = "x") -> Tensor:
    """Normal numbers, (batch, *shape), float64; others for another ``use``."""
    return Rng.for_images([f"{use}{i}" for i in range(batch)], seed=0).randn(shape).double()


def dense(A: Operator) -> Tensor:
    """The matrix of a linear operator, (m, n)."""
    n = math.prod(A.x_shape)
    return A(torch.eye(n, dtype=torch.float64).reshape(n, *A.x_shape)).flatten(1).T
