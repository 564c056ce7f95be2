"""The nonlinear tasks, on images of several shapes."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

import invbench as ib
from invbench.plugins import load_catalog

CATALOG = load_catalog()
SHAPE: ib.Shape = (3, 16, 16)
SHAPES: tuple[ib.Shape, ...] = (SHAPE, (3, 8, 20), (1, 9, 13))
each_shape = pytest.mark.parametrize("x_shape", SHAPES, ids=str)


def operator(task: str, x_shape: ib.Shape = SHAPE, **options: Any) -> ib.Operator:
    return CATALOG.get("task", task)(**options).operator(x_shape, ib.Rng.single(task=task))


def draw(shape: ib.Shape, batch: int = 2) -> Tensor:
    """Images in (-1, 1)."""
    return ib.Rng.for_images([f"x{i}" for i in range(batch)], seed=0).rand(shape).double() * 2 - 1
