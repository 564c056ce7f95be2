"""Compressed sensing keeps a quarter of a Hadamard transform."""

from __future__ import annotations

import torch
from operating import SHAPE, draw, operator
from scipy.linalg import hadamard

from invbench import Rng


def test_cs4_is_a_quarter_of_a_hadamard_transform() -> None:
    A, x = operator("cs4"), draw(SHAPE)
    order = Rng.single(task="cs4", seed=0).permutation(256)[0, :64]
    rows = torch.from_numpy(hadamard(256) / 16.0)[order]
    torch.testing.assert_close(A(x), x.flatten(2) @ rows.T, rtol=0, atol=1e-12)
