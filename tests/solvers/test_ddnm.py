"""DDNM in the limit of a clean measurement."""

from __future__ import annotations

import torch
from solving import PLANE, make, restore

import invbench as ib


def test_ddnm_returns_a_clean_measurement_of_everything() -> None:
    y = torch.tensor([[0.3, -0.5], [0.1, 0.2]]).reshape(2, *PLANE)
    x_hat, _ = restore(make("ddnm"), y, ib.Identity(PLANE), 0.0)
    torch.testing.assert_close(x_hat, y, rtol=0, atol=1e-6)
