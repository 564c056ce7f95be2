"""PiGDM against the formula, and where its guidance is exact."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from dense import CASES, Case, Noise, agree, each_case
from references import slow_pigdm
from solving import make, solve

import invbench as ib
from invbench.priors.gmm import Covariance, GaussianMixture


@each_case
@pytest.mark.parametrize(("eta", "noisy"), [(1.0, True), (0.3, True), (1.5, True), (1.0, False)])
def test_pigdm_is_the_formula(case: Case, eta: float, noisy: bool) -> None:
    agree(make("pigdm", nfe=10, eta=eta, noisy=noisy), case, slow_pigdm(case, eta, noisy))


def test_the_guidance_of_pigdm_is_exact_for_a_prior_of_variance_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """x0_hat plus the guidance is E[x_0 | x_t, y] where tau = 1.

    One step of a schedule with abar = 1/2 ends in x0_hat + sqrt(1/2) sqrt(1/2) bracket, as d x0_hat / d x_t is
    sqrt(1/2); the exact mean is that of a Gaussian seen twice, as x_t and as y.
    """
    case, sigma, n = CASES["means"], 0.6, 16
    y, flat = case.measured()
    covariance = Covariance.diagonal(torch.ones(n, dtype=torch.float64))
    mu = np.linspace(-0.9, 0.9, n)
    prior = ib.GmmPrior(
        GaussianMixture(torch.ones(1).double(), torch.from_numpy(mu)[None], (covariance,)), case.A.x_shape
    )
    prior.abar = torch.full((1000,), 0.5, dtype=torch.float64)
    solver = make("pigdm")
    monkeypatch.setattr(sys.modules[type(solver).__module__], "stride_grid", lambda nfe: [0])
    x = solve(solver, y, case.A, sigma, prior).flatten().numpy()
    x_t = math.sqrt(0.5) * np.linalg.pinv(case.H) @ flat + math.sqrt(0.5) * Noise()(n)
    x0_hat = mu + math.sqrt(0.5) * (x_t - math.sqrt(0.5) * mu)
    precision = np.eye(n) + np.eye(n) + case.H.T @ case.H / sigma**2  # of the prior, of x_t, of y
    exact = np.linalg.solve(precision, mu + x_t / math.sqrt(0.5) + case.H.T @ flat / sigma**2)
    np.testing.assert_allclose(x0_hat + 2 * (x - x0_hat), exact, rtol=0, atol=1e-6)
