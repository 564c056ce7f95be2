"""The losses against closed forms and RED-diff."""

from __future__ import annotations

import pytest
import torch
from davi_parts import CATALOG, SHAPE, draw, losses, plane_prior

import invbench as ib


def test_the_gradient_of_the_divergence_is_the_difference_of_predictions() -> None:
    x, theta, psi = draw(2, *SHAPE).requires_grad_(), draw(2, *SHAPE, use="theta"), draw(2, *SHAPE, use="psi")
    (gradient,) = torch.autograd.grad(losses.ikl(x, theta, psi), x)
    torch.testing.assert_close(gradient, (theta - psi) / x.numel())
    (zero,) = torch.autograd.grad(losses.ikl(x, theta, theta), x)
    assert not zero.any()


def test_the_weightings_are_those_of_their_papers() -> None:
    """Of eq. 11, w(t) (s_psi - s_theta) d x_t / d x0, scores -eps / sqrt(1 - abar), d x_t / d x0 = sqrt(abar)."""
    x_t, theta, psi = (draw(2, *SHAPE, use=use).double() for use in ("x_t", "theta", "psi"))
    x = draw(2, *SHAPE).double().requires_grad_()
    abar = torch.tensor([0.9, 0.2]).double()
    a = abar[:, None, None, None]
    slope = (theta - psi) / (1 - a).sqrt() * a.sqrt()  # (s_psi - s_theta) d x_t / d x0
    x0_theta, x0_psi = ((x_t - (1 - a).sqrt() * eps) / a.sqrt() for eps in (theta, psi))
    error = (x.detach() - x0_theta).abs().flatten(1).mean(1)[:, None, None, None]
    expected = {"code": ((1 - a) / a).sqrt() * slope, "constant": slope, "dmd": (x0_psi - x0_theta) / error}
    for weighting, gradient in expected.items():
        weight = losses.weight(weighting, x.detach(), x_t, theta, abar)
        (found,) = torch.autograd.grad(losses.ikl(x, theta, psi, weight), x)
        torch.testing.assert_close(found, gradient / x.numel())


@pytest.mark.parametrize("abar", [0.9, 0.5, 0.05])
def test_the_gradient_is_that_of_the_kl_divergence_between_gaussians(abar: float) -> None:
    """In one dimension everything is known: brute force over a million draws against the derivative of the integral.

    q = N(mu, s^2), p = N(m, r^2); diffused, their KL is 1/2 (V/W - 1 - ln(V/W) + a (mu - m)^2 / W), and moving mu by
    d moves it by a (mu - m) / W d. The pseudo-loss leaves out the factor sqrt(abar / (1 - abar)).
    """
    mu, s, m, r = 0.4, 0.3, -0.2, 0.5
    V, W = abar * s**2 + 1 - abar, abar * r**2 + 1 - abar
    rng = ib.Rng.single(use="kl")
    x0, eps = mu + s * rng.randn((1_000_000,))[0].double(), rng.randn((1_000_000,))[0].double()
    x_t = abar**0.5 * x0 + (1 - abar) ** 0.5 * eps
    noise = (1 - abar) ** 0.5
    eps_psi, eps_theta = noise * (x_t - abar**0.5 * mu) / V, noise * (x_t - abar**0.5 * m) / W
    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(losses.ikl(x0 + shift, eps_theta, eps_psi), shift)
    expected = abar * (mu - m) / W * ((1 - abar) / abar) ** 0.5
    assert gradient.item() == pytest.approx(expected, abs=4e-3)


def test_consistency_supervision_and_their_inpainting_and_photon_forms() -> None:
    x0, x_hat = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    x_hat[..., 0] = 3.0
    A = ib.Selection((3, 2, 2), torch.tensor([0, 2]))  # the left column
    assert losses.supervised(x0, x_hat, A, 0.0).item() == 5.0
    assert losses.supervised(x0, x_hat, A, 1.0).item() == pytest.approx(0.1 * 5 + 9)
    y, Hx = torch.tensor([[0.0, -1.0]]), torch.tensor([[0.4, -0.8]])
    assert losses.consistency(y, Hx).item() == pytest.approx((0.16 + 0.04) / 2)
    photon = (0.04 / (2 * 0.5) + 0.01 / (2 / 255)) / 2  # an empty bin counts as one photon
    assert losses.consistency(y, Hx, poisson=True).item() == pytest.approx(photon)


def test_the_schedules_of_the_divergence() -> None:
    prior = plane_prior()
    linear, quad, mapped = (losses.Diffusion(name, 1000, prior) for name in ("linear", "quad", "quad_mapped"))
    assert linear.abar[499].item() == pytest.approx(0.0785872, rel=1e-5)
    assert quad.abar[499].item() == mapped.abar[499].item() == pytest.approx(0.333188, rel=1e-5)
    assert quad.index[499] == 499
    assert [mapped.index[t].item() for t in (0, 99, 249, 499, 749, 999)] == [0, 48, 135, 326, 565, 843]


def test_times_stay_below_T_and_the_gaussian_case_has_its_spread() -> None:
    prior = plane_prior()
    diffusion = losses.Diffusion("linear", 5, prior)
    rng = ib.Rng.for_images([str(i) for i in range(2000)], use="t")
    _, t, _, _ = diffusion.draw(torch.zeros(2000, 1, 1, 2), rng)
    assert sorted(t.unique().tolist()) == [0, 1, 2, 3, 4]
    diffusion = losses.Diffusion("linear", 1000, prior)
    std = 0.7
    x_t, t, _, eps = diffusion.draw(torch.zeros(2000, 1, 1, 2), rng, std)
    abar = prior.abar[t].float()[:, None, None, None]
    score = -x_t / (abar * std**2 + 1 - abar)  # of N(0, abar std^2 + 1 - abar)
    torch.testing.assert_close(eps, -((1 - abar) ** 0.5) * score, rtol=1e-3, atol=1e-4)


def test_mapped_times_are_for_the_network_and_the_noise_has_its_own() -> None:
    diffusion = losses.Diffusion("quad_mapped", 1000, plane_prior())
    rng = ib.Rng.for_images([str(i) for i in range(50)], use="mapped")
    x_t, t, index, eps = diffusion.draw(torch.zeros(50, 1, 1, 2), rng)
    assert torch.equal(index, diffusion.index[t])
    assert (index != t).any()
    torch.testing.assert_close(x_t, (1 - diffusion.abar[t].float()).sqrt()[:, None, None, None] * eps)


@pytest.mark.parametrize("lam", [0.25, 2.0])
def test_red_diff_is_davi_with_a_dirac_posterior_and_without_a_network(lam: float) -> None:
    """A.2: the mean mu in the place of phi's image, at RED-diff's times; twelve steps of Adam from the same state."""
    prior, A = plane_prior(), ib.Selection((1, 1, 2), torch.tensor([0]))
    y, problem = torch.tensor([[[0.7]]]), ib.Problem(A, 0.1, "task", "dataset")
    solver = CATALOG.get("solver", "red_diff")(nfe=12, lam=lam, lr=0.05, weight="const")
    theirs = solver.solve(y, problem, prior, None, ib.Rng.for_images(["a"], use="red"))

    rng, mu = ib.Rng.for_images(["a"], use="red"), A.guess(y).clone().requires_grad_()
    adam = torch.optim.Adam([mu], lr=0.05, betas=(0.9, 0.99))
    for t in ib.stride_grid(12):
        eps, abar = rng.randn_like(mu), prior.alpha_bar(t)
        x_t = abar**0.5 * mu.detach() + (1 - abar) ** 0.5 * eps
        divergence = losses.ikl(mu, prior.eps(x_t, t), eps, weight=lam)  # psi's prediction is eps
        adam.zero_grad()
        (0.5 * losses.consistency(y, A(mu)) + divergence).backward()
        adam.step()
    torch.testing.assert_close(mu.detach(), theirs, rtol=1e-4, atol=1e-5)


def test_the_gaussian_posterior_tends_to_its_closed_form() -> None:
    """A.2 with a white prior N(m, r^2): mu of the least divergence is m, and the pull is linear."""
    m, r, std = 0.3, 0.5, 0.2
    rng = ib.Rng.single(use="closed")
    for abar in (0.9, 0.4):
        eps = rng.randn((400_000,))[0].double()
        mu = torch.tensor(-0.1, dtype=torch.float64, requires_grad=True)
        spread = (abar * std**2 + 1 - abar) ** 0.5
        x_t = abar**0.5 * mu.detach() + spread * eps
        eps_theta = (1 - abar) ** 0.5 * (x_t - abar**0.5 * m) / (abar * r**2 + 1 - abar)
        (gradient,) = torch.autograd.grad(losses.ikl(mu, eps_theta, (1 - abar) ** 0.5 / spread * eps), mu)
        expected = (1 - abar) ** 0.5 * abar**0.5 * (-0.1 - m) / (abar * r**2 + 1 - abar)
        assert gradient.item() == pytest.approx(expected, abs=4 / 400_000**0.5)


def test_the_dirac_posterior_has_the_update_of_red_diff() -> None:
    """Eq. 36: eps_theta - eps, RED-diff's prior term, at the same noise and time."""
    prior, mu, rng = plane_prior(), draw(4, 1, 1, 2).requires_grad_(), ib.Rng.for_images(list("abcd"), use="red")
    x_t, t, _, eps = losses.Diffusion("linear", 1000, prior).draw(mu.detach(), rng)
    (ours,) = torch.autograd.grad(losses.ikl(mu, prior.eps(x_t, t), eps), mu)
    red_diff = (prior.eps(x_t, t) - eps).detach()
    (theirs,) = torch.autograd.grad((red_diff * mu).mean(), mu)
    assert torch.equal(ours, theirs)
