"""Measurement operators: y = H x, apart from the noise, which belongs to the task.

An author writes the underscored methods; the public ones check shapes and are the same for all.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar, final

from invbench.errors import UnsupportedProblem

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Shape = tuple[int, ...]
AnyOperator = TypeVar("AnyOperator", bound="Operator")


class Operator(ABC):
    """A differentiable operator. ``x_shape`` is (C, H, W); ``y_shape`` any shape; neither has a batch axis."""

    x_shape: Shape
    y_shape: Shape

    @final
    def __call__(self, x: Tensor) -> Tensor:
        """H x: (B, *x_shape) -> (B, *y_shape). Raises UnsupportedProblem on another shape."""
        return self._checked(self._A(self._checked(x, self.x_shape, "x")), self.y_shape, "H x")

    @abstractmethod
    def _A(self, x: Tensor) -> Tensor:
        """H x, differentiable."""

    @final
    def to(self: AnyOperator, device: torch.device | str) -> AnyOperator:
        """The same operator with its tensors on ``device``."""
        moved = copy.copy(self)
        for key, value in vars(self).items():
            if hasattr(value, "to"):
                setattr(moved, key, value.to(device))
        return moved

    def _checked(self, z: Tensor, shape: Shape, what: str) -> Tensor:
        if tuple(z.shape[1:]) != tuple(shape):
            name = type(self).__name__
            raise UnsupportedProblem(f"{name}: expected {what} of shape (B, {_dims(shape)}); got {tuple(z.shape)}")
        return z


class LinearOperator(Operator):
    """A linear operator: adds the transpose."""

    @final
    def T(self, y: Tensor) -> Tensor:
        """H^T y: (B, *y_shape) -> (B, *x_shape)."""
        return self._checked(self._At(self._checked(y, self.y_shape, "y")), self.x_shape, "H^T y")

    def _At(self, y: Tensor) -> Tensor:
        """H^T y. The default differentiates ``_A``; override it where a closed form is faster."""
        import torch

        with torch.inference_mode(False), torch.enable_grad():
            x = y.new_zeros((len(y), *self.x_shape)).clone().requires_grad_()
            (out,) = torch.autograd.grad(self._A(x), x, y.clone())
        return out


class SVDOperator(LinearOperator):
    """H = U diag(s) V^T, with the factors as fast maps.

    ``s`` has r entries, descending and not negative; ``Ut`` and ``U`` are orthogonal between y and (B, r),
    ``Vt`` and ``V`` between x and (B, n), n = prod(x_shape) >= r. Coefficients r..n-1 span the null space.
    """

    s: Tensor

    @abstractmethod
    def U(self, z: Tensor) -> Tensor:
        """(B, r) -> (B, *y_shape)."""

    @abstractmethod
    def Ut(self, y: Tensor) -> Tensor:
        """(B, *y_shape) -> (B, r)."""

    @abstractmethod
    def V(self, w: Tensor) -> Tensor:
        """(B, n) -> (B, *x_shape)."""

    @abstractmethod
    def Vt(self, x: Tensor) -> Tensor:
        """(B, *x_shape) -> (B, n)."""

    @final
    def pinv(self, y: Tensor) -> Tensor:
        """Moore-Penrose inverse: (B, *y_shape) -> (B, *x_shape)."""
        s = self.s.to(y.dtype)
        inverse = (1 / s).where(s > 0, s.new_zeros(()))
        return self.V(self.pad(inverse * self.Ut(self._checked(y, self.y_shape, "y"))))

    @final
    def pad(self, z: Tensor) -> Tensor:
        """Append zeros for the null space: (..., r) -> (..., n)."""
        n = math.prod(self.x_shape)
        out = z.new_zeros((*z.shape[:-1], n))
        out[..., : z.shape[-1]] = z
        return out

    @final
    def _A(self, x: Tensor) -> Tensor:
        return self.U(self.s.to(x.dtype) * self.Vt(x)[:, : len(self.s)])

    @final
    def _At(self, y: Tensor) -> Tensor:
        return self.V(self.pad(self.s.to(y.dtype) * self.Ut(y)))


def _dims(shape: Shape) -> str:
    return ", ".join(map(str, shape))
