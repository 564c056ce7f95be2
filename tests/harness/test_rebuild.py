"""From a recorded configuration back to what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from running import CATALOG, Toy, cell_of

from invbench.errors import ConfigError, StoreError
from invbench.harness.cell import Cell, Options
from invbench.harness.rebuild import Remeasure, located, rebuild, rebuild_bank, rebuild_cell
from invbench.harness.runner import run_cell
from invbench.store.reader import LoadedCell, load_cells


def recorded(cell: Cell, out: Path) -> LoadedCell:
    """The record of a run of two images without metrics."""
    assert run_cell(cell, [], Options(out, 2)).status == "complete"
    return load_cells(out)[0]


@pytest.mark.parametrize("task", ["denoise", "sr4"])
def test_the_bank_of_a_record_is_the_one_it_was_made_with(tmp_path: Path, task: str) -> None:
    preset, pinv = CATALOG.benchmark("gmm"), CATALOG.get("solver", "pinv")()
    cell = recorded(cell_of(pinv, task=CATALOG.get("task", task)(**preset.tasks[task]), samples=2), tmp_path)
    expected = {r.image: r.y_sha256 for r in cell.rows}
    measured = rebuild_bank(cell.run, CATALOG).measure(sorted(expected))
    assert dict(zip(measured.images, measured.sha256, strict=True)) == expected


def test_the_cell_is_the_recorded_one_and_several_samples_have_the_exact_posterior(tmp_path: Path) -> None:
    pinv = CATALOG.get("solver", "pinv")()
    original = cell_of(pinv, "gmm2d", samples=2)
    cell = recorded(original, tmp_path)
    assert rebuild_cell(cell.run, CATALOG).config() == original.config()
    measure = Remeasure(cell.run, CATALOG)
    assert measure(cell.images).posterior is not None
    single = replace(cell.run, config=replace(cell.run.config, samples=1))
    assert Remeasure(single, CATALOG)(cell.images).posterior is None
    with pytest.raises(StoreError, match="dataset gmm2d holds no image 'lost', which was recorded"):
        measure(["lost"])


def test_files_are_sought_where_another_cell_found_them_if_they_are_gone(tmp_path: Path) -> None:
    cell = recorded(cell_of(Toy()), tmp_path)
    gone, there = ({"dataset.root": str(tmp_path / name)} for name in ("gone", "."))
    cell.run.places = gone
    (other,) = load_cells(tmp_path)
    other.run.places = there
    assert located(cell, [other]).places == there
    assert located(cell, []).places == gone, "nowhere, as was recorded"


def test_an_option_that_a_plugin_has_lost_is_named(tmp_path: Path) -> None:
    cell = recorded(cell_of(Toy()), tmp_path)
    task = replace(cell.run.config.task, options={"lost": 1})
    with pytest.raises(ConfigError, match="task denoise: .*unexpected keyword argument 'lost'"):
        rebuild("task", replace(cell.run, config=replace(cell.run.config, task=task)), CATALOG)
