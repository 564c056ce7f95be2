"""Notes below a table: whether rows saw the same, and what a cell lacks."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from tabling import METRICS, cell_of, complete, notes_of, table_of

from invbench.analysis.notes import cell_notes, spread_notes
from invbench.analysis.tables import build_tables
from invbench.store.fingerprint import Fingerprint
from invbench.store.reader import LoadedCell, load_cells

GOLDEN = Path(__file__).parents[1] / "golden"


def test_skipped_failed_incomplete_and_damaged_are_said(stored: list[LoadedCell]) -> None:
    notes = build_tables(stored, METRICS)[0].notes
    assert "Skipped wiener: needs the noise level; task 'denoise' hides it." in notes
    failed = "store/gmm/denoise/boom_theirs-eeeeeeeeeeee/run.json"
    assert f"FAILED boom_theirs: RuntimeError('out of ideas') (traceback in {failed})." in notes
    assert "Incomplete ddrm nfe=5 samples=1: interrupted; run the same command to resume." in notes
    assert "ddrm nfe=5 samples=1: 1 damaged line of its records was left out." in notes


def test_same_bytes_are_confirmed() -> None:
    assert "every row saw the same bytes for the same image" in notes_of(cell_of(), cell_of(solver={"name": "z"}))
    assert "WARNING" not in notes_of(cell_of(), cell_of(values={"a": 1.0}, solver={"name": "z"}))


def test_different_bytes_are_a_warning() -> None:
    notes = notes_of(cell_of(), cell_of(y="1", cell="beef0000", solver={"name": "z"}))
    assert "WARNING: rows saw different measurements" in notes
    assert "not comparable" in notes
    assert "which records without fingerprints cannot say" in notes
    assert "every row saw the same bytes" not in notes


def test_last_bits_are_said_once_and_other_measurements_are_a_warning() -> None:
    def cell(name: str, y: str, norm: float) -> LoadedCell:
        loaded = cell_of(y=y, cell=name * 8, solver={"name": name})
        there = Fingerprint((1.0, 0.5), (norm, 0.25))
        rows = [replace(row, y=there) for row in loaded.rows]
        return LoadedCell(loaded.id, loaded.run, rows, loaded.folders, 0)

    near = notes_of(cell("a", "0", 2.0), cell("b", "1", 2.00001), cell("c", "2", 2.0))
    assert near.count("differ in last bits") == 1
    assert "WARNING" not in near.replace("WARNING: intervals", "").replace("WARNING: 2 images", "")
    far = notes_of(cell("a", "0", 2.0), cell("b", "1", 2.001))
    assert "WARNING: rows saw different measurements" in far


def test_the_digest_does_not_depend_on_the_solvers() -> None:
    def digest(*cells: LoadedCell) -> str:
        return next(note for note in table_of(*cells).notes if note.startswith("Measurements"))

    assert digest(cell_of()) == digest(cell_of(solver={"name": "z"}), cell_of())
    assert digest(cell_of()) != digest(cell_of(y="1"))


def test_a_failed_shard_is_not_hidden_by_a_complete_one(tmp_path: Path) -> None:
    import shutil

    shutil.copytree(GOLDEN / "store" / "gmm" / "sr4", tmp_path / "gmm" / "sr4")
    path = tmp_path / "gmm" / "sr4" / "guided-111111111111.shard-1-of-2" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "failed", "reason": "ValueError('no')"}))
    notes = notes_of(*load_cells(tmp_path))
    assert "FAILED guided: ValueError('no')" in notes
    assert str(path) in notes


def test_what_stands_beside_means_is_said_once() -> None:
    assert spread_notes("interval") == []
    assert spread_notes("none") == ["Means over images."]
    assert spread_notes("std") == [
        "Means over images ± standard deviation over images; it is the spread of images, not the error of the mean."
    ]
    assert "over the 2 seeds 0, 7, of means over images" in spread_notes("std", [7, 0])[0]
    assert spread_notes("std", [7]) == spread_notes("std")


def test_a_cell_says_what_it_lacks() -> None:
    def notes(damaged: int = 0, **run: Any) -> list[str]:
        return list(cell_notes("s", dataclasses.replace(cell_of(**run), damaged=damaged)))

    assert notes() == []
    assert notes(status="running") == ["Incomplete s: running; run the same command to resume."]
    assert notes(images=3) == ["WARNING: s was complete with 3 images and has records of 0."]
    assert notes(1)[0].endswith("1 damaged line of its records was left out.")
    assert notes(2) == ["s: 2 damaged lines were left out."]


def test_few_images_and_images_that_no_rows_share_are_warned_of() -> None:
    few = notes_of(complete("a", "t", {"x": 1.0, "y": 2.0}))
    assert "WARNING: intervals over fewer than 6 images are too narrow." in few
    enough = notes_of(complete("a", "t", {str(i): float(i) for i in range(6)}))
    assert "too narrow" not in enough
    apart = notes_of(complete("a", "t", {"x": 1.0}), complete("b", "t", {"y": 1.0}))
    assert "WARNING: there is no image that all rows have; they are not comparable." in apart
