"""Random crops of training images."""

from __future__ import annotations

import pytest
import torch

import invbench as ib
from invbench.priors.adm.crop import random_crop


def test_crops_are_parts_of_their_images_and_differ() -> None:
    x = torch.arange(4 * 64, dtype=torch.float32).view(4, 1, 8, 8)
    crops = random_crop(x, 3, ib.Rng.for_images(list("abcd"), use="crop"))
    corners = crops[:, 0, 0, 0] - x[:, 0, 0, 0]
    assert crops.shape == (4, 1, 3, 3)
    assert len(corners.unique()) > 1
    assert torch.equal(crops - crops[:, :, :1, :1], (x - x[:, :, :1, :1])[:, :, :3, :3])
    with pytest.raises(ib.ConfigError, match=r"the training images are 8x8, smaller than the crop of 9; lower"):
        random_crop(x, 9, ib.Rng.for_images(list("abcd")))
