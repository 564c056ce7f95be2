"""Samplers of deepinv on our problems: near the posterior, and their own to the bit."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from whites import MU, SHAPE, TAU, UNIT, draw, white

import invbench as ib

deepinv = pytest.importorskip("deepinv", reason="needs the extra deepinv")
P = deepinv.physics


def mean_of(name: str, A: ib.Operator, y: Tensor, sigma: float, **options: Any) -> Tensor:
    """The mean of 16 samples of a solver of one y."""
    solver, prior = ib.plugin("solver", name)(**options), white()
    problem = ib.Problem(A, sigma, "own", "own")
    rng = ib.Rng.for_images([str(i) for i in range(16)], use="samples")
    many = y.expand(16, *y.shape[1:]).clone()
    with torch.inference_mode(not solver.needs_grad):
        return solver.solve(many, problem, prior, solver.prepare(problem, prior), rng).mean(0)


@pytest.mark.parametrize(
    ("name", "options", "most"),
    [("ddrm", {"nfe": 30}, 0.2), ("diffpir", {"nfe": 30}, 0.3), ("dps", {"nfe": 50, "weight": 200.0}, 0.3)],
)
def test_a_sampler_of_deepinv_restores_our_problems(name: str, options: dict[str, Any], most: float) -> None:
    """Against the mean of the posterior, known of white images; ``most`` is the share of the prior's deviation that the
    method itself is off by, of which sampling error of 16 is 0.05 to 0.1 where y is informative.
    """
    A, sigma = ib.BlockMean(SHAPE, 2), 0.1
    x = MU + TAU * draw(SHAPE, "truth", rows=1)
    y = A(x) + sigma * draw(A.y_shape, "noise", rows=1)
    exact = MU + A.ridge(y - A(torch.full_like(x, MU)), sigma**2 / TAU**2)
    found = mean_of(f"deepinv_{name}", A, y, sigma, **options)
    off = float((A(found[None]) - A(exact)).square().mean().sqrt() / A(x - MU).square().mean().sqrt())
    assert off < most


def test_the_sampler_is_deepinvs_own() -> None:
    """The same images as a call of deepinv with its own physics, in its range, from the same seed."""
    mask = torch.ones(SHAPE)
    mask[:, ::2] = 0
    theirs = P.Inpainting(img_size=SHAPE, mask=mask, noise_model=P.GaussianNoise(0.1))
    u = UNIT[0] + UNIT[1] * draw(SHAPE, rows=1)
    y = theirs.A(u)
    A, prior = ib.from_physics(theirs, SHAPE), white()
    solver = ib.plugin("solver", "deepinv_diffpir")(nfe=10)
    problem = ib.Problem(A, 0.2, "own", "own")
    with torch.inference_mode():
        x = solver.solve(ib.own_measurement(y, A), problem, prior, solver.prepare(problem, prior), ib.Rng.single(a=0))
    seed = 1 + int(ib.Rng.single(a=0).integers(2**31 - 1, ())[0])
    fidelity = deepinv.optim.data_fidelity.L2()
    with torch.random.fork_rng(devices=[]):
        model = deepinv.sampling.DiffPIR(ib.to_denoiser(prior), fidelity, max_iter=10, sigma=0.1)
        torch.testing.assert_close((x + 1) / 2, model(y, theirs, seed=seed), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("name", "nfe"), list(itertools.product(("ddrm", "diffpir", "dps"), (1, 1001))))
def test_calls_that_make_no_grid_are_refused(name: str, nfe: int) -> None:
    with pytest.raises(ib.ConfigError, match=f"deepinv_{name}: needs nfe from 2 to 1000; got {nfe}"):
        ib.plugin("solver", f"deepinv_{name}")(nfe=nfe)
