"""Broken datasets. The control draws two ramps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invbench import Dataset, Shape
from zoo.register import broken, control


@control("dataset")
@dataclass(frozen=True)
class GoodDataset(Dataset):
    """Nothing is wrong with it."""

    @property
    def x_shape(self) -> Shape:
        return (3, 4, 6)

    def ids(self) -> Sequence[str]:
        return ["a", "b"]

    def load(self, image_id: str) -> Tensor:
        return torch.linspace(-1, 1 if image_id == "a" else 0, math.prod(self.x_shape)).reshape(self.x_shape)


@broken("dataset", "ids")
@dataclass(frozen=True)
class TwiceTheSame(GoodDataset):
    """Two images with one id; ids."""

    def ids(self) -> Sequence[str]:
        return ["a", "b", "a"]


@broken("dataset", "ids")
@dataclass(frozen=True)
class Shuffled(GoodDataset):
    """Another order at every call; ids."""

    calls: ClassVar[list[int]] = []

    def ids(self) -> Sequence[str]:
        self.calls.append(1)
        return ["a", "b"][:: 1 if len(self.calls) % 2 else -1]


@broken("dataset", "repeat")
@dataclass(frozen=True)
class Augmented(GoodDataset):
    """Another crop at every load; repeat."""

    def load(self, image_id: str) -> Tensor:
        return GoodDataset.load(self, image_id) * torch.rand(1)


@broken("dataset", "shape")
@dataclass(frozen=True)
class Transposed(GoodDataset):
    """Height and width swapped; shape."""

    def load(self, image_id: str) -> Tensor:
        return GoodDataset.load(self, image_id).transpose(1, 2)


@broken("dataset", "dtype")
@dataclass(frozen=True)
class Doubles(GoodDataset):
    """Images in float64; dtype."""

    def load(self, image_id: str) -> Tensor:
        return GoodDataset.load(self, image_id).double()


@broken("dataset", "range")
@dataclass(frozen=True)
class Bytes(GoodDataset):
    """Values from 0 to 255; range."""

    def load(self, image_id: str) -> Tensor:
        return 127.5 * (GoodDataset.load(self, image_id) + 1)
