"""A small network of closed forms' own: its shapes, its start, its step for all."""

from __future__ import annotations

import torch

from invbench.priors.mlp import Mlp, MlpPrior

ABAR = torch.linspace(0.99, 0.01, 10, dtype=torch.float64)


def test_it_begins_alike_each_time_and_leaves_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    one, two = (MlpPrior((1, 2, 3), ABAR) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.net.parameters(), two.net.parameters(), strict=True))


def test_rows_are_predicted_alone_and_in_the_type_of_the_image() -> None:
    prior = MlpPrior((1, 2, 3), ABAR)
    x = torch.linspace(-1, 1, 18, dtype=torch.float64).reshape(3, 1, 2, 3)
    eps, v = prior.eps_and_v(x, 4)
    assert (eps.shape, eps.dtype, v) == (x.shape, torch.float64, None)
    torch.testing.assert_close(prior.eps(x[1:2], 4), eps[1:2])
    torch.testing.assert_close(prior.eps(x, torch.tensor([4, 4, 4])), eps)
    assert not torch.allclose(prior.eps(x, 5), eps)


def test_every_weight_has_a_gradient() -> None:
    net = Mlp((1, 2, 2), 8)
    net(torch.ones(2, 1, 2, 2), torch.tensor([1, 3])).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
