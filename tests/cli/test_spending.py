"""The cost of a cell, and when a training pays off."""

from __future__ import annotations

import pytest
from made import made_run

from invbench.cli.spending import cost_breakdown, payoff, seconds_per_image
from invbench.store.reader import LoadedCell
from invbench.store.schema import Cost


def cell(name: str, seconds: float) -> LoadedCell:
    run = made_run({"solver": {"name": name}, "samples": 2}, images=5, cost={"solve_seconds": seconds})
    return LoadedCell(name, run, [], (), 0)


def test_training_pays_off_against_each_slower_solver_after_so_many_images() -> None:
    davi, others = cell("davi", 10.0), [cell("dps", 1010.0), cell("ddrm", 20.0), cell("pinv", 0.1)]
    assert payoff(1000.0, davi, [davi, *others]) == (
        "cheaper, training included, from this many images on: ddrm 1,000, dps 10"
    )
    assert payoff(1000.0, davi, [davi, others[2]]) == "no recorded solver is slower"


def test_a_breakdown_shares_the_time_of_solving_and_leaves_out_what_took_none() -> None:
    cost = Cost(solve_seconds=10.0, forward_seconds=5.0, operator_seconds=1.0, peak_bytes=3 * 2**20)
    assert cost_breakdown(cost) == "network forward 50.0%, operator 10.0%, other 40.0% of solve time; peak 3 MiB"
    compiled = Cost(solve_seconds=1.0, compile_seconds=12.4)
    assert cost_breakdown(compiled).endswith(", besides 12 s to compile the network")


def test_seconds_of_an_image_are_those_of_one_sample() -> None:
    assert seconds_per_image(cell("dps", 30.0)) == pytest.approx(3.0), "5 images, 2 samples each"
    assert seconds_per_image(LoadedCell("x", made_run({}, images=0), [], (), 0)) == 0
