"""What users do to a results folder and to their images, and what they are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from invbench.cli import main
from invbench.store.reader import load_cells
from invbench.store.writer import CellStore

RUN = ("run", "solver=pinv", "task=sr4", "references=false")


def invbench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def paint(folder: Path, name: str, colour: str) -> None:
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (64, 64), colour).save(folder / f"{name}.png")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, colour in (("a", "red"), ("b", "green"), ("c", "blue")):
        paint(tmp_path / "images", name, colour)
    return tmp_path / "images"


def test_an_image_that_was_replaced_is_noticed(images: Path, tmp_path: Path) -> None:
    words = (*RUN, "dataset=folder", f"dataset.root={images}", f"out={tmp_path / 'out'}")
    assert invbench(*words, "n=2").exit_code == 0
    paint(images, "a", "yellow")
    again = invbench(*words, "n=3")
    assert again.exit_code == 1
    assert "image a.png of dataset folder is not the one that was solved before" in again.output
    drawn = invbench("figure", "task=sr4", "--out", tmp_path / "out")
    assert drawn.exit_code == 2
    assert "a.png was solved from another measurement than is made today" in drawn.output
    assert invbench(*words, "n=3", "overwrite=true").exit_code == 0


def test_parts_of_another_run_of_a_cell_are_not_left_behind(tmp_path: Path) -> None:
    words = (*RUN, "n=4", "batch_size=2", f"out={tmp_path}")
    assert invbench(*words, "shard=0/2").exit_code == 0
    assert invbench(*words, "shard=1/2", "overwrite=true").exit_code == 0, "its sibling holds no row of it"
    assert invbench(*RUN, "n=2", f"out={tmp_path}", "overwrite=true").exit_code == 0
    (cell,) = load_cells(tmp_path)
    assert len(cell.images) == 2, "the shards are gone"
    part = invbench(*words, "shard=0/2", "overwrite=true")
    assert part.exit_code == 1
    assert "would leave old rows in pinv-" in part.output


def test_a_shard_without_images_says_why(tmp_path: Path) -> None:
    result = invbench(*RUN, "n=4", "shard=3/4", f"out={tmp_path}")
    assert "shard=3/4 has no images: a shard takes every k-th batch, and there are 1 of 16 images" in result.output


def test_overwriting_needs_nothing_of_what_is_overwritten(tmp_path: Path) -> None:
    words = (*RUN, "n=2", f"out={tmp_path}")
    assert invbench(*words).exit_code == 0
    (path,) = tmp_path.glob("*/*/*/run.json")
    path.write_text("")
    assert invbench(*words, "overwrite=true").exit_code == 0
    assert CellStore(path.parent).damage() == []


def test_a_damaged_reconstruction_is_named(tmp_path: Path) -> None:
    assert invbench(*RUN, "n=2", f"out={tmp_path}").exit_code == 0
    path = min(tmp_path.glob("*/*/*/images/*.safetensors"))
    path.write_bytes(path.read_bytes()[:20])
    result = invbench("figure", "task=sr4", "--out", tmp_path)
    assert result.exit_code == 2
    assert f"{path} cannot be read" in result.output


def test_a_file_in_place_of_the_results_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invbench("run", "solver=pinv,bicubic", "task=sr4", "n=2", f"out={tmp_path / 'file'}")
    assert result.exit_code == 2
    assert "choose another out=FOLDER" in result.output


def test_a_noise_level_is_one_experiment_however_it_is_written(tmp_path: Path) -> None:
    for text in ("gaussian 0.1 [-1,1]", "gaussian 0.05 [0,1]", "gaussian  0.10 [-1, 1]"):
        assert invbench(*RUN, f"task.noise='{text}'", "n=2", f"out={tmp_path}").exit_code == 0
    assert len(load_cells(tmp_path)) == 1
    assert invbench("table", "noise=gaussian 0.05 [0,1]", "--out", tmp_path).exit_code == 0


def test_noise_levels_are_swept_as_other_options_are(tmp_path: Path) -> None:
    result = invbench(*RUN, "task.noise=gaussian 0.1 [-1,1],gaussian 0.2 [-1,1]", "n=2", f"out={tmp_path}")
    assert result.exit_code == 0, result.output
    assert sorted(c.run.config.task.noise for c in load_cells(tmp_path)) == [
        "gaussian 0.1 [-1,1]",
        "gaussian 0.2 [-1,1]",
    ]


@pytest.mark.parametrize("name", ["ph(1)", "a'b", "some where"])
def test_a_folder_may_have_any_name(images: Path, tmp_path: Path, name: str) -> None:
    folder = images.rename(tmp_path / name)
    result = invbench(*RUN, "dataset=folder", f"dataset.root={folder}", "n=2", f"out={tmp_path / 'out'}")
    assert result.exit_code == 0, result.output


def test_options_are_written_without_dashes() -> None:
    result = invbench(*RUN, "--n=2")
    assert result.exit_code == 2
    assert "options are written without dashes: n=2" in result.output


def test_tables_of_the_paper_name_the_records_that_were_set_aside_and_a_folder_that_is_not_there(
    tmp_path: Path,
) -> None:
    assert invbench("run", "solver=davi", "task=sr4", "n=2", "references=false", f"out={tmp_path}").exit_code == 0
    table = invbench("table", "--paper", "1", "benchmark=photos", "--out", tmp_path)
    assert "Set aside, since released records have more images: davi on sr4 (n=2)." in table.output
    beside = invbench("table", "--paper", "1", "benchmark=photos", "--intervals", "--out", "reference").output
    assert re.search(r"^davi .*\*25\.71\* \[24\.\d\d, 27\.\d\d\]", beside, re.M)
    assert "--add needs --paper" in invbench("table", "--add", "ddim", "--out", tmp_path).output
    filtered = invbench("table", "--paper", "1", "benchmark=photos", "task=sr4", "solver=ddrm", "--out", "reference")
    assert "Not recorded" not in filtered.output
    for words in (["table", "--paper", "1", "benchmark=photos"], ["claims"]):
        result = invbench(*words, "--out", tmp_path / "nosuch")
        assert result.exit_code == 2
        assert "expected a results folder; " in result.output


def test_networks_that_were_trained_at_another_noise_say_so(tmp_path: Path) -> None:
    words = ("run", "solver=davi", "task=sr4", "task.noise='gaussian 0.5 [-1,1]'", "n=1", f"out={tmp_path}")
    assert "davi was trained at a noise of 0.05 on [-1,1], not 0.5" in invbench(*words, "references=false").output
