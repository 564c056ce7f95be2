"""A cell whose process was killed is read as interrupted, one that is being run as running; reading writes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import called
from made import made_run

from invbench.store.files import LAST, Record
from invbench.store.jsonfiles import read_run
from invbench.store.reader import load_cells
from invbench.store.writer import CellStore

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
