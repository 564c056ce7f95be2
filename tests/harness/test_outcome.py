"""A cell that failed is recorded as such, and keeps what there is of it."""

from __future__ import annotations

from pathlib import Path

from made import made_run

from invbench.harness.outcome import fail
from invbench.store.writer import CellStore


def test_what_is_there_of_a_cell_that_fails_stays_and_its_checksums_go(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    with store.writing():
        store.write_run(made_run({}, images=3))
        store.write_checksums()
    fail(tmp_path, made_run({}, images=0), "ValueError: no", "Traceback \udce9")
    run = store.read_run()
    assert run is not None
    assert (run.status, run.reason, run.images) == ("failed", "ValueError: no", 3)
    assert run.traceback == "Traceback \\udce9", "half of a character is escaped"
    assert not store.has_checksums


def test_a_cell_that_had_not_begun_is_recorded_from_what_was_asked_for(tmp_path: Path) -> None:
    fail(tmp_path / "new", made_run({}, cell="abc"), "gone", "")
    run = CellStore(tmp_path / "new").read_run()
    assert run is not None
    assert (run.cell, run.status) == ("abc", "failed")
