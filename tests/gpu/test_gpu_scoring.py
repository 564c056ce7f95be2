"""A whole run on the device: how long scoring takes, and what is not the network."""

from __future__ import annotations

from collections.abc import Callable

from measuring import DEVICE, ON_GPU
from shares import shares


def test_scoring_is_short(figure: Callable[..., None]) -> None:
    found = shares("solver=davi", "task=sr4", f"device={DEVICE.type}", f"n={48 if ON_GPU else 2}")
    figure("invbench run solver=davi task=sr4: seconds of scoring", found.scoring, at_most=5)
    figure("invbench run solver=davi task=sr4: seconds in all", found.wall)
