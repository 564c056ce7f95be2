"""The pseudo-inverse against that of its matrix."""

from __future__ import annotations

import torch
from dense import draw, each_operator, matrix_of
from invbench_solvers.pinv import PseudoInverse
from solving import unaided

import invbench as ib


@each_operator
def test_pinv_is_the_pseudo_inverse(A: ib.SVDOperator) -> None:
    y = draw(2, *A.y_shape).double()
    expected = y.flatten(1) @ torch.linalg.pinv(matrix_of(A), rtol=1e-5).T
    torch.testing.assert_close(unaided(PseudoInverse(), A, y).flatten(1), expected, rtol=1e-5, atol=1e-5)
