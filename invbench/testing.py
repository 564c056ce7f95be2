"""Laws that every operator obeys, for the tests of plugin authors and for our own.

Each check raises AssertionError with the law it found broken.
"""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.operator import LinearOperator, Operator, SVDOperator
from invbench.rng import Rng


def check_operator(A: Operator, tolerance: float = 1e-9) -> None:
    """Shapes, differentiability and, by type, linearity, adjoint and SVD laws, in float64.

    >>> from invbench import BlockMean
    >>> check_operator(BlockMean((3, 8, 12), factor=4))
    """
    rng = Rng.for_images(["a", "b", "c"], purpose="check_operator")
    x, x2 = (rng.randn(A.x_shape).double() for _ in range(2))
    y = A(x)
    _equal(A(x[:1]), y[:1], "a row of A(x) depends on the rest of the batch", tolerance)
    leaf = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(A(leaf).square().sum(), leaf)
    assert grad.isfinite().all(), "the gradient of A is not finite"
    if isinstance(A, LinearOperator):
        _equal(A(2 * x - 3 * x2), 2 * y - 3 * A(x2), "A is not linear", tolerance)
        v = rng.randn(A.y_shape).double()
        left, right = (y * v).flatten(1).sum(1), (x * A.T(v)).flatten(1).sum(1)
        _equal(left, right, "<A x, y> differs from <x, A^T y>", tolerance)
    if isinstance(A, SVDOperator):
        _check_svd(A, x, rng.randn(A.y_shape).double(), tolerance)


def _check_svd(A: SVDOperator, x: Tensor, y: Tensor, tolerance: float) -> None:
    n, r = x[0].numel(), len(A.s)
    assert r == y[0].numel() <= n, f"s has {r} entries; expected one per entry of y, {y[0].numel()}, at most {n}"
    assert (A.s >= 0).all(), "singular values are negative"
    assert (A.s.diff() <= 0).all(), "singular values are not in descending order"
    w, z = A.Vt(x), A.Ut(y)
    assert tuple(w.shape) == (len(x), n), f"V^T x has shape {tuple(w.shape)}; expected (B, {n})"
    assert tuple(z.shape) == (len(y), r), f"U^T y has shape {tuple(z.shape)}; expected (B, {r})"
    _equal(A.V(w), x, "V V^T x differs from x", tolerance)
    _equal(A.Vt(A.V(w.flip(1))), w.flip(1), "V^T V w differs from w", tolerance)
    _equal(A.U(z), y, "U U^T y differs from y", tolerance)
    _equal(A.Ut(A.U(z.flip(1))), z.flip(1), "U^T U z differs from z", tolerance)
    _equal(w.square().sum(1), x.flatten(1).square().sum(1), "V^T changes the norm", tolerance)
    loose = max(1e-6, tolerance)  # s is stored in float32
    _equal(A(A.pinv(A(x))), A(x), "A A^+ A differs from A", loose)
    _equal(A.pinv(A(A.pinv(y))), A.pinv(y), "A^+ A A^+ differs from A^+", loose)


def _equal(a: Tensor, b: Tensor, message: str, tolerance: float) -> None:
    error = float((a - b).abs().max())
    scale = max(1.0, float(b.abs().max()))
    assert error <= tolerance * scale, f"{message} (by {error:.2e} at scale {scale:.2e})"
