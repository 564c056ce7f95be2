"""The building blocks: the laws of operators, their dense matrices, and independent formulas."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matrices import dense, draw
from scipy.linalg import hadamard
from scipy.ndimage import convolve
from torch import Tensor

from invbench import ConfigError, LinearOperator, Operator, Rng, Shape, SVDOperator
from invbench.linops import BlockMean, ChannelMix, Circular, Convolution, Hadamard, Identity, Selection, Separable
from invbench.testing import check_operator

SHAPE: Shape = (3, 8, 16)


BLOCKS: dict[str, Callable[[], SVDOperator]] = {
    "identity": lambda: Identity(SHAPE),
    "selection": lambda: Selection(SHAPE, torch.tensor([5, 1, 100, 64])),
    "channel_mix": lambda: ChannelMix(SHAPE, torch.tensor([0.2, 0.5, -0.3])),
    "block_mean": lambda: BlockMean(SHAPE, 4),
    "separable": lambda: Separable(SHAPE, draw((4, 8), 1)[0], draw((16, 16), 1, "c")[0]),
    "separable_truncated": lambda: Separable(SHAPE, draw((8, 8), 1)[0], draw((16, 16), 1)[0], threshold=1.0),
    "separable_tiled": lambda: Separable(SHAPE, draw((8, 8), 1)[0], draw((16, 16), 1)[0], threshold=1.0, tiled=True),
    "circular": lambda: Circular(SHAPE, draw((4, 5), 1)[0]),
    "hadamard": lambda: Hadamard(SHAPE, Rng.single(seed=0).permutation(128)[0], 40),
}
each_block = pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS.keys())


@each_block
def test_building_blocks_obey_the_laws(make: Callable[[], SVDOperator]) -> None:
    check_operator(make(), tolerance=1e-6)  # s is stored in float32


@each_block
def test_building_blocks_match_their_dense_matrix(make: Callable[[], SVDOperator]) -> None:
    A = make()
    H, y = dense(A), draw(A.y_shape, use="y")
    singular = torch.linalg.svdvals(H)
    torch.testing.assert_close(A.s.double(), singular, rtol=0, atol=1e-5)
    torch.testing.assert_close(A.T(y).flatten(1), y.flatten(1) @ H, rtol=0, atol=1e-9)
    # s carries float32 rounding, which an inverse amplifies by the condition number
    expected = y.flatten(1) @ torch.linalg.pinv(H, rtol=1e-5).T
    torch.testing.assert_close(A.pinv(y).flatten(1), expected, rtol=1e-4, atol=1e-4)


@each_block
def test_building_blocks_work_in_single_precision(make: Callable[[], SVDOperator]) -> None:
    A = make()
    x = draw(A.x_shape)
    y = A(x.float())
    assert y.dtype == torch.float32
    torch.testing.assert_close(y.double(), A(x), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("make", "mode"), [(Circular, "wrap"), (Convolution, "mirror")])
def test_convolutions_match_scipy(make: Callable[[Shape, Tensor], LinearOperator], mode: str) -> None:
    x, kernel = draw((2, 8, 9)), draw((3, 5), 1)[0]
    expected = [[convolve(plane, kernel.numpy(), mode=mode) for plane in image] for image in x.numpy()]
    np.testing.assert_allclose(make((2, 8, 9), kernel)(x), expected, rtol=0, atol=2e-6)  # s of Circular is float32


def test_an_even_symbol_makes_the_circular_convolution_its_own_transpose() -> None:
    A = Circular((1, 8, 8), torch.tensor([[0.0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 8)
    H = dense(A)
    torch.testing.assert_close(H, H.T, rtol=0, atol=1e-7)
    assert A.s[0].item() == pytest.approx(1)


def test_the_initial_estimate_of_a_circular_blur_does_not_amplify_noise() -> None:
    kernel = torch.tensor([[*[1.0] * 8, 0.01]]) / 8.01  # without its last tap, some singular values were 0
    A = Circular((1, 32, 32), kernel)
    noise = 0.05 * draw((1, 32, 32)).float()
    assert A.pinv(noise).std() > 5
    assert A.guess(noise).std() < 0.5
    x = draw((1, 32, 32)).float()
    assert (A(A.guess(A(x))) - A(x)).std() < 0.05 * A(x).std()


def test_hadamard_matches_scipy() -> None:
    order = Rng.single(seed=1).permutation(32)[0]
    A = Hadamard((2, 4, 8), order, 12)
    x = draw((2, 4, 8))
    rows = torch.from_numpy(hadamard(32) / math.sqrt(32))[order[:12]]
    torch.testing.assert_close(A(x), x.flatten(2) @ rows.T, rtol=0, atol=1e-12)


def test_selection_keeps_its_order() -> None:
    x = draw(SHAPE)
    assert torch.equal(Selection(SHAPE, torch.tensor([5, 1, 100]))(x), x.flatten(2)[:, :, [5, 1, 100]])


def test_separable_is_rows_times_image_times_columns() -> None:
    R, C, x = draw((4, 8), 1)[0], draw((6, 16), 1, "c")[0], draw(SHAPE)
    torch.testing.assert_close(Separable(SHAPE, R, C)(x), R @ x @ C.T, rtol=0, atol=1e-5)


def test_truncation_changes_the_operator_itself() -> None:
    """Singular values of each axis below the threshold are gone from H, not only from its inverse."""
    R, C, x = draw((8, 8), 1)[0], draw((16, 16), 1)[0], draw(SHAPE)

    def cut(matrix: Tensor) -> Tensor:
        U, s, Vh = torch.linalg.svd(matrix)
        return (U * s.where(s >= 2.0, s.new_zeros(()))) @ Vh

    A = Separable(SHAPE, R, C, threshold=2.0)
    torch.testing.assert_close(A(x), cut(R) @ x @ cut(C).T, rtol=0, atol=1e-4)
    assert 0 < (A.s > 0).sum() < len(A.s)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BlockMean((3, 8, 10), 4), "divisible by the factor 4; got 8x10"),
        (lambda: BlockMean((3, 8, 8), 0), "divisible by the factor 0"),
        (lambda: ChannelMix(SHAPE, torch.ones(2)), "one weight per channel: expected 3, got 2"),
        (lambda: Circular((1, 8, 8), torch.ones(9, 3)), "kernel 9x3 is larger than the image 8x8"),
        (lambda: Convolution((1, 4, 4), torch.ones(9, 9)), "at most twice the image; got 9x9 on 4x4"),
        (lambda: Convolution((1, 8, 8), torch.ones(4, 3)), "kernel of odd sides"),
        (lambda: Hadamard((1, 6, 8), torch.arange(48), 4), "power of two of pixels; got 6x8 = 48"),
    ],
)
def test_impossible_building_blocks_are_refused(make: Callable[[], Operator], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
