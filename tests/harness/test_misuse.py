"""What users do to a results folder and to their images, and what they are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from invbench.cli import main

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


@pytest.mark.parametrize("name", ["ph(1)", "a'b", "some where"])
def test_a_folder_may_have_any_name(images: Path, tmp_path: Path, name: str) -> None:
    folder = images.rename(tmp_path / name)
    result = invbench(*RUN, "dataset=folder", f"dataset.root={folder}", "n=2", f"out={tmp_path / 'out'}")
    assert result.exit_code == 0, result.output


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
