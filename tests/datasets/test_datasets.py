"""What holds for every dataset."""

from __future__ import annotations

import pytest
from making import PAPER, make


@pytest.mark.parametrize("name", [*PAPER, "photos", "folder", "gmm", "gmm2d"])
def test_the_shape_is_known_without_the_images(name: str) -> None:
    shape = make(name).x_shape
    assert len(shape) == 3
    assert shape[0] in (1, 3)


@pytest.mark.parametrize("name", ["photos", "gmm", "gmm2d"])
def test_what_ships_needs_no_fingerprint(name: str) -> None:
    dataset = make(name)
    assert (dataset.places, dataset.fingerprint()) == ((), "")
    dataset.check(dataset.ids()[:2])
