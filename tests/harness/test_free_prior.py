"""The prior with which a solver's calls are counted."""

from __future__ import annotations

import pytest
import torch
from made_networks import small
from running import CATALOG
from torch import Tensor, nn

import invbench as ib
from invbench.harness.free_prior import FreePrior, network_device


class Plain(ib.Prior):
    """Without a variance, and with a network elsewhere."""

    x_shape = (1, 2, 2)
    abar = torch.tensor([0.9])

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor | None]:
        return x_t, None


def test_it_predicts_no_noise_and_a_variance_where_the_prior_has_one() -> None:
    for prior, learned in ((small(), True), (Plain(), False)):
        free = FreePrior(prior)
        eps, v = free.eps_and_v(torch.ones(2, *prior.x_shape, requires_grad=True), 0)
        assert eps.abs().max() == 0
        assert eps.requires_grad, "gradients have a way back"
        assert (v is not None) is learned
        assert (free.x_shape, free.abar) == (prior.x_shape, prior.abar)


def test_its_student_is_the_priors() -> None:
    with pytest.raises(ib.UnsupportedProblem, match="Plain has no network"):
        FreePrior(Plain()).student()


def test_a_closed_form_is_on_the_cpu_and_a_network_where_its_weights_are() -> None:
    assert network_device(CATALOG.get("prior", "gmm2d")().load((1, 1, 2), "cpu")).type == "cpu"
    prior = Plain()
    prior.net = nn.Linear(1, 1, device="meta")
    assert network_device(prior).type == "meta"
