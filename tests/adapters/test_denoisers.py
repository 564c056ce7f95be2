"""Priors as denoisers of deepinv, its denoisers as priors, our solvers in its place, its samplers in ours."""

from __future__ import annotations

import pytest
import torch
from whites import MU, SHAPE, TAU, UNIT, White, draw, white

import invbench as ib

deepinv = pytest.importorskip("deepinv", reason="needs the extra deepinv")
P = deepinv.physics


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
