"""What the references stand on: matrices of operators, and the noise prediction of a Gaussian."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from dense import Case, abar_of, each_case
from solving import white

import invbench as ib


@each_case
def test_the_matrices_are_those_of_the_operators(case: Case) -> None:
    eye = torch.eye(len(case.V), dtype=torch.float64).reshape(-1, *case.A.x_shape)
    np.testing.assert_allclose(case.A(eye).flatten(1).T, case.H, atol=1e-12)
    np.testing.assert_allclose(case.V.T @ case.V, np.eye(len(case.V)), atol=1e-12)
    np.testing.assert_allclose(case.U * case.s @ case.V[:, : len(case.s)].T, case.H, atol=1e-12)


@pytest.mark.parametrize("t", [0, 300, 999])
def test_the_noise_prediction_of_a_gaussian_is_the_closed_form(t: int) -> None:
    """Spec 7, item 7: a prior N(0.1, 0.2^2 I)."""
    prior = ib.GmmPrior(white(4096, 0.2, 0.1), (1, 64, 64))
    x, a = ib.Rng.for_images(["x"]).randn((1, 64, 64)).double(), abar_of(t)
    expected = math.sqrt(1 - a) * (x - math.sqrt(a) * 0.1) / (a * 0.2**2 + 1 - a)
    torch.testing.assert_close(prior.eps(x, t), expected, rtol=1e-9, atol=1e-9)
