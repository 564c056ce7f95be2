"""A training iteration of DAVI against the official code's order of computation, in one process, as a ratio.

Once with our network in both, for the order alone, and once with the network as the official code computes it. And
the crops a second of both trainings, printed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from training_speed import iterations, training_speed

from invbench.priors.adm.sources import AdmPhotos

SIDE, BATCH = 64, 8


def test_an_iteration_is_faster_than_in_the_official_order(tmp_path: Path) -> None:
    found = iterations(AdmPhotos().load((3, SIDE, SIDE), "cpu"), "cpu", tmp_path, BATCH)
    ratios = {name: each.seconds / found["invbench"].seconds for name, each in found.items()}
    for name, each in found.items():
        print(
            f"\n{name}: {each.seconds:.3f} s an iteration of {BATCH} images of {SIDE}x{SIDE}, ratio {ratios[name]:.2f}"
        )
    assert ratios["official"] >= 1.3
    assert ratios["official order"] >= 1.1


@pytest.mark.parametrize(("what", "batch", "side"), [("prior", 16, 32), ("davi", 4, 32)])
def test_crops_a_second_are_measured(what: str, batch: int, side: int, tmp_path: Path) -> None:
    speed = training_speed(what, "cpu", tmp_path, batch, side, steps=3)
    print(f"\n{what}: {speed:.1f} crops of {side}x{side} a second")
    assert speed > 0
