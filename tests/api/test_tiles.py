"""Large images in tiles, and how they are joined."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import invbench
from invbench.api.tiles import Tiling


def test_tiles_are_joined_without_seams() -> None:
    tiling = Tiling(50, 41, 20, 16, 6)
    x = invbench.Rng.single(use="x").randn((2, 50, 41))
    tiles = [x[..., top : top + 20, left : left + 16] for top, left in tiling.corners]
    torch.testing.assert_close(tiling.join(tiles), x)


@pytest.mark.parametrize(("length", "size", "overlap"), [(50, 20, 6), (40, 40, 8), (41, 40, 39), (100, 7, 0)])
def test_tiles_cover_a_side_and_the_last_one_ends_it(length: int, size: int, overlap: int) -> None:
    tops = sorted({top for top, _ in Tiling(length, 1, size, 1, overlap).corners})
    assert {at for top in tops for at in range(top, top + size)} == set(range(length))
    assert tops[-1] + size == length
    assert all(after - before <= size - overlap for before, after in pairwise(tops))


def test_a_pixel_of_two_tiles_is_a_mean_whose_weights_rise_away_from_the_border() -> None:
    tiles = [torch.zeros(1, 1, 6), torch.ones(1, 1, 6)]
    joined = Tiling(1, 10, 1, 6, 2).join(tiles)[0, 0]
    assert joined.tolist() == pytest.approx([0, 0, 0, 0, 1 / 3, 2 / 3, 1, 1, 1, 1])
