"""What the commands that compute say at their end."""

from __future__ import annotations

from made import made_run

from invbench.cli.spending import payoff
from invbench.store.reader import LoadedCell


def cell(name: str, seconds: float) -> LoadedCell:
    run = made_run({"solver": {"name": name}, "samples": 2}, images=5, cost={"solve_seconds": seconds})
    return LoadedCell(name, run, [], (), 0)


def test_training_pays_off_against_each_slower_solver_after_so_many_images() -> None:
    davi, others = cell("davi", 10.0), [cell("dps", 1010.0), cell("ddrm", 20.0), cell("pinv", 0.1)]
    assert payoff(1000.0, davi, [davi, *others]) == (
        "cheaper, training included, from this many images on: ddrm 1,000, dps 10"
    )
    assert payoff(1000.0, davi, [davi, others[2]]) == "no recorded solver is slower"
