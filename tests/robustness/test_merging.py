"""Records of other machines, and of folders that change: the same measurements are known again, others are not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from invbench.store.files import cell_folders
from invbench.store.reader import load_cells
from invbench.store.writer import CellStore

pytestmark = pytest.mark.long
WORDS = ["solver=pinv", "task=denoise", "references=false", "dataset=folder", "dataset.side=16", "batch_size=1"]
Call = Callable[..., Any]


def picture(path: Path, seed: int, suffix_side: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (suffix_side, suffix_side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def photographs(folder: Path, n: int = 4) -> Path:
    for i in range(n):
        picture(folder / f"{i:04}.png", i)
    return folder


def run(invbench: Call, root: Path | str, out: str = "out", n: int = 9, *words: str) -> str:
    done = invbench("run", *WORDS, f"dataset.root={root}", f"out={out}", f"n={n}", *words)
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def test_shards_of_two_machines_are_one_cell(invbench: Call, tmp_path: Path) -> None:
    here, there = photographs(tmp_path / "here" / "photos"), tmp_path / "there" / "elsewhere"
    shutil.copytree(here, there)
    run(invbench, here, "a", 4, "shard=0/2")
    run(invbench, there, "b", 4, "shard=1/2")
    shutil.copytree(tmp_path / "b", tmp_path / "a", dirs_exist_ok=True)
    (cell,) = load_cells(tmp_path / "a")
    assert len(cell.images) == 4
    assert "complete, 4 images, already recorded" in run(invbench, here, "a", 4)
    assert invbench("table", "--out", "a").stdout.count("dataset folder (root=") == 1
    assert invbench("rescore", "--out", "a").returncode == 0


@pytest.mark.parametrize("spelling", ["photos/", "./photos", "../{name}/photos", "{full}", "{full}//"])
def test_a_folder_is_one_however_it_is_written(invbench: Call, tmp_path: Path, spelling: str) -> None:
    photographs(tmp_path / "photos")
    run(invbench, "photos")
    written = spelling.format(name=tmp_path.name, full=tmp_path / "photos")
    assert "already recorded" in run(invbench, written)
    assert len(cell_folders(tmp_path / "out")) == 1


def test_a_folder_that_was_moved_is_found_after_the_next_run(invbench: Call, tmp_path: Path) -> None:
    root = photographs(tmp_path / "photos")
    run(invbench, root)
    root.rename(tmp_path / "moved")
    assert "already recorded" in run(invbench, tmp_path / "moved")
    assert invbench("rescore", "--out", "out").returncode == 0


def test_folders_of_the_same_names_are_two(invbench: Call, tmp_path: Path) -> None:
    photographs(tmp_path / "one")
    for i in range(4):
        picture(tmp_path / "two" / f"{i:04}.png", 50 + i, 24)
    run(invbench, "one")
    run(invbench, "two")
    assert len(load_cells(tmp_path / "out")) == 2


def test_images_that_are_added_are_solved_and_the_others_are_kept(invbench: Call, tmp_path: Path) -> None:
    root = photographs(tmp_path / "photos")
    run(invbench, root)
    (before,) = load_cells(tmp_path / "out")
    picture(root / "0009.png", 9)
    output = run(invbench, root)
    assert "complete, 5 images" in output
    assert "4/5 images" in output, "it begins where it was"
    now = next(cell for cell in load_cells(tmp_path / "out") if cell.id != before.id)
    seconds = {(r.image, r.metric): r.value for r in before.rows}
    assert all(seconds.get((r.image, r.metric), r.value) == r.value for r in now.rows), "even the seconds are those"


def test_an_image_that_is_removed_costs_the_others_nothing(invbench: Call, tmp_path: Path) -> None:
    root = photographs(tmp_path / "photos", 6)
    run(invbench, root, "out", 4)
    (root / "0001.png").unlink()
    assert "complete, 4 images" in run(invbench, root, "out", 4)
    scored = invbench("rescore", "--out", "out")
    assert scored.returncode == 0, scored.stderr
    assert "the dataset holds 1 of them no more" in scored.stdout
    for words in (["report", "--to", "page.html"], ["figure", "grid"], ["table"], ["versus", "pinv", "bicubic"]):
        result = invbench(*words, "--out", "out")
        assert "Traceback" not in result.stderr


def test_a_replaced_image_is_solved_again_or_refused(invbench: Call, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for i in range(4):
        picture(root / f"{i:04}.bmp", i)  # pixels as they are: a file's size says nothing of them
    run(invbench, root)
    picture(root / "0002.bmp", 99)
    done = invbench("run", *WORDS, f"dataset.root={root}", "out=out", "n=9")
    assert done.returncode == 1
    assert "image 0002.bmp of dataset folder is not the one that was solved before" in done.stderr
    picture(root / "0002.bmp", 99, 30)  # another size: another list of files
    assert "3/4 images" in run(invbench, root)


def test_a_folder_that_is_gone_costs_other_cells_nothing(invbench: Call, tmp_path: Path) -> None:
    root = photographs(tmp_path / "photos")
    run(invbench, root)
    assert invbench("run", "solver=pinv", "benchmark=gmm", "task=denoise", "n=2", "out=out").returncode == 0
    shutil.rmtree(root)
    table = invbench("table", "--out", "out")
    assert table.returncode == 0
    scored = invbench("rescore", "--out", "out")
    assert scored.returncode == 2
    assert "no folder at" in scored.stdout
    assert "gmm/denoise/pinv" in scored.stdout
    report = invbench("report", "--to", "page.html", "--out", "out")
    assert report.returncode == 0, report.stderr


@pytest.fixture
def moved(invbench: Call, tmp_path: Path) -> Callable[[float], None]:
    """``moved(d)``: records as of another processor, whose measurements differ by d of their norm."""
    words = ["solver=wiener", "benchmark=gmm", "task=sr4", "n=7", "out=out"]
    assert invbench("run", *words).returncode == 0

    def move(by: float) -> None:
        for folder in cell_folders(tmp_path / "out"):
            if folder.name.startswith("wiener"):
                _move(folder, by)

    return move


def _move(folder: Path, by: float) -> None:
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    for row in rows:
        row["y_sha256"] = row["y_sha256"][::-1]
        if "y" in row:
            norm, *sums = row["y"]["y"]
            row["y"]["y"] = [norm, *(each + by * norm for each in sums)]
    (folder / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    CellStore(folder).write_checksums()


READERS = [
    ["table"],
    ["versus", "wiener", "pinv"],
    ["figure", "grid", "--to", "grid.png"],
    ["figure", "errors", "--to", "errors.png"],
    ["figure", "bars", "--to", "bars.png"],
    ["figure", "scatter", "--solvers", "wiener,pinv", "--to", "scatter.png"],
    ["report", "--to", "page.html"],
    ["rescore"],
    ["release", "released"],
]


def test_last_bits_of_another_processor_are_accepted_everywhere(
    invbench: Call, moved: Callable[[float], None], tmp_path: Path
) -> None:
    moved(1e-7)
    for words in READERS:
        result = invbench(*words, "--out", "out")
        assert result.returncode == 0, (words, result.stderr, result.stdout)
        assert "not comparable" not in result.stdout
    for command in ("table", "versus wiener pinv"):
        assert invbench(*command.split(), "--out", "out").stdout.count("differ in last bits") == 1, "it is said once"
    (cell,) = load_cells(tmp_path / "out", solver="wiener")
    checked = invbench("verify", cell.id, "--out", "out", "--images", "2")
    assert checked.returncode == 0, checked.stdout
    again = invbench("run", "solver=wiener", "benchmark=gmm", "task=sr4", "n=8", "out=out")
    assert again.returncode == 0, again.stderr
    assert "complete, 8 images" in again.stderr
    assert invbench("compare", "out", "out").returncode == 0


def test_another_measurement_is_refused_everywhere(
    invbench: Call, moved: Callable[[float], None], tmp_path: Path
) -> None:
    moved(1e-3)
    assert "rows saw different measurements" in invbench("table", "--out", "out").stdout
    for words in (["versus", "wiener", "pinv"], ["figure", "errors", "--to", "e.png"], ["rescore"]):
        assert invbench(*words, "--out", "out").returncode == 2, words
    assert "of another measurement" in _page(invbench, tmp_path)
    (cell,) = load_cells(tmp_path / "out", solver="wiener")
    assert invbench("verify", cell.id, "--out", "out", "--images", "1").returncode == 2
    refused = invbench("run", "solver=wiener", "benchmark=gmm", "task=sr4", "n=7", "out=out")
    assert refused.returncode == 1
    assert "is not the one that was solved before" in refused.stderr


def _page(invbench: Call, tmp_path: Path) -> str:
    assert invbench("report", "--to", "page.html", "--out", "out").returncode == 0
    return (tmp_path / "page.html").read_text()
