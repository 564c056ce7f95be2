"""Unconditional DDIM."""

from __future__ import annotations

import pytest
import torch
from solving import first_pixel, make, restore, white


def test_ddim_samples_the_prior_whatever_the_measurement() -> None:
    a, _ = restore(make("ddim"), torch.zeros(2000, 1, 1), first_pixel(), 0.1, white(2, 0.5))
    b, _ = restore(make("ddim"), torch.ones(2000, 1, 1), first_pixel(), 0.1, white(2, 0.5))
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert abs(float(a.mean())) < 0.03, "4000 draws of standard deviation 0.5: four standard errors"
    assert float(a.std()) == pytest.approx(0.5, abs=0.03)
