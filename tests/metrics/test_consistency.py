"""Data consistency: the truth has one, and so has the printed formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_images import measurement, pair

from invbench import BlockMean, SVDOperator
from invbench.metrics.consistency import Consistency


@pytest.mark.parametrize(
    ("noise", "tolerance"),
    [
        # a root mean square of 4 * 3072 values has a standard error of 0.64 %
        ("gaussian 0.1 [-1,1]", 0.026),
        ("gaussian 0.1 [0,1]", 0.026),
        ("uniform 0.01..0.1 [-1,1]", 0.026),
        ("poisson 4.0", 0.03),
    ],
)
def test_the_truth_is_consistent(noise: str, tolerance: float) -> None:
    _, x = pair((3, 32, 32))
    values = Consistency()(x * 0.6, measurement(x * 0.6, noise=noise))
    assert values.mean().item() == pytest.approx(1, abs=tolerance)


def test_the_truth_is_consistent_through_an_operator() -> None:
    _, x = pair((3, 64, 64))
    values = Consistency()(x, measurement(x, BlockMean((3, 64, 64), 2)))
    assert values.mean().item() == pytest.approx(1, abs=0.026)


@pytest.mark.parametrize("noise", ["gaussian 0.1 [-1,1]", "uniform 0.01..0.1 [-1,1]", "poisson 1.0"])
def test_the_pseudo_inverse_of_denoising_fits_the_noise(noise: str) -> None:
    _, x = pair()
    m = measurement(x, noise=noise)
    assert isinstance(m.A, SVDOperator)
    assert Consistency()(m.A.pinv(m.y), m).abs().max().item() < 1e-6


def test_a_wrong_image_is_inconsistent() -> None:
    x_hat, x = pair()
    assert (Consistency()(x_hat.flip(0), measurement(x)) > 3).all()


def test_consistency_is_the_printed_formula() -> None:
    x_hat, x = pair()
    m = measurement(x, noise="uniform 0.05..0.5 [-1,1]")
    expected = [math.sqrt(float((((m.y[i] - x_hat[i]) / m.std[i]) ** 2).double().mean())) for i in range(4)]
    np.testing.assert_allclose(Consistency()(x_hat, m), expected, rtol=1e-6)
