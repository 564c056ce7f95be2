"""Super-resolution: block means, and the bicubic reduction of PIL."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from invbench_tasks.super_resolution import bicubic_matrix, bicubic_taps
from operating import OBLONG, draw, operator
from PIL import Image


def test_sr4_is_average_pooling_and_its_inverse_replicates() -> None:
    A, x = operator("sr4", OBLONG), draw(OBLONG)
    y = A(x)
    torch.testing.assert_close(y, F.avg_pool2d(x, 4), rtol=0, atol=1e-12)
    torch.testing.assert_close(A.pinv(y), F.interpolate(y, scale_factor=4, mode="nearest"), rtol=0, atol=1e-12)
    assert A.s.unique().tolist() == [0.25]


def test_bicubic_taps_and_singular_values() -> None:
    half = [-0.001709, -0.010986, -0.018311, -0.011963, 0.022705, 0.097412, 0.181885, 0.240967]
    np.testing.assert_allclose(bicubic_taps(4), half + half[::-1], rtol=0, atol=1e-6)
    matrix = bicubic_matrix(256, 4)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-12)
    s = torch.linalg.svdvals(matrix)
    assert s.max().item() == pytest.approx(0.5, abs=1e-5)
    assert s.min().item() == pytest.approx(0.34852, abs=1e-5)


def test_bicubic_reduction_is_that_of_pil_inside() -> None:
    """PIL renormalises at the border instead of reflecting, which reaches two output pixels."""
    x = draw((1, 64, 64), 1)
    small = Image.fromarray(x[0, 0].float().numpy()).resize((16, 16), Image.Resampling.BICUBIC)
    inside = slice(2, -2)
    y = operator("sr4_bicubic", (1, 64, 64))(x)[0, 0].numpy()
    np.testing.assert_allclose(y[inside, inside], np.asarray(small)[inside, inside], rtol=0, atol=1e-5)
