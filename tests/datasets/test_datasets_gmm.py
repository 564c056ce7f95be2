"""Draws of the mixtures."""

from __future__ import annotations

import pytest
import torch
from making import make

from invbench.errors import ConfigError


@pytest.mark.parametrize("name", ["gmm", "gmm2d"])
def test_a_draw_does_not_depend_on_the_size(name: str) -> None:
    few, many = make(name, size=3), make(name, size=500)
    assert list(few.ids()) == ["00000", "00001", "00002"]
    assert len(many.ids()) == 500
    for image in few.ids():
        x = few.load(image)
        assert torch.equal(x, many.load(image))
        assert x.shape == few.x_shape
        assert x.dtype == torch.float32
    assert not torch.equal(few.load("00000"), few.load("00001"))


@pytest.mark.parametrize("name", ["gmm", "gmm2d"])
def test_a_mixture_dataset_needs_a_draw(name: str) -> None:
    with pytest.raises(ConfigError, match="at least one draw; got size=0"):
        make(name, size=0)
