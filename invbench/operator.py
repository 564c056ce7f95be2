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

    from invbench.meter import Meter

Shape = tuple[int, ...]
CG_STEPS = 100
PRECISIONS = ("float32", "bfloat16")  # that solvers and operators claim, unless they declare fewer
TIMED = ("_A", "_At", "U", "Ut", "V", "Vt", "pinv", "ridge", "guess")
AnyOperator = TypeVar("AnyOperator", bound="Operator")


class Operator(ABC):
    """A differentiable operator. ``x_shape`` is (C, H, W); ``y_shape`` any shape; neither has a batch axis.

    Images are real. Measurements may be complex, such as those of a Fourier transform: they count as vectors of their
    real and imaginary parts, with the inner product Re <y, y'>.
    """

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
    @property
    def measures_complex(self) -> bool:
        """Whether measurements are complex, for solvers that assume a real y."""
        import torch

        device = next((v.device for v in vars(self).values() if isinstance(v, torch.Tensor)), "cpu")
        with torch.inference_mode():
            return self(torch.zeros(1, *self.x_shape, device=device)).is_complex()

    @final
    def to(self: AnyOperator, device: torch.device | str) -> AnyOperator:
        """The same operator with its tensors and modules on ``device``."""
        import torch

        moved = copy.copy(self)
        for key, value in vars(self).items():
            if hasattr(value, "to"):
                own = copy.deepcopy(value) if isinstance(value, torch.nn.Module) else value  # modules move in place
                setattr(moved, key, own.to(device))
        return moved

    @final
    def metered(self: AnyOperator, meter: Meter) -> AnyOperator:
        """The same operator, reporting its time to ``meter``."""
        counted = copy.copy(self)
        for name in TIMED:
            if method := getattr(self, name, None):
                setattr(counted, name, meter.timed(method))
        return counted

    def guess(self, y: Tensor) -> Tensor:
        """The initial estimate for iterative solvers: (B, *y_shape) -> (B, *x_shape). Zeros unless overridden."""
        return y.real.new_zeros((len(y), *self.x_shape))

    def _checked(self, z: Tensor, shape: Shape, what: str) -> Tensor:
        if tuple(z.shape[1:]) != tuple(shape):
            name = type(self).__name__
            raise UnsupportedProblem(f"{name}: expected {what} of shape (B, {_dims(shape)}); got {tuple(z.shape)}")
        return z


class LinearOperator(Operator):
    """A linear operator: adds the transpose, <H x, y> = <x, H^T y>; of complex y, Re <H x, y>, and H^T y is real."""

    @final
    def T(self, y: Tensor) -> Tensor:
        """H^T y: (B, *y_shape) -> (B, *x_shape)."""
        return self._checked(self._At(self._checked(y, self.y_shape, "y")), self.x_shape, "H^T y")

    def _At(self, y: Tensor) -> Tensor:
        """H^T y. The default differentiates ``_A``; override it where a closed form is faster."""
        import torch

        with torch.inference_mode(False), torch.enable_grad():
            x = y.real.new_zeros((len(y), *self.x_shape)).clone().requires_grad_()
            (out,) = torch.autograd.grad(self._A(x), x, y.clone())
        return out

    def ridge(self, r: Tensor, rho: float) -> Tensor:
        """H^T (H H^T + rho I)^{-1} r: (B, *y_shape) -> (B, *x_shape), the step from x to a regularised fit.

        x + ridge(y - H x, rho) minimises ||y - H z||^2 + rho ||z - x||^2 over z. By conjugate gradients, row by row;
        an operator with an SVD has it in closed form.
        """
        assert rho > 0, "conjugate gradients need rho > 0"
        z, residual = r.new_zeros(r.shape), r
        p, energy = residual, _row_dot(residual, residual)
        stop = 1e-12 * energy
        for _ in range(CG_STEPS):
            Ap = self(self.T(p)) + rho * p
            step = energy / _row_dot(p, Ap).clamp(min=1e-30)
            z, residual = z + step * p, residual - step * Ap
            previous, energy = energy, _row_dot(residual, residual)
            if (energy <= stop).all():
                break
            p = residual + energy / previous.clamp(min=1e-30) * p
        return self.T(z)

    def guess(self, y: Tensor) -> Tensor:
        return self.ridge(y, 1e-3)


class SVDOperator(LinearOperator):
    """H = U diag(s) V^T, with the factors as fast maps.

    ``s`` has r entries, descending and not negative; ``Ut`` and ``U`` are orthogonal between y and (B, r),
    ``Vt`` and ``V`` between x and (B, n), n = prod(x_shape) >= r. Coefficients r..n-1 span the null space. Coefficients
    are real; a complex y has two for each entry.
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
        s = self.s.to(y.real.dtype)
        inverse = (1 / s).where(s > 0, s.new_zeros(()))
        return self.V(self.pad(inverse * self.Ut(self._checked(y, self.y_shape, "y"))))

    @final
    def ridge(self, r: Tensor, rho: float) -> Tensor:
        s = self.s.to(r.real.dtype)
        gain = (s / (s**2 + rho)).where(s > 0, s.new_zeros(()))
        return self.V(self.pad(gain * self.Ut(r)))

    def guess(self, y: Tensor) -> Tensor:
        return self.pinv(y)

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
        return self.V(self.pad(self.s.to(y.real.dtype) * self.Ut(y)))


def real_parts(y: Tensor) -> Tensor:
    """y itself; if it is complex, its real and imaginary parts along a last axis of two."""
    import torch

    return torch.view_as_real(y.resolve_conj()) if y.is_complex() else y


def _row_dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of rows, real and broadcastable to them: (B, ...) -> (B, 1, ...)."""
    products = real_parts(a) * real_parts(b)
    return products.flatten(1).sum(1).reshape(-1, *([1] * (a.ndim - 1)))


def _dims(shape: Shape) -> str:
    return ", ".join(map(str, shape))
