"""Denoising measures the image itself."""

from __future__ import annotations

import torch
from operating import SHAPE, draw, operator


def test_denoise_measures_the_image_itself() -> None:
    x = draw(SHAPE)
    assert torch.equal(operator("denoise")(x), x)
