"""Global generators are moved on for a check, and put back after it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from invbench.testing.generators import other_global_state


def draws() -> tuple[float, float, float]:
    return torch.rand(()).item(), float(np.random.random()), random.random()


def test_they_are_moved_on_and_put_back_also_after_an_error() -> None:
    with other_global_state() as before:
        pass
    torch_state, numpy_state, own = torch.get_rng_state(), np.random.get_state(), random.getstate()
    first = draws()
    torch.set_rng_state(torch_state), np.random.set_state(numpy_state), random.setstate(own)
    with pytest.raises(ZeroDivisionError), other_global_state():
        assert set(first).isdisjoint(draws())
        raise ZeroDivisionError
    assert draws() == first
    del before


@pytest.mark.parametrize("draw", [lambda: torch.rand(()), np.random.random, random.random])
def test_a_draw_from_any_of_them_is_seen(draw: object) -> None:
    with other_global_state() as state:
        before = state()
        assert state() == before
        draw()  # type: ignore[operator]
        assert state() != before
