"""Cells as they are read back: shards joined, killed ones interrupted, chosen by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from command import called
from made import made_run
from safetensors.torch import load_file
from storing import rows_of, run_of

from invbench.store.files import LAST, MEAN, STATUSES, Record
from invbench.store.jsonfiles import read_run
from invbench.store.reader import load_cells
from invbench.store.schema import Cost
from invbench.store.writer import CellStore


def test_of_two_rows_for_one_number_the_last_counts(store: CellStore, tmp_path: Path) -> None:
    """As in files of before 0.1: since then no number is written twice."""
    with store.writing():
        store.append("a", torch.zeros(1, 3, 2, 2), rows_of("a", 1.0))
        store.write_run(run_of())
    store.rows.write_bytes(store.rows.read_bytes() + store.rows.read_bytes().replace(b"1.0", b"2.0"))
    (cell,) = load_cells(tmp_path)
    assert [row.value for row in cell.rows] == [2.0, 2.0, 2.0]


def test_samples_and_protocols_are_different_numbers(store: CellStore, tmp_path: Path) -> None:
    other = Record("c0", "a", 0, "psnr", "psnr/other", 3.0, "", "0" * 64)
    with store.writing():
        rows = [*rows_of("a", sample=MEAN), other, *rows_of("a", sample=0)]
        store.append("a", torch.zeros(2, 3, 2, 2), rows)
        store.write_run(run_of())
    assert len(load_cells(tmp_path)[0].rows) == 7


def test_shards_are_read_back_as_one_cell(tmp_path: Path) -> None:
    for i, image in enumerate(("a", "b")):
        shard = CellStore(tmp_path / "b" / "t" / f"s-c0.shard-{i}-of-2")
        with shard.writing():
            shard.append(image, torch.full((1, 1, 1, 1), float(i)), rows_of(image))
            shard.write_run(run_of(sessions=[{"started": f"2026-01-0{2 - i}", "device": f"machine {i}"}]))
    (cell,) = load_cells(tmp_path)
    assert [session.device for session in cell.run.sessions] == ["machine 1", "machine 0"], "in order of time"
    assert {row.image for row in cell.rows} == {"a", "b"}
    assert len(cell.folders) == 2
    for i, image in enumerate(("a", "b")):
        path = cell.image_path(image)
        assert path is not None
        assert load_file(path)["x_hat"].item() == i
    assert cell.image_path("c") is None


def test_cells_are_chosen_by_name_and_seed(tmp_path: Path) -> None:
    for cell, solver in (("c0", "s"), ("c1", "other")):
        store = CellStore(tmp_path / "b" / "t" / f"{solver}-{cell}")
        with store.writing():
            store.write_run(run_of(cell, config={"solver": {"name": solver}}))
    assert {c.id for c in load_cells(tmp_path)} == {"c0", "c1"}
    assert [c.id for c in load_cells(tmp_path, solver="other", seed="0")] == ["c1"]
    assert load_cells(tmp_path, seed="1") == []
    assert load_cells(tmp_path / "absent") == []


def shard_of(cell: Path, name: str, image: str, value: float, **changes: Any) -> None:
    """A folder of a cell, or with a suffix of its shard, with one image."""
    store = CellStore(cell.with_name(cell.name + name))
    with store.writing():
        store.append(image, torch.full((1, 1, 1, 1), value), rows_of(image, value))
        store.write_run(run_of(**changes))


@pytest.mark.parametrize("status", STATUSES[1:])
@pytest.mark.parametrize("place", ["", ".shard-0-of-2", ".shard-1-of-2"])
def test_the_worst_status_of_its_shards_is_the_cell_s(tmp_path: Path, place: str, status: str) -> None:
    cell = tmp_path / "b" / "t" / "s-c0"
    for name in ("", ".shard-0-of-2", ".shard-1-of-2"):
        changes = {"status": status, "reason": "no luck"} if name == place else {}
        shard_of(cell, name, "a", 1.0, **changes)
    (loaded,) = load_cells(tmp_path)
    read = "interrupted" if status == "running" else status  # of a process that is no more
    assert (loaded.run.status, loaded.run.reason) == (read, "no luck")
    assert loaded.folders[0].name == cell.name + place, "the folder of that run comes first: a table names it"


def test_of_an_image_in_a_cell_and_its_shard_the_cell_s_own_rows_count(tmp_path: Path) -> None:
    cell = tmp_path / "b" / "t" / "s-c0"
    shard_of(cell, ".shard-1-of-2", "a", 1.0)
    shard_of(cell, "", "a", 2.0)
    shard_of(cell, ".shard-0-of-2", "b", 3.0)
    (loaded,) = load_cells(tmp_path)
    assert {(row.image, row.value) for row in loaded.rows} == {("a", 2.0), ("b", 3.0)}
    assert load_file(loaded.image_path("a"))["x_hat"].item() == 2.0  # type: ignore[arg-type]


def test_what_shards_cost_adds_up_and_their_memory_does_not(tmp_path: Path) -> None:
    cell = tmp_path / "b" / "t" / "s-c0"
    for i, peak in enumerate((7, 5)):
        cost = {"solve_seconds": 1.5 + i, "peak_bytes": peak}
        shard_of(cell, f".shard-{i}-of-2", str(i), 1.0, cost=cost)
    assert load_cells(tmp_path)[0].run.cost == Cost(solve_seconds=4.0, peak_bytes=7)


BEGUN = """
import sys, time
from pathlib import Path
from invbench.store.writer import CellStore
with CellStore(Path(sys.argv[1])).writing():
    print("begun", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cell with an image, and a run.json that says that it is running."""
    store = CellStore(tmp_path / "results" / "runs" / "b" / "t" / "s-c0")
    with store.writing():
        store.write_run(made_run({}, cell="c0", status="running"))
        store.add_rows([Record("c0", "a", 0, m, f"{m}/p", 1.0, "", "0" * 64) for m in ("psnr", "seconds", LAST)])
    return store.folder


def status(folder: Path) -> str:
    (cell,) = load_cells(folder.parents[2])
    return cell.run.status


def test_a_killed_cell_is_interrupted_and_one_that_is_written_is_running(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", BEGUN, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            assert status(folder) == "running"
        finally:
            process.kill()
        process.wait()
        assert status(folder) == "interrupted"


def test_a_copy_without_a_lock_is_interrupted_and_reading_writes_nothing(folder: Path) -> None:
    (folder / ".lock").unlink(missing_ok=True)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert status(folder) == "interrupted"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert read_run(folder / "run.json").status == "running"


def test_commands_say_interrupted(folder: Path) -> None:
    home = folder.parents[4]
    assert ", interrupted, 1 images, " in called(["explain", "c0"], home).stdout
    assert "Incomplete s: interrupted; run the same command to resume." in called(["table"], home).stdout
    assert "1 interrupted" in Path(home / called(["report", "--images", "0"], home).stdout.strip()).read_text()
