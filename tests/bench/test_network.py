"""A call of the shipped prior on 64x64, one image and sixteen; and, as a ratio, what a batch saves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from timing import note_per_image, seconds

from invbench.priors.adm.sources import AdmPhotos

SHAPE = (3, 64, 64)


def call(batch: int) -> Callable[[], None]:
    prior, x = AdmPhotos().load(SHAPE, "cpu"), torch.zeros(batch, *SHAPE)

    def eps() -> None:
        with torch.inference_mode():
            prior.eps(x, 500)

    return eps


@pytest.mark.parametrize("batch", [1, 16])
def test_network_call(batch: int, benchmark) -> None:
    benchmark.pedantic(call(batch), rounds=8, warmup_rounds=2)
    note_per_image(benchmark, batch)


def test_an_image_of_a_batch_costs_no_more_than_one_alone() -> None:
    alone, together = seconds(call(1), call(16))
    print(f"\nalone {1e3 * alone:.0f} ms, in a batch {1e3 * together / 16:.0f} ms, ratio {16 * alone / together:.2f}")
    assert 16 * alone / together >= 0.7
