"""The laws of operators, in float64 unless they are about another type."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor

from invbench.operator import LinearOperator, Operator, SVDOperator, real_parts
from invbench.rng import Rng
from invbench.testing.findings import Fault, NotApplicable, expect

Law = Callable[[Operator, float], str]
NO_KERNEL = re.compile(r"not implemented for|unsupported dtype|not supported", re.IGNORECASE)


def check_operator(A: Operator, tolerance: float = 1e-9) -> None:
    """Shapes, differentiability and, by type, linearity, adjoint and SVD laws, in float64.

    Raises AssertionError with the first broken law.

    >>> from invbench import BlockMean
    >>> check_operator(BlockMean((3, 8, 12), factor=4))
    """
    for law in LAWS.values():
        try:
            law(A, tolerance)
        except NotApplicable:
            continue


def shapes(A: Operator, tolerance: float) -> str:
    del tolerance
    x = draw(A, "x")
    y = A(x)  # checks its own shape
    message = f"A(x) of float64 has type {y.dtype}; expected float64, or complex128; compute in the type of x"
    expect(y.dtype in (torch.float64, torch.complex128), message)
    return f"x {tuple(A.x_shape)} -> y {tuple(A.y_shape)}"


def batch(A: Operator, tolerance: float) -> str:
    x = draw(A, "x")
    advice = "reduce over the axes of one image, never over the batch"
    return _equal(A(x[:1]), A(x)[:1], "a row of A(x) depends on the rest of the batch", tolerance, advice)


def deterministic(A: Operator, tolerance: float) -> str:
    del tolerance
    x = draw(A, "x")
    same = torch.equal(A(x), A(x))
    expect(same, "A(x) differs from call to call; expected the same bits; draw in Task.operator, noise is the task's")
    return "A(x) is the same bits twice"


def differentiable(A: Operator, tolerance: float) -> str:
    del tolerance
    leaf = draw(A, "x").requires_grad_()
    (grad,) = torch.autograd.grad(real_parts(A(leaf)).square().sum(), leaf)
    expect(bool(grad.isfinite().all()), "the gradient of A is not finite; expected finite numbers; mend its kinks")
    return "the gradient of |A(x)|^2 is finite"


def linear(A: Operator, tolerance: float) -> str:
    _linear(A)
    x, x2 = draw(A, "x"), draw(A, "x2")
    advice = "make it linear, or derive from Operator"
    return _equal(A(2 * x - 3 * x2), 2 * A(x) - 3 * A(x2), "A is not linear", tolerance, advice)


def adjoint(A: Operator, tolerance: float) -> str:
    A = _linear(A)
    x, v = draw(A, "x"), draw_y(A)
    left, right = (real_parts(A(x)) * real_parts(v)).flatten(1).sum(1), (x * A.T(v)).flatten(1).sum(1)
    advice = "mend _At, or leave it out to have it by differentiation (of complex y: Re <A x, y>, and A^T y is real)"
    return _equal(left, right, "<A x, y> differs from <x, A^T y>", tolerance, advice)


def sorted_values(A: Operator, tolerance: float) -> str:
    del tolerance
    A = _with_svd(A)
    n, m, r = draw(A, "x")[0].numel(), real_parts(draw_y(A))[0].numel(), len(A.s)
    expect(r == m <= n, f"s has {r} entries; expected one per entry of y, {m}, at most {n}; pad s with zeros")
    expect(bool((A.s >= 0).all()), "singular values are negative; expected none below 0; give U the sign")
    order = "singular values are not in descending order; expected s[0] >= s[1] >= ...; sort s, U and V together"
    expect(bool((A.s.diff() <= 0).all()), order)
    return f"{r} singular values from {float(A.s[0]):.3g} down to {float(A.s[-1]):.3g}"


def svd_orthogonal(A: Operator, tolerance: float) -> str:
    A = _with_svd(A)
    x, y = draw(A, "x"), draw_y(A)
    n, r = x[0].numel(), len(A.s)
    w, z = A.Vt(x), A.Ut(y)
    expect(tuple(w.shape) == (len(x), n), f"V^T x has shape {tuple(w.shape)}; expected (B, {n}); keep the null space")
    expect(tuple(z.shape) == (len(y), r), f"U^T y has shape {tuple(z.shape)}; expected (B, {r}); one entry per s")
    advice = "V and U must be orthogonal, Vt and Ut their transposes"
    _equal(A.V(w), x, "V V^T x differs from x", tolerance, advice)
    _equal(A.Vt(A.V(w.flip(1))), w.flip(1), "V^T V w differs from w", tolerance, advice)
    _equal(A.U(z), y, "U U^T y differs from y", tolerance, advice)
    _equal(A.Ut(A.U(z.flip(1))), z.flip(1), "U^T U z differs from z", tolerance, advice)
    _equal(w.square().sum(1), x.flatten(1).square().sum(1), "V^T changes the norm", tolerance, advice)
    _equal(z.square().sum(1), y.flatten(1).abs().square().sum(1), "U^T changes the norm", tolerance, advice)
    return "U and V undo their transposes and keep norms"


def pinv(A: Operator, tolerance: float) -> str:
    A = _with_svd(A)
    x, y = draw(A, "x"), draw_y(A)
    loose, advice = max(1e-6, tolerance), "see svd_orthogonal and sorted"  # s is stored in float32
    _equal(A(A.pinv(A(x))), A(x), "A A^+ A differs from A", loose, advice)
    return _equal(A.pinv(A(A.pinv(y))), A.pinv(y), "A^+ A A^+ differs from A^+", loose, advice)


def works_in(A: Operator, dtype: torch.dtype, tolerance: float) -> str:
    """A, its transpose and inverse keep the type, and A(x) is near that of float64, relative to its largest entry."""
    name, x = str(dtype).removeprefix("torch."), draw(A, "x")
    try:
        results = {"A(x)": A(x.to(dtype))}
        y_of = results["A(x)"].dtype
        if isinstance(A, LinearOperator):
            results["A.T(y)"] = A.T(draw_y(A).to(y_of))
        if isinstance(A, SVDOperator):
            results["A.pinv(y)"] = A.pinv(draw_y(A).to(y_of))
    except (RuntimeError, NotImplementedError) as error:
        if NO_KERNEL.search(str(error)):
            raise NotApplicable(f"torch has no {name} kernel for it ({' '.join(str(error).split())})") from None
        raise
    for what, value in results.items():
        right = value.real.dtype == dtype and bool(value.isfinite().all())
        advice = "turn the operator's own tensors into the type of x"
        expect(right, f"{what} of {name}: expected finite {name}; got {value.dtype}, or not finite; {advice}")
    y = A(x)
    off = float((results["A(x)"].to(y.dtype) - y).abs().max() / y.abs().max().clamp(min=1e-12))
    expect(off <= tolerance, f"A(x) in {name} is off by {off:.1e}; expected at most {tolerance:g}; round later")
    return f"{', '.join(results)} stay {name}; A(x) within {off:.1e} of float64"


LAWS: dict[str, Law] = {
    "shapes": shapes,
    "batch": batch,
    "deterministic": deterministic,
    "differentiable": differentiable,
    "linear": linear,
    "adjoint": adjoint,
    "sorted": sorted_values,
    "svd_orthogonal": svd_orthogonal,
    "pinv": pinv,
}


def draw(A: Operator, use: str) -> Tensor:
    """Three standard normal images, float64 (3, *x_shape)."""
    return Rng.for_images(["a", "b", "c"], purpose="check_operator", use=use).randn(A.x_shape).double()


def draw_y(A: Operator) -> Tensor:
    """Three standard normal measurements, float64 or complex128 (3, *y_shape)."""
    return Rng.for_images(["a", "b", "c"], purpose="check_operator", use="y").randn_like(A(draw(A, "x")))


def _linear(A: Operator) -> LinearOperator:
    if not isinstance(A, LinearOperator):
        raise NotApplicable(f"{type(A).__name__} does not claim to be linear")
    return A


def _with_svd(A: Operator) -> SVDOperator:
    if not isinstance(A, SVDOperator):
        raise NotApplicable(f"{type(A).__name__} does not claim a singular value decomposition")
    return A


def _equal(a: Tensor, b: Tensor, message: str, tolerance: float, advice: str) -> str:
    error = float((a - b).abs().max())
    scale = max(1.0, float(b.abs().max()))
    if not error <= tolerance * scale:
        raise Fault(f"{message} (by {error:.2e} at scale {scale:.2e}; expected {tolerance:.0e} of it); {advice}")
    return f"holds to {error:.1e} at scale {scale:.1e}"
