"""Shared by the tests of runs: a cell run in a folder of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import Run, Toy, metrics

from invbench.harness.cell import Cell, Options
from invbench.harness.outcome import Outcome
from invbench.harness.runner import run_cell


@pytest.fixture(autouse=True)
def _forget_calls() -> None:
    Toy.calls.clear()
    Toy.problems.clear()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a cell in ``tmp_path`` with 4 images, 2 at once."""

    def call(cell: Cell, **options: Any) -> Outcome:
        return run_cell(cell, metrics(), Options(**{"out": tmp_path, "n": 4, "batch_size": 2, **options}))

    return call
