"""The operator interface: shapes, transposes, copies, ridges."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from matrices import dense, draw
from torch import Tensor

import invbench as ib
from invbench import LinearOperator, Shape, SVDOperator, UnsupportedProblem
from invbench.linops import BlockMean, Convolution, Separable
from invbench.testing import check_operator

SHAPE: Shape = (3, 8, 16)


def test_pad_appends_zeros_for_the_null_space() -> None:
    A = BlockMean(SHAPE, 4)
    z = draw((24,))
    padded = A.pad(z)
    assert padded.shape == (2, 384)
    assert torch.equal(padded[:, :24], z)
    assert padded[:, 24:].abs().max() == 0
    assert A.pad(A.s).shape == (384,)


def test_to_moves_a_copy() -> None:
    A = BlockMean(SHAPE, 4)
    moved = A.to("meta")
    assert moved.s.device.type == "meta"
    assert moved.y_shape == A.y_shape
    assert A.s.device.type == "cpu"


class RunningSum(LinearOperator):
    """Leaves the transpose to the default."""

    x_shape = y_shape = (1, 2, 3)

    def _A(self, x: Tensor) -> Tensor:
        return x.flatten(1).cumsum(1).reshape(x.shape)


def test_the_default_transpose_is_the_transpose() -> None:
    A = RunningSum()
    y = draw(A.y_shape)
    out = A.T(y)
    torch.testing.assert_close(out.flatten(1), y.flatten(1) @ dense(A), rtol=0, atol=1e-12)
    assert not out.requires_grad
    check_operator(A)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_the_default_transpose_works_where_gradients_are_off(mode: Callable[[], object]) -> None:
    A = RunningSum()
    y = draw(A.y_shape)
    expected = A.T(y)
    with mode():
        inside = A.T(draw(A.y_shape))
    assert torch.equal(inside, expected)


def test_the_mirrored_convolution_has_a_transpose_under_inference_mode() -> None:
    A = Convolution(SHAPE, draw((3, 5), 1)[0].float())
    expected = A.T(draw(SHAPE))
    with torch.inference_mode():
        assert torch.equal(A.T(draw(SHAPE)), expected)


def test_wrong_shapes_are_refused_with_both_shapes() -> None:
    A = BlockMean((3, 8, 8), 4)
    wrong_x, wrong_y = torch.zeros(2, 3, 8, 12), torch.zeros(2, 3, 4, 4)
    with pytest.raises(UnsupportedProblem, match=r"BlockMean: expected x of shape \(B, 3, 8, 8\); got \(2, 3, 8, 12\)"):
        A(wrong_x)
    with pytest.raises(UnsupportedProblem, match=r"expected y of shape \(B, 3, 2, 2\); got \(2, 3, 4, 4\)"):
        A.T(wrong_y)
    with pytest.raises(UnsupportedProblem, match=r"expected y of shape \(B, 3, 2, 2\); got \(2, 3, 4, 4\)"):
        A.pinv(wrong_y)
    with pytest.raises(UnsupportedProblem, match=r"got \(3, 8, 8\)"):
        A(torch.zeros(3, 8, 8))  # no batch axis


def test_the_package_exports_what_an_author_needs() -> None:
    assert ib.BlockMean is BlockMean
    assert ib.SVDOperator is SVDOperator


def test_ridge_is_the_dense_formula_by_either_way() -> None:
    A = Separable((1, 6, 6), torch.rand(3, 6, dtype=torch.float64), torch.rand(3, 6, dtype=torch.float64))
    H, r = dense(A), torch.linspace(-1, 1, 18, dtype=torch.float64).reshape(2, 1, 3, 3)
    expected = (H.T @ torch.linalg.solve(H @ H.T + 0.1 * torch.eye(9), r.reshape(2, 9).T)).T.reshape(2, 1, 6, 6)
    torch.testing.assert_close(A.ridge(r, 0.1), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(LinearOperator.ridge(A, r, 0.1), expected, rtol=0, atol=1e-5)
