"""Operators made from a function or a torch module, which are tested before anything is solved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from invbench.errors import ConfigError, InvbenchError
from invbench.operator import LinearOperator, Operator, Shape, real_parts
from invbench.rng import Rng

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SAME = 1e-3  # of the largest entry: float32 rounds to 1e-7, iterations within an operator to 1e-4; faults are near 1


class OwnOperator(Operator):
    """y = call(x), differentiable, of images (B, *x_shape); in float64 where ``double``, else in float32."""

    def __init__(self, call: Callable[[Tensor], Tensor], x_shape: Shape, y_shape: Shape, double: bool) -> None:
        self.call, self.x_shape, self.y_shape, self.double = call, x_shape, y_shape, double

    def _A(self, x: Tensor) -> Tensor:
        return in_its_type(self.call, x, self.double)


class OwnLinear(LinearOperator):
    """y = call(x), linear. Its transpose is ``call.adjoint`` if there is one, else it is differentiated."""

    def __init__(self, call: Callable[[Tensor], Tensor], x_shape: Shape, y_shape: Shape, double: bool) -> None:
        self.call, self.x_shape, self.y_shape, self.double = call, x_shape, y_shape, double

    def _A(self, x: Tensor) -> Tensor:
        return in_its_type(self.call, x, self.double)

    def _At(self, y: Tensor) -> Tensor:
        adjoint = getattr(self.call, "adjoint", None)
        return LinearOperator._At(self, y) if adjoint is None else in_its_type(adjoint, y, self.double)


def in_its_type(call: Callable[[Tensor], Tensor], z: Tensor, double: bool) -> Tensor:
    """call(z) in the type of z, computed in float32, or in float64 if z has that type and ``double`` is true."""
    import torch

    kind = z.real.dtype
    out = call(_cast(z, kind if double and kind == torch.float64 else torch.float32))
    return _cast(out, kind)


def _cast(z: Tensor, kind: torch.dtype) -> Tensor:
    """z in a real type, or in the complex one that goes with it."""
    import torch

    wide = torch.complex128 if kind == torch.float64 else torch.complex64
    return z.to(wide if z.is_complex() else kind)


def operator_from(call: Callable[[Tensor], Tensor], x_shape: Shape, linear: bool = False, name: str = "A") -> Operator:
    """The operator y = call(x) of a function or a torch module, for images of shape (C, H, W).

    ``call`` takes (B, C, H, W) in [-1, 1] and returns (B, ...), real or complex, differentiable by torch; each row of
    the result must depend on one image alone. It is linear if ``linear`` says so, or if it has a method ``adjoint``,
    the transpose (B, ...) -> (B, C, H, W). All of this is tested on random images. An existing operator is tested too,
    and returned. Raises ConfigError, whose message begins with ``name``, if a test fails.

    >>> operator_from(lambda x: x[..., ::2], (3, 8, 8), linear=True).y_shape
    (3, 8, 4)
    """
    import torch

    x = 2 * Rng.for_images(["a", "b", "c"], purpose="own operator").rand(x_shape) - 1
    with torch.inference_mode(False), torch.enable_grad():
        y = _first(call, x, name)
        _refuse_dependent(call, x, y, name)
        _refuse_flat(call, x, name)
        A = call if isinstance(call, Operator) else _wrapped(call, x, y, linear)
        if isinstance(A, LinearOperator):
            _refuse_nonlinear(A, name)
        return A


def _wrapped(call: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, linear: bool) -> Operator:
    cls = OwnLinear if linear or hasattr(call, "adjoint") else OwnOperator
    return cls(call, tuple(x.shape[1:]), tuple(y.shape[1:]), _takes_double(call, x))


def _takes_double(call: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    """Whether it computes in float64; it cannot if it holds float32 tensors."""
    try:
        return call(x.double()).real.element_size() == 8
    except Exception:  # the user's code may raise anything
        return False


def _refuse_nonlinear(A: LinearOperator, name: str) -> None:
    """Raise ConfigError if A is not linear, or if its adjoint is not the transpose."""
    x, other = (Rng.for_images(["a", "b"], purpose="own operator", use=use).randn(A.x_shape) for use in "xo")
    if off := _apart(_called(A, 2 * x - 3 * other, name), 2 * A(x) - 3 * A(other)):
        raise ConfigError(f"{name} is not linear: A(2 x - 3 x') differs from 2 A(x) - 3 A(x') by {off:.1e} of it")
    y = A(x)
    y = Rng.for_images(["a", "b"], purpose="own operator", use="y").randn_like(y)
    back = _called(A.T, y, f"the transpose of {name}")
    left, right = (real_parts(A(x)) * real_parts(y)).flatten(1).sum(1), (x * back).flatten(1).sum(1)
    scale = (real_parts(A(x)).flatten(1).norm(dim=1) * real_parts(y).flatten(1).norm(dim=1)).clamp(min=1e-30)
    if (off := float(((left - right).abs() / scale).max())) > SAME:
        raise ConfigError(
            f"{name}: its adjoint is not its transpose: <A x, y> and <x, A^T y> differ by {off:.1e} of it"
        )


def _first(call: Any, x: Tensor, name: str) -> Tensor:
    """A(x). Raises ConfigError unless it is a finite tensor with a row for each image, the same when called again."""
    import torch

    before = x.clone()
    y = _called(call, x, name)
    if not torch.equal(x, before):
        raise ConfigError(f"{name} changes its argument in place; write x = x * 2 for x *= 2")
    if not isinstance(y, torch.Tensor) or y.ndim < 2 or len(y) != len(x):
        actual = tuple(y.shape) if isinstance(y, torch.Tensor) else type(y).__name__
        raise ConfigError(f"{name}: expected a tensor (B, ...) of images {tuple(x.shape)}, B = {len(x)}; got {actual}")
    if not (y.is_floating_point() or y.is_complex()):
        raise ConfigError(f"{name}: expected floating-point or complex values; got {y.dtype}")
    if bad := int((~real_parts(y).isfinite()).sum()):
        raise ConfigError(f"{name}: expected finite values of images in [-1, 1]; got {bad} that are not")
    if not torch.equal(y, _called(call, x, name)):
        raise ConfigError(f"{name} differs from call to call; expected no randomness: the noise is the task's")
    return y.detach()


def _refuse_dependent(call: Any, x: Tensor, y: Tensor, name: str) -> None:
    """Raise ConfigError if a row depends on the others of its batch."""
    alone = _called(call, x[:1], name)
    if alone.shape != y[:1].shape:
        raise ConfigError(f"{name}: expected {tuple(y[:1].shape)} of one image; got {tuple(alone.shape)}")
    if off := _apart(alone, y[:1]):
        raise ConfigError(
            f"{name}: a row of A(x) depends on the other images of its batch, by {off:.1e} of it; "
            "reduce over the axes of one image, never over the batch"
        )


def _refuse_flat(call: Any, x: Tensor, name: str) -> None:
    """Raise ConfigError if torch cannot differentiate it."""
    import torch

    leaf = x.clone().requires_grad_()
    y = _called(call, leaf, name)
    if not y.requires_grad:
        raise ConfigError(f"{name} cannot be differentiated; compute with torch, without no_grad, detach and numpy")
    (gradient,) = torch.autograd.grad(real_parts(y).square().sum(), leaf)
    if not gradient.isfinite().all():
        raise ConfigError(f"{name}: the gradient of |A(x)|^2 is not finite; mend its kinks and roots")


def _called(call: Any, x: Tensor, name: str) -> Any:
    """The result of a function of the user's. Raises ConfigError with the error it raised."""
    try:
        return call(x)
    except InvbenchError as error:
        raise ConfigError(f"{name}: {error}") from None
    except Exception as error:  # the user's code may raise anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConfigError(f"{name} of a tensor {tuple(x.shape)} raised {reason}") from error


def _apart(a: Tensor, b: Tensor) -> float:
    """How far two results differ, relative to the largest entry; 0 if the difference is rounding."""
    off = float((a - b).abs().max() / b.abs().max().clamp(min=1e-30))
    return off if off > SAME else 0.0
