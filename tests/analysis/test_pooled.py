"""Cells of several seeds as one."""

from __future__ import annotations

from typing import Any

from made import loaded_cell, with_options
from tabling import cell_of

from invbench.analysis.pooled import (
    by_configuration,
    by_experiment,
    common_seeds,
    of_seeds,
    representatives,
    seedless,
    seeds_of,
)
from invbench.store.reader import LoadedCell


def cell(solver: str = "ddrm", seed: int = 0, task: str = "sr4", **changes: Any) -> LoadedCell:
    return loaded_cell("photos", task, solver, {"psnr": 20.0}, seed=seed, **changes)


def test_cells_that_differ_in_the_seed_alone_are_one_configuration() -> None:
    cells = [cell(seed=0), cell("dps", 1), cell(seed=1), cell(seed=1, task="deblur")]
    assert seedless(cells[0]) == seedless(cells[2])
    groups = by_configuration(cells)
    names = [[each.run.config.solver.name for each in group] for group in groups]
    assert names == [
        ["ddrm", "ddrm"],
        ["dps"],
        ["ddrm"],
    ]
    assert [seeds_of(group) for group in by_experiment(cells)] == [[1], [0, 1]], "deblur, then sr4 of both solvers"


def test_the_usual_configuration_stands_for_a_solver_then_the_one_of_most_seeds() -> None:
    usual = [cell(seed=seed) for seed in (0, 1)]
    written = {"origins": {"nfe": "command line"}}
    other = [with_options(cell(seed=s, run=written), solver={"nfe": 9}) for s in (0, 1, 2)]
    chosen = representatives([*other, *usual, cell("dps"), cell_of({"name": "none"}, {})])
    assert {name: seeds_of(cells) for name, cells in chosen.items()} == {"ddrm": [0, 1], "dps": [0]}


def test_seeds_that_all_have_are_in_order() -> None:
    first, second = [cell(seed=s) for s in (2, 0, 1)], [cell("dps", s) for s in (1, 3, 2)]
    assert common_seeds([first, second]) == [1, 2]
    assert common_seeds([]) == []
    assert [each.run.config.seed for each in of_seeds(first, [2, 1])] == [2, 1]
