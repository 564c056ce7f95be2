"""The variational bound against torch's distributions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

import invbench as ib
from invbench.schedule import alpha_bar, ancestral_step, linear_betas

ABAR = torch.from_numpy(alpha_bar(linear_betas()))


def draw(use: str) -> Tensor:
    return ib.Rng.single(use=use).randn((2, 3, 4, 4))[0].double()


def problem(t: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x0, eps, v = draw("x0").clamp(-1, 1), draw("eps"), draw("v").clamp(-1, 1)
    return x0, ABAR[t].sqrt() * x0 + (1 - ABAR[t]).sqrt() * draw("noise"), eps, v


@pytest.mark.parametrize("t", [1, 400, 999])
def test_terms_are_the_divergence_of_the_ancestral_step_from_the_posterior(t: int) -> None:
    x0, x_t, eps, v = problem(t)
    x0_hat = (x_t - (1 - ABAR[t]).sqrt() * eps) / ABAR[t].sqrt()
    a_t, a_s = ABAR[t].item(), ABAR[t - 1].item()
    q_mean, q_std = ancestral_step(x_t, x0, None, a_t, a_s)
    p_mean, p_std = ancestral_step(x_t, x0_hat, v, a_t, a_s)
    assert isinstance(p_std, Tensor)
    expected = kl_divergence(Normal(q_mean, q_std), Normal(p_mean, p_std)).flatten(1).mean(1) / math.log(2)
    torch.testing.assert_close(
        ib.variational_bound(x0, x_t, torch.tensor([t, t]), eps, v, ABAR), expected, rtol=1e-6, atol=0
    )


def test_the_probabilities_of_all_levels_add_up_to_one() -> None:
    x_t, eps, v = (torch.zeros(256, 1, 1, 1).double() for _ in range(3))
    x0 = (torch.arange(256).double() / 127.5 - 1).view(256, 1, 1, 1)
    bits = ib.variational_bound(x0, x_t, torch.zeros(256).long(), eps, v, ABAR)
    assert (2**-bits).sum().item() == pytest.approx(1, abs=1e-6)


def test_a_detached_prediction_trains_the_variance_alone() -> None:
    x0, x_t, eps, v = problem(300)
    v.requires_grad_()
    ib.variational_bound(x0, x_t, torch.tensor([300, 300]), eps, v, ABAR).sum().backward()
    assert v.grad is not None
    assert v.grad.abs().min() > 0
