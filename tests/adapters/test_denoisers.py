"""Priors as denoisers of deepinv, its denoisers as priors, our solvers in its place, its samplers in ours."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import invbench as ib

deepinv = pytest.importorskip("deepinv", reason="needs the extra deepinv")
P = deepinv.physics
SHAPE, MU, TAU = (3, 8, 8), 0.2, 0.5  # of white images in [-1, 1]
UNIT = ((MU + 1) / 2, TAU / 2)  # of the same in [0, 1]


class White(nn.Module):
    """The denoiser of white Gaussian images in [0, 1], as one of deepinv's is called."""

    def forward(self, u: Tensor, sigma: float | Tensor, **_: Any) -> Tensor:
        m, s = UNIT
        level = torch.as_tensor(sigma, dtype=u.dtype).reshape(-1, 1, 1, 1)
        return (s**2 * u + level**2 * m) / (s**2 + level**2)


def white() -> ib.Prior:
    return ib.prior_from(White(), SHAPE, predicts="denoiser", range="[0,1]")


def draw(shape: ib.Shape, use: str = "x", rows: int = 2) -> Tensor:
    return ib.Rng.for_images([str(i) for i in range(rows)], use=use).randn(shape)


def test_a_denoiser_of_deepinv_is_a_prior() -> None:
    prior, x_t, t = white(), draw(SHAPE).double(), 400
    a = prior.alpha_bar(t)
    expected = (1 - a) ** 0.5 * (x_t - a**0.5 * MU) / (a * TAU**2 + 1 - a)
    torch.testing.assert_close(prior.eps(x_t, t), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("level", [0.02, 0.3, 20.0])
def test_a_prior_is_a_denoiser_of_deepinv(level: float) -> None:
    """Between its levels the nearest one is taken: neighbours differ by 1 %, and the image by less."""
    denoiser, u = ib.to_denoiser(white()), 0.5 + level * draw(SHAPE)
    torch.testing.assert_close(denoiser(u, level), White()(u, level), rtol=0.01, atol=0.01)
    both = denoiser(u, torch.tensor([level, 0.1]))
    torch.testing.assert_close(both[:1], denoiser(u[:1], level))
    torch.testing.assert_close(both[1:], denoiser(u[1:], 0.1))


def test_a_solver_of_ours_is_a_reconstructor_of_deepinv() -> None:
    """DDRM of many steps samples the posterior of white images, which deepinv's physics measure in [0, 1]."""
    sigma, mask = 0.1, torch.ones(SHAPE)
    mask[:, ::2] = 0
    physics = P.Inpainting(img_size=SHAPE, mask=mask, noise_model=P.GaussianNoise(sigma))
    u = UNIT[0] + UNIT[1] * draw(SHAPE, rows=1)
    y = physics(u).repeat(64, 1, 1, 1)
    model = ib.to_reconstructor(ib.plugin("solver", "ddrm")(nfe=50), white())
    samples = model(y, physics)
    gain = UNIT[1] ** 2 / (UNIT[1] ** 2 + sigma**2)
    posterior = torch.where(mask > 0, UNIT[0] + gain * (y[0] - UNIT[0]), torch.full(SHAPE, UNIT[0]))
    deviation = torch.where(mask > 0, UNIT[1] * (1 - gain) ** 0.5, torch.full(SHAPE, UNIT[1]))
    z = (samples - posterior) / deviation
    for part in (mask > 0, mask == 0):  # 64 x 96 draws: 0.013 is one deviation of a mean; DDRM is near the posterior
        assert abs(float(z[:, part].mean())) < 0.15
        assert 0.6 < float(z[:, part].std()) < 1.2
    assert torch.equal(model(y[:2], physics), samples[:2]), "row i draws what row i of any batch does"
    assert not torch.equal(
        ib.to_reconstructor(ib.plugin("solver", "ddrm")(nfe=50), white(), seed=1)(y, physics), samples
    )


def test_images_that_are_the_priors_own_are_left_in_their_range() -> None:
    """As complex ones of MRI: the pseudo-inverse shows the range without a network."""
    mask = (torch.arange(8) % 2 == 0).float()[:, None].expand(8, 8)
    physics = P.MRI(mask=mask)
    prior = ib.prior_from(White(), (2, 8, 8), predicts="denoiser")
    y = physics(draw((2, 8, 8)))
    model = ib.to_reconstructor(ib.plugin("solver", "pinv")(), prior, range="[-1,1]")
    torch.testing.assert_close(model(y, physics), physics.A_dagger(y), atol=1e-5, rtol=0)


def test_what_a_solver_does_not_take_is_refused_before_any_call() -> None:
    solver = ib.plugin("solver", "ddrm")()
    model = ib.to_reconstructor(solver, white())
    with pytest.raises(ib.UnsupportedProblem, match="solver ddrm: needs an operator of type SVDOperator"):
        model(torch.zeros(1, *SHAPE), P.Blur(filter=torch.ones(1, 1, 3, 3) / 9, padding="circular"))
    with pytest.raises(ib.UnsupportedProblem, match="needs a noise level"):
        model(torch.zeros(1, *SHAPE), P.Inpainting(img_size=SHAPE, mask=torch.ones(SHAPE)))
    with pytest.raises(ib.UnsupportedProblem, match="needs a noise level"):
        model(torch.zeros(1, *SHAPE), P.Denoising(P.PoissonGaussianNoise(gain=0.1, sigma=0.1)))
    levels = P.Denoising(P.GaussianNoise(torch.tensor([0.1, 0.2])))
    with pytest.raises(ib.ConfigError, match="expected one level of noise for the batch"):
        model(torch.zeros(2, *SHAPE), levels)
    with pytest.raises(ib.ConfigError, match=r"unknown range '0..1'"):
        ib.to_reconstructor(solver, white(), range="0..1")


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
