"""What each cell took: the golden store's cells, and a total."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import called

from invbench.analysis.times import times_table
from invbench.store.reader import load_cells

STORE = Path(__file__).parent.parent / "golden" / "store"


def test_each_cell_has_a_row_with_its_seconds() -> None:
    cells = load_cells(STORE)
    table = times_table(cells)
    assert sorted(table.frame["cell"]) == sorted(cell.id for cell in cells)
    by_cell = table.frame.set_index("cell")
    for cell in cells:
        assert float(by_cell.loc[cell.id, "solving s"]) == pytest.approx(cell.run.cost.solve_seconds, abs=0.06)
        assert by_cell.loc[cell.id, "images"] == str(cell.run.images)
    total = sum(cell.run.cost.solve_seconds for cell in cells) / 3600
    assert f"{len(cells)} cells, {total:.3g} hours" in table.notes[0]


def test_rows_are_by_benchmark_task_and_solver() -> None:
    frame = times_table(load_cells(STORE)).frame
    places = list(zip(frame["task"], frame["solver"], strict=True))
    assert places == sorted(places)


def test_the_command_prints_it_in_place_of_scores(tmp_path: Path) -> None:
    printed = called(["table", "--times", "--out", str(STORE), "solver=ddrm"], tmp_path)
    assert printed.returncode == 0
    assert "hours of solving" in printed.stdout
    assert "psnr" not in printed.stdout


@pytest.mark.parametrize("other", [["--metrics", "psnr"], ["--paper", "1"], ["--budgets", "20"]])
def test_it_goes_with_no_other_table(tmp_path: Path, other: list[str]) -> None:
    refused = called(["table", "--times", "--out", str(STORE), *other], tmp_path)
    assert refused.returncode != 0
    assert "--times prints seconds, not scores; leave out options that choose or describe scores" in refused.stderr
