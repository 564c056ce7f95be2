"""Physics of deepinv as operators, and operators as physics of deepinv."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from invbench.adapters.library import library
from invbench.errors import ConfigError
from invbench.operator import LinearOperator, Operator, Shape, SVDOperator
from invbench.own_operator import in_its_type, operator_from
from invbench.rng import Rng

SAME = 1e-4  # of the norm: Fourier transforms of float32 round to 1e-6; factors that are not orthogonal are off by 1


def from_physics(physics: Any, x_shape: Shape, name: str = "physics") -> Operator:
    """A physics of deepinv as an operator on images of shape (C, H, W).

    - Linear physics act directly on x in [-1, 1]: y = A x. deepinv's measurement of u = (x + 1) / 2 is (y + A 1) / 2.
    - Other physics act on u, since deepinv's images are in [0, 1]: y = A(u).
    - A complex image has two channels, real and imaginary part, as in deepinv, and no range; MRI measures the same two
      channels in k-space, zero where nothing is sampled.

    A DecomposablePhysics gives an SVDOperator where its factors are orthogonal, real and square. Only ``A``,
    ``A_adjoint`` and the factors are used; noise is the task's. Raises ConfigError, whose message begins with ``name``,
    if it does not measure such images, or if its adjoint is not the transpose.
    """
    kinds = library().physics
    if not isinstance(physics, kinds.Physics):
        raise ConfigError(f"{name}: expected a deepinv.physics.Physics; got {type(physics).__name__}")
    if not isinstance(physics, kinds.LinearPhysics):
        return operator_from(_Unit(physics), x_shape, name=name)
    A = operator_from(_Linear(physics), x_shape, name=name)
    decomposed = _decomposed(physics, A) if isinstance(physics, kinds.DecomposablePhysics) else None
    return decomposed or A


def to_physics(A: Operator, sigma: float | None = None) -> Any:
    """An operator as a physics of deepinv, on images u in [0, 1], x = 2 u - 1; ``sigma`` is the noise on [-1, 1].

    A linear operator measures A u = (A x + A 1) / 2, with half the noise (:func:`unit_measurement`); others measure
    A(2 u - 1).
    """
    kinds, linear = library().physics, isinstance(A, LinearOperator)
    noise = {} if sigma is None else {"noise_model": kinds.GaussianNoise(sigma / 2 if linear else sigma)}
    if isinstance(A, SVDOperator):
        r = len(A.s)
        return kinds.DecomposablePhysics(
            U=lambda z: A.U(z[:, :r]),
            U_adjoint=lambda y: A.pad(A.Ut(y)),
            V=A.V,
            V_adjoint=A.Vt,
            mask=A.pad(A.s)[None],
            img_size=tuple(A.x_shape),
            device=A.s.device,
            **noise,
        )
    if isinstance(A, LinearOperator):
        return kinds.LinearPhysics(A=lambda u, **_: A(u), A_adjoint=lambda y, **_: A.T(y), img_size=A.x_shape, **noise)
    return kinds.Physics(A=lambda u, **_: A(2 * u - 1), **noise)


def unit_measurement(y: Tensor, A: Operator) -> Tensor:
    """Convert y (B, *y_shape) of x to the measurement of u = (x + 1) / 2, as a physics of :func:`to_physics` has it."""
    return (y + _of_ones(A, y)) / 2 if isinstance(A, LinearOperator) else y


def own_measurement(y: Tensor, A: Operator) -> Tensor:
    """Convert y (B, *y_shape) of u to the measurement of x = 2 u - 1, as an operator of :func:`from_physics` has it."""
    return 2 * y - _of_ones(A, y) if isinstance(A, LinearOperator) else y


def _of_ones(A: Operator, y: Tensor) -> Tensor:
    return A(y.real.new_ones(1, *A.x_shape))


class _Unit(nn.Module):
    """A(u) of x = 2 u - 1."""

    def __init__(self, physics: Any) -> None:
        super().__init__()
        self.physics = physics

    def forward(self, x: Tensor) -> Tensor:
        return self.physics.A((x + 1) / 2)

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Module:
        return type(self)(self.physics.clone())  # torch copies no generators, which a physics may hold


class _Linear(_Unit):
    """A x, and its transpose."""

    def forward(self, x: Tensor) -> Tensor:
        return self.physics.A(x)

    def adjoint(self, y: Tensor) -> Tensor:
        with torch.inference_mode(False):  # some differentiate
            return self.physics.A_adjoint(y.clone())


class PhysicsSVD(SVDOperator):
    """U diag(s) V^T of a DecomposablePhysics, with the singular values in order."""

    def __init__(self, physics: Any, x_shape: Shape, y_shape: Shape, values: Tensor, double: bool) -> None:
        self.module, self.form, self.double = _Linear(physics), tuple(values.shape), double
        self.x_shape, self.y_shape = x_shape, y_shape
        self.s, self.order = values.flatten().sort(descending=True, stable=True)
        self.inverse = self.order.argsort()

    def U(self, z: Tensor) -> Tensor:
        return in_its_type(self.module.physics.U, self._grid(z), self.double)

    def Ut(self, y: Tensor) -> Tensor:
        return in_its_type(self.module.physics.U_adjoint, y, self.double).flatten(1)[:, self.order]

    def V(self, w: Tensor) -> Tensor:
        return in_its_type(self.module.physics.V, self._grid(w), self.double)

    def Vt(self, x: Tensor) -> Tensor:
        return in_its_type(self.module.physics.V_adjoint, x, self.double).flatten(1)[:, self.order]

    def _grid(self, z: Tensor) -> Tensor:
        return z[:, self.inverse].reshape(-1, *self.form)


def _decomposed(physics: Any, A: Operator) -> PhysicsSVD | None:
    """The operator with its decomposition; None if the factors are not orthogonal, real and square."""
    x = Rng.for_images(["a", "b"], purpose="own operator", use="svd").randn(A.x_shape)
    try:
        y, w = A(x), physics.V_adjoint(x)
        z = physics.U_adjoint(y)
        values = torch.broadcast_to(physics.mask, (1, *w.shape[1:]))[0]
        square = w.shape == z.shape and x[0].numel() == w[0].numel() == y[0].numel()
        real = not any(each.is_complex() for each in (w, z, y, values))
        if not (square and real and bool((values >= 0).all())):
            return None
        A_svd = PhysicsSVD(physics, A.x_shape, A.y_shape, values.clone().float(), getattr(A, "double", False))
        turned = Rng.for_images(["a", "b"], purpose="own operator", use="svd of y").randn(A.y_shape)
        pairs = [(A_svd.V(A_svd.Vt(x)), x), (A_svd.U(A_svd.Ut(turned)), turned), (A_svd(x), y)]
        norms = [(A_svd.Vt(x).norm(dim=1), x.flatten(1).norm(dim=1)), (A_svd.Ut(turned).norm(), turned.norm())]
    except (RuntimeError, TypeError, ValueError):  # what it lacks may raise any of these
        return None
    return A_svd if all(_same(a, b) for a, b in [*pairs, *norms]) else None


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and float((a - b).norm()) <= SAME * float(b.norm())
