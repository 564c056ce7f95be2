"""A solver in the laboratory: shortened, at few calls, called as the runner calls it."""

from __future__ import annotations

import dataclasses

from zoo.solvers import GoodSolver

import invbench as ib
from invbench.testing.solver_lab import shortened


def test_a_solver_is_checked_at_few_calls_that_it_takes() -> None:
    @dataclasses.dataclass(frozen=True)
    class Long(GoodSolver):
        nfe: int = 1000
        least: int = 1

        def __post_init__(self) -> None:
            if self.nfe < self.least:
                raise ib.ConfigError("too few")

    shortest = {least: shortened(Long(least=least)).nfe for least in (1, 11, 60, 500)}
    assert shortest == {1: 10, 11: 20, 60: 100, 500: 1000}
    assert shortened(Long(nfe=4)).nfe == 4
