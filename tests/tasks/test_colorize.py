"""Colorization measures the mean of the channels."""

from __future__ import annotations

import numpy as np
import torch
from operating import OBLONG, draw, operator


def test_colorize_is_the_mean_of_the_channels() -> None:
    A, x = operator("colorize", OBLONG), draw(OBLONG)
    y = A(x)
    weights = torch.tensor([0.3333, 0.3334, 0.3333], dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(y, (weights * x).sum(1, keepdim=True), rtol=0, atol=1e-7)
    np.testing.assert_allclose(A.s, 0.57735, atol=1e-6)
    torch.testing.assert_close(A.pinv(y), weights * y / weights.square().sum(), rtol=0, atol=1e-6)
