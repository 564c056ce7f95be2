"""Schedules and time grids against published numbers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from invbench import ConfigError, even_grid, stride_grid, travel_walk
from invbench.schedule import alpha_bar, bridge_betas, bridge_std, linear_betas, quad_betas

STEPS = [0, 99, 249, 399, 499, 749, 950, 999]
ABAR_LINEAR = [0.9999, 0.897018, 0.524085, 0.195146, 0.0785872, 0.00335055, 1.06042e-4, 4.03583e-5]
ABAR_QUAD = [0.9999, 0.971697, 0.821521, 0.538750, 0.333188, 0.0386055, 1.88878e-3, 7.33412e-4]
SIGMA_LINEAR = [0.010001, 0.33883, 0.95294, 2.0309, 3.4241, 17.247, 97.10, 157.41]
SIGMA_QUAD = [0.010001, 0.17067, 0.46610, 0.92528, 1.4147, 4.9903, 22.99, 36.91]
SAME_NOISE = [0, 48, 135, 244, 326, 565, 786, 843]
BRIDGE_STEPS = [0, 99, 249, 499, 749, 899, 999]
SIGMA_FORWARD = [0.010000, 0.169429, 0.443270, 1.047451, 1.413442, 1.471598, 1.481319]
MU_X0 = {0: 0.999954, 99: 0.986921, 249: 0.910530, 499: 0.501300, 749: 0.090307, 999: 4.557e-5}

G1_20 = list(range(950, -1, -50))
G2_20 = [0, 53, 105, 158, 210, 263, 315, 368, 421, 473, 526, 578, 631, 684, 736, 789, 841, 894, 946, 999]

every_grid = pytest.mark.parametrize("grid", [stride_grid, even_grid])


@pytest.mark.parametrize(
    ("betas", "abar", "sigma"), [(linear_betas, ABAR_LINEAR, SIGMA_LINEAR), (quad_betas, ABAR_QUAD, SIGMA_QUAD)]
)
def test_alpha_bar_tables(betas: Callable[[], np.ndarray], abar: list[float], sigma: list[float]) -> None:
    table = alpha_bar(betas())
    assert table.dtype == np.float64
    assert table.shape == (1000,)
    np.testing.assert_allclose(table[STEPS], abar, rtol=1e-5)
    noise = np.sqrt((1 - table) / table)[STEPS]
    np.testing.assert_allclose(noise, sigma, rtol=3e-4)  # printed with four digits


def test_the_linear_index_of_equal_noise() -> None:
    linear, quad = alpha_bar(linear_betas()), alpha_bar(quad_betas())
    assert [int(np.abs(linear - quad[t]).argmin()) for t in STEPS] == SAME_NOISE


def test_the_ends_of_the_schedules() -> None:
    for betas in (linear_betas(), quad_betas()):
        np.testing.assert_allclose(betas[[0, -1]], [1e-4, 0.02], rtol=1e-12)
    np.testing.assert_allclose(linear_betas(250)[[0, -1]], [4e-4, 0.08], rtol=1e-12)
    assert quad_betas()[499] == pytest.approx(0.00572215, rel=1e-6)


def test_the_bridge() -> None:
    betas = bridge_betas()
    assert betas.sum() == pytest.approx(2.194306, rel=1e-6)
    np.testing.assert_array_equal(betas, betas[::-1])
    forward, backward = bridge_std(betas)
    np.testing.assert_allclose(forward[BRIDGE_STEPS], SIGMA_FORWARD, rtol=1e-5)
    np.testing.assert_allclose(backward, forward[::-1], rtol=1e-12)
    mu = backward**2 / (forward**2 + backward**2)
    np.testing.assert_allclose(mu[list(MU_X0)], list(MU_X0.values()), rtol=2e-5)  # printed with four digits


def test_stride_grid() -> None:
    assert stride_grid(20) == G1_20
    assert stride_grid(100) == list(range(990, -1, -10))
    assert stride_grid(1000) == list(range(999, -1, -1))


@pytest.mark.parametrize("nfe", [n for n in range(4, 1001) if 1000 % n == 0])
def test_the_stride_grid_is_that_of_the_official_codes_where_the_calls_divide_the_schedule(nfe: int) -> None:
    """``range(0, 1000, 1000 // nfe)`` in DDRM, DDNM and RED-diff: 4, 5, 8, 10, 20, 25, 40, 50, 100, ..., 1000."""
    assert stride_grid(nfe) == list(range(0, 1000, 1000 // nfe))[::-1]


@pytest.mark.parametrize("nfe", [3, 7, 30, 60, 150, 333, 501, 600, 700, 999])
def test_the_stride_grid_spreads_over_the_whole_schedule(nfe: int) -> None:
    grid = stride_grid(nfe)
    gaps = {a - b for a, b in pairwise(grid)}
    assert grid[-1] == 0
    assert grid[0] >= 1000 - 1000 // nfe - 1
    assert gaps <= {1000 // nfe, 1000 // nfe + 1}


def test_one_or_two_calls_begin_where_the_noise_is_greatest() -> None:
    """At 0, or at 500, a chain that begins with noise would take it for an image."""
    assert stride_grid(1) == [999]
    assert stride_grid(2) == [999, 499]
    assert stride_grid(2, steps=10) == [9, 4]


def test_even_grid() -> None:
    assert even_grid(20) == G2_20[::-1]
    hundred = even_grid(100)[::-1]
    assert hundred[:8] == [0, 10, 20, 30, 40, 50, 61, 71]
    assert hundred[-2:] == [989, 999]
    assert even_grid(1000) == list(range(999, -1, -1))


@every_grid
@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 33, 100, 400])
def test_a_grid_has_n_descending_indices_of_the_original_schedule(grid: Callable[[int], list[int]], n: int) -> None:
    points = grid(n)
    assert len(points) == n
    assert all(isinstance(p, int) and 0 <= p < 1000 for p in points)
    assert all(a > b for a, b in pairwise(points))


@every_grid
@pytest.mark.parametrize("n", [0, -1, 1001])
def test_an_impossible_count_is_refused(grid: Callable[[int], list[int]], n: int) -> None:
    with pytest.raises(ConfigError, match=f"between 1 and 1000 steps; got {n}"):
        grid(n)


@pytest.mark.parametrize(
    ("sizes", "calls"), [((100, 1, 2), 199), ((100, 10, 2), 190), ((50, 10, 2), 90), ((25, 1, 4), 97)]
)
def test_time_travel_costs_its_closed_form(sizes: tuple[int, int, int], calls: int) -> None:
    walk = travel_walk(*sizes)
    assert sum(b < a for a, b in pairwise(walk)) == calls
    assert (walk[0], walk[-1]) == (sizes[0] - 1, -1)
