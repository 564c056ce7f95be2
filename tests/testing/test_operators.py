"""The laws of operators catch one that breaks a law, and name it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from invbench import LinearOperator, Operator, UnsupportedProblem
from invbench.linops import BlockMean, Identity
from invbench.testing import check_operator


class NotLinear(LinearOperator):
    x_shape = y_shape = (1, 4, 4)

    def _A(self, x: Tensor) -> Tensor:
        return x + 0.01 * x.square()


class WrongAdjoint(LinearOperator):
    x_shape = y_shape = (1, 4, 4)

    def _A(self, x: Tensor) -> Tensor:
        return x.roll(1, -1)

    def _At(self, y: Tensor) -> Tensor:
        return y.roll(1, -1)


class BatchDependent(LinearOperator):
    x_shape = y_shape = (1, 4, 4)

    def _A(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class WrongShape(LinearOperator):
    x_shape, y_shape = (1, 4, 4), (1, 4, 4)

    def _A(self, x: Tensor) -> Tensor:
        return x[..., :2]


class NotDifferentiable(Operator):
    x_shape = y_shape = (1, 4, 4)

    def _A(self, x: Tensor) -> Tensor:
        return (0 * x).sqrt()


class Ascending(Identity):
    def __init__(self) -> None:
        super().__init__((1, 4, 4))
        self.s = torch.linspace(0.5, 1, 16)


class Negative(Identity):
    def __init__(self) -> None:
        super().__init__((1, 4, 4))
        self.s = torch.linspace(1, -1, 16)


class TooFewValues(BlockMean):
    def __init__(self) -> None:
        super().__init__((1, 4, 4), 2)
        self.s = self.s[:-1]

    def U(self, z: Tensor) -> Tensor:
        return super().U(torch.cat([z, z[:, :1]], 1))

    def Ut(self, y: Tensor) -> Tensor:
        z = super().Ut(y)
        return z[:, :-1] + torch.nn.functional.pad(z[:, -1:], (0, z.shape[1] - 2))


class StretchedV(Identity):
    def V(self, w: Tensor) -> Tensor:
        return 2 * super().V(w)

    def Vt(self, x: Tensor) -> Tensor:
        return 2 * super().Vt(x)


class StretchedNullSpace(BlockMean):
    """H and its transpose are right: only the coefficients of the null space are scaled, and scaled back."""

    def V(self, w: Tensor) -> Tensor:
        return super().V(torch.cat([w[:, : len(self.s)], w[:, len(self.s) :] / 2], 1))

    def Vt(self, x: Tensor) -> Tensor:
        w = super().Vt(x)
        return torch.cat([w[:, : len(self.s)], 2 * w[:, len(self.s) :]], 1)


class StretchedU(Identity):
    def U(self, z: Tensor) -> Tensor:
        return 2 * super().U(z)

    def Ut(self, y: Tensor) -> Tensor:
        return 2 * super().Ut(y)


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (NotLinear(), "A is not linear"),
        (WrongAdjoint(), r"<A x, y> differs from <x, A\^T y>"),
        (BatchDependent(), r"a row of A\(x\) depends on the rest of the batch"),
        (NotDifferentiable(), "the gradient of A is not finite"),
        (Ascending(), "not in descending order"),
        (Negative(), "singular values are negative"),
        (TooFewValues(), "s has 3 entries; expected one per entry of y, 4"),
        (StretchedV((1, 4, 4)), r"V V\^T x differs from x"),
        (StretchedNullSpace((1, 4, 4), 2), r"V\^T changes the norm"),
        (StretchedU((1, 4, 4)), r"U U\^T y differs from y"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Operator) else "",
)
def test_check_operator_names_the_broken_law(broken: Operator, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_operator(broken)


def test_check_operator_refuses_a_wrong_measurement_shape() -> None:
    with pytest.raises(UnsupportedProblem, match=r"expected H x of shape \(B, 1, 4, 4\); got \(3, 1, 4, 2\)"):
        check_operator(WrongShape())
