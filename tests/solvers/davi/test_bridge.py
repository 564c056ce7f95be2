"""The bridge and the measurement as an image."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from davi_parts import CATALOG, SHAPE, bridge, draw

import invbench as ib


def make_bridge(schedule: str = "i2sb", output: str = "tanh", perturbation: str = "rising", h: float = 0.1) -> Any:
    return bridge.Bridge(schedule, output, perturbation, h)


@pytest.mark.parametrize(
    ("a", "sigma"), [(0, 0.999954), (99, 0.986921), (249, 0.910530), (499, 0.501300), (749, 0.090307)]
)
def test_the_share_of_the_clean_image_is_that_of_the_paper(a: int, sigma: float) -> None:
    assert make_bridge().sigma[a].item() == pytest.approx(sigma, rel=1e-5)
    assert make_bridge().sigma[999].item() == pytest.approx(4.557e-5, rel=1e-3)


@pytest.mark.parametrize(("a", "sigma"), [(499, 0.7475), (749, 0.4356)])
def test_the_linear_bridge_is_that_of_the_papers_integrals(a: int, sigma: float) -> None:
    assert make_bridge("linear").sigma[a].item() == pytest.approx(sigma, abs=5e-4)  # index a is time a / 999


@pytest.mark.parametrize(("schedule", "end_of_bridge"), [("i2sb", 0.0999267), ("linear", 0.0999960)])
def test_the_bridge_runs_from_the_clean_image_to_the_perturbed_measurement(schedule: str, end_of_bridge: float) -> None:
    b, x0, y, z = make_bridge(schedule), draw(1, *SHAPE), draw(1, *SHAPE, use="y"), draw(1, *SHAPE, use="z")
    clean, end = (b.point(x0, y, torch.tensor([a]), z) for a in (0, 999))
    torch.testing.assert_close(clean, x0, rtol=0, atol=2e-3)
    torch.testing.assert_close(end, y + end_of_bridge * z, rtol=0, atol=2e-4)
    torch.testing.assert_close(make_bridge(schedule, perturbation="constant").sigma_bar, torch.ones(1000).double())


def test_equation_14_adds_noise_within_the_bridge() -> None:
    """sigma_a (1 - sigma_a): a quarter in its middle, next to nothing at its ends."""
    plain, more = make_bridge(), make_bridge(perturbation="eq14")
    zero, z = torch.zeros(1, *SHAPE), draw(1, *SHAPE, use="z")
    for a in (0, 300, 499, 999):
        index = torch.tensor([a])
        added = more.point(zero, zero, index, z) - plain.point(zero, zero, index, z)
        sigma = plain.sigma[a].item()
        torch.testing.assert_close(added, sigma * (1 - sigma) * z, rtol=1e-3, atol=1e-5)
    assert (more.noise - plain.noise).max().item() == pytest.approx(0.25, abs=1e-3)


def test_the_output_maps_are_those_of_code_and_paper() -> None:
    y_a, out, a = draw(2, *SHAPE), draw(2, *SHAPE, use="out"), torch.tensor([999, 499])
    sigma_f = torch.tensor([1.481319, 1.047451])[:, None, None, None]
    torch.testing.assert_close(make_bridge().image(y_a, out, a), torch.tanh(y_a - sigma_f * out))
    alpha = torch.tensor([7.33412e-4, 0.333188])[:, None, None, None]
    torch.testing.assert_close(make_bridge(output="paper").image(y_a, out, a), y_a + alpha * out)
    own = torch.from_numpy(ib.alpha_bar(ib.linear_betas()))[[999, 499]].float()[
        :, None, None, None
    ]  # of the paper's own schedule (difference 3)
    torch.testing.assert_close(make_bridge("linear", output="paper").image(y_a, out, a), y_a + own * out)


def test_bridge_indices_have_the_density_of_the_paper() -> None:
    rng = ib.Rng.for_images([str(i) for i in range(4000)], use="a")
    a = bridge.draw_a("beta", rng).double()
    assert (a.min() >= 0) & (a.max() <= 999)
    assert a.mean().item() == pytest.approx(750, abs=10)
    assert (a < 500).double().mean().item() == pytest.approx(1 / 8, abs=0.02)
    assert bridge.draw_a("uniform", rng).double().mean().item() == pytest.approx(500, abs=20)
    assert bridge.draw_a("end", rng).unique().tolist() == [999]


def test_the_measurement_becomes_an_image_as_in_the_official_code() -> None:
    y = draw(1, 3, 2, 2)
    enlarged = bridge.network_input(y, ib.BlockMean(SHAPE, 4))
    torch.testing.assert_close(enlarged[..., :2, :2], y[..., :1, :1].expand(-1, -1, 2, 2))
    keep = torch.arange(10)
    filled = bridge.network_input(draw(1, 3, 10), ib.Selection(SHAPE, keep))
    assert (filled.flatten(2)[..., 10:] == 0).all()
    gray = bridge.network_input(draw(1, 1, 8, 8), ib.ChannelMix(SHAPE, torch.tensor([0.3333, 0.3334, 0.3333])))
    torch.testing.assert_close(gray, draw(1, 1, 8, 8).expand(-1, 3, -1, -1), rtol=1e-3, atol=1e-3)
    same = draw(1, *SHAPE)
    assert bridge.network_input(same, ib.Identity(SHAPE)) is same
    spectrum = CATALOG.get("task", "phase_retrieval")().operator(SHAPE, ib.Rng.single())
    larger = draw(1, *spectrum.y_shape)
    torch.testing.assert_close(bridge.network_input(larger, spectrum), spectrum.guess(larger))


def test_a_smooth_initialisation_keeps_what_is_measured_and_covers_the_masked_region() -> None:
    ramp = torch.linspace(-1, 1, 32).expand(2, 3, 32, 32)
    measured = torch.ones(1, 1, 32, 32)
    measured[..., 8:24, 8:24] = 0
    initialised = bridge.filled(ramp * measured, measured.expand_as(ramp))
    assert torch.equal(initialised * measured, ramp * measured)
    assert (initialised - ramp).abs().max() < 0.35  # of 2
    torch.testing.assert_close(bridge.filled(torch.ones_like(ramp), measured.expand_as(ramp)), torch.ones_like(ramp))


def test_the_masked_region_of_inpainting_gets_the_noise_of_the_official_code() -> None:
    A, rng = ib.Selection((3, 64, 64), torch.arange(2048)), ib.Rng.for_images(["a"], use="hole")
    filled = bridge.network_input(draw(1, 3, 2048), A, hole=0.05, rng=rng).flatten(2)
    assert torch.equal(filled[..., :2048], draw(1, 3, 2048))
    assert filled[..., 2048:].std().item() == pytest.approx(0.05, rel=0.05)
