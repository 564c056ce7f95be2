"""FPS against the formula, and what it draws."""

from __future__ import annotations

import pytest
import torch
from dense import Case, agree, each_case
from references import slow_fps
from solving import PLANE, make, restore, white

import invbench as ib


@each_case
@pytest.mark.parametrize(("c", "clip"), [(0.95, True), (0.5, False)])
def test_fps_is_the_formula(case: Case, c: float, clip: bool) -> None:
    agree(make("fps", c=c, clip=clip), case, slow_fps(case, c, clip))


@pytest.mark.parametrize(
    ("particles", "weights", "mean", "std"),
    [(1, "published", 0.350, 0.131), (8, "published", 0.392, 0.075), (8, "ratio", 0.348, 0.132)],
)
def test_fps_draws_what_its_docstring_says(particles: int, weights: str, mean: float, std: float) -> None:
    """x ~ N(0, 0.5^2), y = x + 0.2 n, y = 0.4: the posterior has mean 0.345 and standard deviation 0.186."""
    y = torch.full((600, *PLANE), 0.4)
    fps = make("fps", particles=particles, weights=weights, clip=False)
    x_hat, _ = restore(fps, y, ib.Identity(PLANE), 0.2, white(2, 0.5))
    assert float(x_hat.mean()) == pytest.approx(mean, abs=0.015), "four standard errors of 1200 draws"
    assert float(x_hat.std()) == pytest.approx(std, abs=0.015)
