"""Shared by the tests of runs: a cell run in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from running import Run, Toy, metrics, paint

from invbench.cli import main
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


@pytest.fixture(scope="session")
def scored_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images restored by the pseudo-inverse and Wiener's filter."""
    out = tmp_path_factory.mktemp("scoring")
    arguments = ["run", "solver=wiener", "task=sr4", "n=3", f"out={out}"]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    return out


@pytest.fixture
def out(scored_store: Path, tmp_path: Path) -> Path:
    """A copy of them, to be changed."""
    shutil.copytree(scored_store, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of three photographs of one colour each."""
    for name, colour in (("a", "red"), ("b", "green"), ("c", "blue")):
        paint(tmp_path / "images", name, colour)
    return tmp_path / "images"
