"""Operators that break one law each."""

from __future__ import annotations

import torch
from torch import Tensor

import invbench as ib
from invbench import Operator, Shape
from invbench.linops import BlockMean, Identity


class Mean(Operator):
    """Block means without an SVD, for operators that break one law."""

    def __init__(self, x_shape: Shape) -> None:
        C, H, W = x_shape
        self.x_shape, self.y_shape = x_shape, (C, H // 2, W // 2)

    def _A(self, x: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(x, 2)


class MixesBatch(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return Mean._A(self, x - x.mean(0))


class RandomInside(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return Mean._A(self, x + 0.1 * torch.randn_like(x))


class Kinked(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return Mean._A(self, x + (x - x).abs().sqrt())


class WrongShape(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return x


class AlwaysDouble(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return Mean._A(self, x.double())


class AtLeastSingle(Mean):
    def _A(self, x: Tensor) -> Tensor:
        return Mean._A(self, x.to(torch.promote_types(x.dtype, torch.float32)))


class NotLinear(ib.LinearOperator):
    def __init__(self, x_shape: Shape) -> None:
        self.x_shape = self.y_shape = x_shape

    def _A(self, x: Tensor) -> Tensor:
        return x.clamp(-1, 1)


class WrongAdjoint(ib.LinearOperator):
    def __init__(self, x_shape: Shape) -> None:
        self.x_shape = self.y_shape = x_shape

    def _A(self, x: Tensor) -> Tensor:
        return x.roll(1, 2)

    def _At(self, y: Tensor) -> Tensor:
        return y.roll(1, 2)


class Unsorted(Identity):
    def __init__(self, x_shape: Shape) -> None:
        Identity.__init__(self, x_shape)
        self.s = torch.linspace(0.5, 1, len(self.s))


class StretchedV(BlockMean):
    """Right as a map, but the coefficients of the null space are not those of unit vectors."""

    def __init__(self, x_shape: Shape) -> None:
        BlockMean.__init__(self, x_shape, 2)

    def V(self, w: Tensor) -> Tensor:
        r = len(self.s)
        return BlockMean.V(self, torch.cat([w[:, :r], w[:, r:] / 2], 1))

    def Vt(self, x: Tensor) -> Tensor:
        w, r = BlockMean.Vt(self, x), len(self.s)
        return torch.cat([w[:, :r], 2 * w[:, r:]], 1)


class StretchedU(Identity):
    def U(self, z: Tensor) -> Tensor:
        return 2 * Identity.U(self, z)

    def Ut(self, y: Tensor) -> Tensor:
        return 2 * Identity.Ut(self, y)


class HiddenFromTo(Mean):
    """Keeps its gain in a tuple, which ``Operator.to`` does not look into."""

    def __init__(self, x_shape: Shape) -> None:
        Mean.__init__(self, x_shape)
        self.gains = (torch.ones(self.y_shape),)

    def _A(self, x: Tensor) -> Tensor:
        return self.gains[0].to(x.dtype) * Mean._A(self, x)
