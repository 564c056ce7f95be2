"""DiffPIR against the formula, and its time grid."""

from __future__ import annotations

from itertools import pairwise

import pytest
from dense import Case, agree, each_case
from invbench_solvers.diffpir import quad_grid
from references import slow_diffpir
from solving import make

from invbench import ConfigError

G3_20 = [999, 770, 675, 602, 541, 487, 438, 393, 351, 311, 274, 239, 205, 172, 141, 111, 82, 54, 26, 0]
G3_100_HEAD = [999, 899, 857, 825, 798, 775, 753, 734, 715, 698]
G3_100_TAIL = [46, 41, 36, 30, 25, 20, 15, 10, 5, 0]


@each_case
@pytest.mark.parametrize(("lam", "zeta"), [(1.75, 0.3), (7.0, 0.3), (1.0, 1.0), (2.0, 0.0)])
def test_diffpir_is_the_formula(case: Case, lam: float, zeta: float) -> None:
    agree(make("diffpir", nfe=10, lam=lam, zeta=zeta), case, slow_diffpir(case, lam, zeta))


def test_the_grid_is_that_of_the_official_code() -> None:
    assert quad_grid(20) == G3_20
    assert quad_grid(100)[:10] == G3_100_HEAD
    assert quad_grid(100)[-10:] == G3_100_TAIL


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 33, 100, 400])
def test_the_grid_has_n_descending_indices_of_the_original_schedule(n: int) -> None:
    points = quad_grid(n)
    assert len(points) == n
    assert all(isinstance(p, int) and 0 <= p < 1000 for p in points)
    assert all(a > b for a, b in pairwise(points))


@pytest.mark.parametrize("n", [0, -1, 1001])
def test_an_impossible_number_of_calls_is_refused(n: int) -> None:
    with pytest.raises(ConfigError, match=f"between 1 and 1000 steps; got {n}"):
        quad_grid(n)
