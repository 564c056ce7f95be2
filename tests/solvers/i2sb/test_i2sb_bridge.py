"""The bridge: published values of its levels, its two ways to a point of it, and where it begins."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from bridges import SHAPE, bridge, draw

import invbench as ib


def test_levels_are_those_of_the_official_code() -> None:
    """Total variance 0.14103 for beta_max 0.3, sqrt of it at the end; the first is beta_0 = 1e-4."""
    levels = bridge.Bridge(0.3, False)
    ends = levels.sigma_f(torch.tensor([0, 999]), torch.zeros(1, dtype=torch.float64)).flatten().tolist()
    assert ends == pytest.approx([0.01, 0.37554], abs=5e-6)
    assert ends[1] ** 2 == pytest.approx(0.14103, abs=5e-6)


def test_a_point_has_the_mean_and_variance_of_the_posterior() -> None:
    """Sums of beta before and after a, done in a loop."""
    root = [math.sqrt(1e-4) + i / 999 * (math.sqrt(3e-4) - math.sqrt(1e-4)) for i in range(500)]
    betas = [r**2 for r in root] + [r**2 for r in reversed(root)]
    x_0, x_1, z = (draw(1, *SHAPE, image=each).double() for each in "abc")
    for a in (0, 321, 999):
        forward, backward = sum(betas[: a + 1]), sum(betas[a:])
        mean = (backward * x_0 + forward * x_1) / (forward + backward)
        std = math.sqrt(forward * backward / (forward + backward))
        index = torch.tensor([a])
        for ot_ode, expected in ((False, mean + std * z), (True, mean)):
            torch.testing.assert_close(bridge.Bridge(0.3, ot_ode).point(x_0, x_1, index, z), expected)


@pytest.mark.parametrize("ot_ode", [False, True])
def test_steps_with_the_true_image_keep_to_the_bridge(ot_ode: bool) -> None:
    """From x_1 by ten steps to a: mean and variance as of one step, to 4 sigma of 40,000 draws."""
    levels, n = bridge.Bridge(1.0, ot_ode), 40_000
    rng = ib.Rng.for_batch(n, use="steps")
    x_0, x_1 = torch.full((n, 1, 1, 1), -0.4), torch.full((n, 1, 1, 1), 0.7)
    x_a, grid = x_1, [999, 950, 900, 800, 700, 600, 500, 450, 400, 350, 300]
    for a, a_next in itertools.pairwise(grid):
        x_a = levels.step(x_a, x_0, a, a_next, rng)
    direct = levels.step(x_1, x_0, 999, 300, rng)
    assert x_a.mean().item() == pytest.approx(direct.mean().item(), abs=4 * 0.3 * math.sqrt(2 / n))
    if ot_ode:
        torch.testing.assert_close(x_a, direct)
    else:
        assert x_a.std().item() == pytest.approx(direct.std().item(), rel=4 * math.sqrt(1 / n))
        assert direct.std() > 0.1


def test_no_noise_is_added_at_the_end() -> None:
    levels, x = bridge.Bridge(1.0, False), draw(2, *SHAPE)
    rng = ib.Rng.for_images(["a", "b"])
    ends = [levels.step(x, x / 2, 500, 0, rng) for _ in range(2)]
    assert torch.equal(*ends)


def test_a_mask_is_filled_with_noise_and_other_measurements_are_images() -> None:
    rng = ib.Rng.for_images(["a"])
    mask = ib.Selection(SHAPE, torch.arange(8))
    y = draw(1, 3, 8)
    x_1, missing = bridge.start(y, mask, rng), bridge.hole(mask, y)
    assert torch.equal(x_1[:, :, :2], mask.guess(y)[:, :, :2])
    assert missing.sum() == 3 * 8
    assert (x_1[missing] != 0).all()
    blocks = ib.BlockMean(SHAPE, 2)
    small = draw(1, 3, 2, 2)
    assert bridge.hole(blocks, small) is None
    torch.testing.assert_close(bridge.start(small, blocks, rng), small.repeat_interleave(2, 2).repeat_interleave(2, 3))
    image = draw(1, *SHAPE)
    assert bridge.start(image, ib.Identity(SHAPE), rng) is image
