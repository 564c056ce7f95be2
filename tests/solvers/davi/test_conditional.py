"""A psi that sees the measurement: it begins as the one that does not, and learns from it."""

from __future__ import annotations

import pytest
import torch
from invbench_solvers.davi.conditional import conditioned

import invbench as ib
from invbench import ConfigError, Rng
from invbench.priors.adm.sources import AdmGmm

SHAPE = (3, 16, 16)
T = torch.tensor([10, 700])


def images(purpose: str) -> torch.Tensor:
    return Rng.for_images(["a", "b"], purpose=purpose).randn(SHAPE)


def test_it_begins_by_ignoring_the_measurement() -> None:
    prior = AdmGmm().load(SHAPE, "cpu")
    seen = torch.cat([images("x"), images("y")], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(conditioned(prior.student()).eps(seen, T), prior.eps(images("x"), T))


def test_it_learns_from_the_measurement() -> None:
    psi = conditioned(AdmGmm().load(SHAPE, "cpu").student())
    psi.eps(torch.cat([images("x"), images("y")], dim=1), T).square().mean().backward()
    assert float(psi.net.input_blocks[0][0].weight.grad[:, 3:].abs().max()) > 0


def test_a_network_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"training\.conditional needs a prior that is an ADM network"):
        conditioned(ib.MlpPrior((1, 1, 2), ib.GmmPrior(ib.planar_mixture(), (1, 1, 2)).abar))
