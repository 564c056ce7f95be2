"""Inpainting: which pixels are missing, and for whom."""

from __future__ import annotations

import math

import torch
from operating import CATALOG, OBLONG, SHAPE, draw, operator
from torch import Tensor

from invbench import LinearOperator, Rng


def test_inpaint_keeps_the_pixels_outside_the_box_and_its_inverse_zero_fills() -> None:
    A, x = operator("inpaint", OBLONG, box=6), draw(OBLONG)
    mask = torch.ones(16, 32, dtype=torch.bool)
    mask[5:11, 13:19] = False
    y = A(x)
    assert torch.equal(y, x[:, :, mask])
    assert torch.equal(A.pinv(y), x * mask)


def test_inpaint_of_the_paper_misses_the_centre() -> None:
    A = operator("inpaint", (3, 256, 256))
    mask = A.pinv(torch.ones(1, *A.y_shape))[0] == 1
    assert math.prod(A.y_shape) == 147456
    assert not mask[:, 64:192, 64:192].any()
    assert mask.sum() == 147456


def test_a_square_is_missing_somewhere_else_for_another_draw_and_the_same_in_all_channels() -> None:
    def hole(seed: int) -> Tensor:
        A = CATALOG.get("task", "inpaint_anywhere")(box=3).operator((3, 8, 12), Rng.single(seed=seed))
        assert isinstance(A, LinearOperator)
        return A.T(A(torch.ones(1, 3, 8, 12)))[0] == 0

    holes = [hole(seed) for seed in range(6)]
    assert {int(h.sum()) for h in holes} == {27}
    assert len({str(h.nonzero().tolist()) for h in holes}) > 1
    for h in holes:
        assert torch.equal(h[0], h[1])
        rows, cols = h[0].any(1).nonzero(), h[0].any(0).nonzero()
        assert rows.max() - rows.min() == cols.max() - cols.min() == 2


def test_inpaint_random_misses_the_same_share_in_every_channel() -> None:
    A, x = operator("inpaint_random", missing=0.7), draw(SHAPE)
    mask = A.pinv(torch.ones(1, *A.y_shape))[0] == 1
    assert mask.sum().item() == 3 * (256 - round(0.7 * 256))
    assert torch.equal(mask, mask[:1].expand_as(mask))
    assert torch.equal(A(x), x[:, :, mask[0]])


def test_strokes_leave_the_same_pixels_of_every_channel_and_are_as_wide_as_the_brush() -> None:
    A, x = operator("inpaint_strokes", strokes=1, width=5), torch.ones(1, *SHAPE)
    missing = 1 - A.pinv(A(x))[0]
    assert torch.equal(missing[0], missing[1])
    assert torch.equal(missing[0], missing[2])
    area = missing[0].sum().item()
    assert 10 < area <= 8 * 6 + 30, "8 steps of a disc of diameter 5, less what is outside of the image"
