"""The network that has learned the patch mixture, against the mixture's exact prediction."""

from __future__ import annotations

import pytest
import torch

import invbench as ib
from invbench import Rng
from invbench.priors.adm.sources import AdmGmm

SHAPE = (3, 16, 16)


@pytest.mark.parametrize(("t", "bar"), [(20, 0.04), (100, 0.01), (400, 0.004), (900, 0.004)])
def test_its_prediction_is_near_the_exact_one(t: int, bar: float) -> None:
    """Twice what the model card says or more: 32 draws, not 256."""
    exact, learned = ib.GmmPrior(ib.patch_mixture(), SHAPE), AdmGmm().load(SHAPE, "cpu")
    rng = Rng.for_images([str(i) for i in range(32)], purpose="error")
    x = ib.patch_mixture().sample(rng).float().reshape(-1, *SHAPE)
    abar = exact.alpha_bar(t)
    x_t = abar**0.5 * x + (1 - abar) ** 0.5 * rng.randn_like(x)
    with torch.inference_mode():
        want, got = exact.eps(x_t, t), learned.eps(x_t, t)
    assert float((got - want).square().mean() / want.square().mean()) < bar


def test_students_of_the_mixture_begin_with_it() -> None:
    student = ib.GmmPrior(ib.patch_mixture(), SHAPE).student()
    learned = AdmGmm().load(SHAPE, "cpu")
    for one, other in zip(student.net.parameters(), learned.net.parameters(), strict=True):
        assert torch.equal(one, other.float())
