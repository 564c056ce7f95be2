"""Bicubic interpolation against PIL."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dense import draw
from invbench_solvers.bicubic import Bicubic
from PIL import Image
from solving import unaided

import invbench as ib


@pytest.mark.parametrize(("h", "w"), [(4, 4), (4, 6)])
def test_bicubic_is_that_of_pil(h: int, w: int) -> None:
    A = ib.BlockMean((1, 4 * h, 4 * w), 4)
    levels = ib.Rng.single(use="grey").integers(256, (h, w))[0].byte()
    y = levels.float()[None, None] / 127.5 - 1
    x = unaided(Bicubic(), A, y)[0, 0]
    exact = Image.fromarray(y[0, 0].numpy()).resize((4 * w, 4 * h), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(x, np.asarray(exact), rtol=0, atol=1e-5)
    # In 8 bits PIL rounds twice, once per axis, and the weights of the second axis can add up to 1.27.
    rounded = Image.fromarray(levels.numpy()).resize((4 * w, 4 * h), Image.Resampling.BICUBIC)
    np.testing.assert_allclose((x.clamp(-1, 1) + 1) * 127.5, np.asarray(rounded), rtol=0, atol=1.2)


def test_bicubic_repeats_a_grey_measurement_and_returns_one_of_full_size() -> None:
    grey = draw(2, 1, 16, 16)
    x = unaided(Bicubic(), ib.ChannelMix((3, 16, 16), torch.ones(3) / 3), grey)
    assert torch.equal(x, grey.repeat(1, 3, 1, 1))
    full = draw(2, 3, 16, 16)
    assert torch.equal(unaided(Bicubic(), ib.Identity((3, 16, 16)), full), full)


@pytest.mark.parametrize(
    "A",
    [ib.Selection((3, 4, 4), torch.arange(8)), ib.Hadamard((3, 4, 4), torch.arange(16), 4)],
    ids=["selection", "hadamard"],
)
def test_bicubic_skips_measurements_that_are_no_images(A: ib.Operator) -> None:
    reason = Bicubic().skip(ib.Problem(A, 0.1, "some_task", "data"), ib.GmmPrior(ib.patch_mixture(), (3, 16, 16)))
    assert reason is not None
    assert "measurement of some_task has shape" in reason
    assert str(A.y_shape) in reason
