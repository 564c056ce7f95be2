"""Operators of tasks, and images for them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from invbench import Rng, Shape
from invbench.plugins import load_catalog

CATALOG = load_catalog()
SHAPE: Shape = (3, 16, 16)
OBLONG: Shape = (3, 16, 32)


def operator(task: str, x_shape: Shape = SHAPE, preset: str = "", **options: Any) -> Any:
    fixed = CATALOG.benchmark(preset).tasks[task] if preset else {}
    return CATALOG.get("task", task)(**{**fixed, **options}).operator(x_shape, Rng.single(task=task, seed=0))


def draw(shape: Shape, batch: int = 2) -> Tensor:
    return Rng.for_images([f"x{i}" for i in range(batch)], seed=0).randn(shape).double()
