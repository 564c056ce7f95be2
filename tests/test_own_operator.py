"""Operators of one's own: what is taken, what is refused and how, and what identifies them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import invbench as ib

SHAPE = (3, 8, 6)


class Bad(nn.Module):
    """A linear operator whose adjoint is wrong."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(-1)

    def adjoint(self, y: Tensor) -> Tensor:
        return y.cumsum(-1)


def changing(x: Tensor) -> Tensor:
    x *= 2
    return x


@pytest.mark.parametrize(
    ("call", "linear", "message"),
    [
        (lambda x: x.square(), True, r"A is not linear: A\(2 x - 3 x'\) differs"),
        (Bad(), False, "its adjoint is not its transpose"),
        (lambda x: x - x.mean(0), False, "a row of A.x. depends on the other images of its batch, by"),
        (
            lambda x: x[:1],
            False,
            r"expected a tensor \(B, ...\) of images \(3, 3, 8, 6\), B = 3; got \(1, 3, 8, 6\)",
        ),
        (lambda x: None, False, "got NoneType"),
        (lambda x: x / 0, False, "expected finite values"),
        (lambda x: x > 0, False, "expected floating-point or complex values; got torch.bool"),
        (lambda x: x + torch.empty_like(x).normal_(), False, "differs from call to call; expected no randomness"),
        (lambda x: x.detach(), False, "cannot be differentiated; compute with torch"),
        (lambda x: (x - x).sqrt(), False, "the gradient of .* is not finite"),
        (lambda x: x @ torch.zeros(7, 7), False, r"A of a tensor \(3, 3, 8, 6\) raised RuntimeError: mat1 and mat2"),
        (changing, False, "A changes its argument in place"),
        (ib.Identity((3, 4, 4)), False, r"expected x of shape \(B, 3, 4, 4\)"),
    ],
)
def test_what_is_no_operator_is_refused_in_a_line(call: Any, linear: bool, message: str) -> None:
    with pytest.raises(ib.ConfigError, match=message) as caught:
        ib.operator_from(call, SHAPE, linear)
    assert "\n" not in str(caught.value)


def test_a_module_moves_without_its_original() -> None:
    """``to`` of a module moves it in place; the bank's operator must stay where it is."""
    module = nn.Conv2d(3, 3, 1, bias=False).requires_grad_(False)
    A = ib.operator_from(module, SHAPE, linear=True)
    moved = A.to("meta")
    assert module.weight.device.type == "cpu"
    assert moved.call.weight.device.type == "meta"  # type: ignore[attr-defined]
