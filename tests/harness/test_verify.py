"""Where a number comes from, that a changed byte is seen, and that an image comes out the same again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from msgspec.structs import replace
from safetensors.torch import load_file, save_file

from invbench.cli import main
from invbench.errors import ConfigError
from invbench.harness.verify import _scores, find_cell
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.writer import CellStore


def invbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def recorded_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("provenance")
    arguments = ["solver=ddrm", "solver.nfe=3", "task=sr4", "n=4", "batch_size=4", "references=false", f"out={out}"]
    assert invbench("run", *arguments).exit_code == 0
    return out


@pytest.fixture
def out(recorded_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded_store, tmp_path / "runs"))


def folder_of(out: Path) -> Path:
    (folder,) = out.glob("photos/sr4/ddrm-*")
    return folder


def test_a_cell_is_explained_by_its_id_the_start_of_it_or_its_folder(out: Path) -> None:
    cell = load_cells(out)[0]
    texts = {invbench("explain", name, "--out", out).output for name in (cell.id, cell.id[:5])}
    assert len(texts) == 1
    (text,) = texts
    for part in ("invbench run solver=ddrm", "torch 2.", '"nfe": 3', "measurements", "psnr/rgb", "origin:", cell.id):
        assert part in text
    assert cell.id in invbench("explain", folder_of(out)).output
    assert invbench("explain", "ddrm", "--out", out).output == text


def test_a_name_of_no_cell_or_of_several_is_told_with_those_that_there_are(out: Path) -> None:
    with pytest.raises(ConfigError, match="unknown cell, folder or solver in .*: 'ddrn'; did you mean 'ddrm'"):
        find_cell("ddrn", out)
    for seed in range(1, 12):
        arguments = ["solver=pinv", "benchmark=gmm2d", "task=denoise", "n=1", "references=false", f"seed={seed}"]
        assert invbench("run", *arguments, f"out={out}").exit_code == 0
    with pytest.raises(ConfigError) as error:
        find_cell("pinv", out)
    assert str(error.value).startswith(f"'pinv' is the name of 11 cells in {out}: ")
    assert str(error.value).endswith(" and 3 more; give an id")
    assert str(error.value).count(" (pinv, gmm2d/denoise, seed ") == 8
    folders = {c.id: c.folders[0].name for c in load_cells(out)}
    assert all(find_cell(name, out).id == cell for cell, name in folders.items())
    assert find_cell("ddrm", out).run.config.solver.name == "ddrm"


def test_an_unchanged_cell_is_reproduced(out: Path) -> None:
    result = invbench("verify", folder_of(out), "--images", "2")
    assert result.exit_code == 0, result.output
    assert result.output.count("same  ") == 2


@pytest.mark.parametrize("name", ["run.json", "records.jsonl", "sets.json", "images/*.safetensors"])
def test_one_flipped_byte_is_seen(out: Path, name: str) -> None:
    path = next(folder_of(out).glob(name))
    data = bytearray(path.read_bytes())
    position = data.index(b"0.", len(data) // 2) + 2 if name != "images/*.safetensors" else len(data) - 5
    data[position] ^= 1
    path.write_bytes(data)
    result = invbench("verify", folder_of(out), "--images", "0")
    assert result.exit_code == 1
    assert f"{path.relative_to(folder_of(out))} has changed" in result.output


def test_files_that_are_gone_or_new_are_seen(out: Path) -> None:
    image = next((folder_of(out) / "images").glob("*"))
    shutil.copy(image, image.with_name("another.safetensors"))
    image.unlink()
    output = invbench("verify", folder_of(out)).output
    assert f"images/{image.name} is missing" in output
    assert "images/another.safetensors was added" in output


def test_a_changed_configuration_with_new_checksums_is_detected(out: Path) -> None:
    path = folder_of(out) / "run.json"
    path.write_text(path.read_text().replace('"nfe": 3', '"nfe": 4'))
    CellStore(folder_of(out)).write_checksums()
    assert "the configuration is not that of cell" in invbench("verify", folder_of(out)).output


def test_a_changed_reconstruction_with_new_checksums_is_detected(out: Path) -> None:
    path = sorted((folder_of(out) / "images").glob("*"))[0]
    save_file({"x_hat": load_file(path)["x_hat"] + torch.tensor(0.01)}, path)
    CellStore(folder_of(out)).write_checksums()
    result = invbench("verify", folder_of(out))
    assert result.exit_code == 1
    assert "DIFFERS" in result.output


def test_a_changed_score_with_new_checksums_is_detected(out: Path) -> None:
    path = folder_of(out) / "records.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    changed = [{**row, "value": row["value"] + 0.01 * (row["metric"] == "psnr")} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in changed))
    CellStore(folder_of(out)).write_checksums()
    result = invbench("verify", folder_of(out), "--images", "1")
    assert result.exit_code == 1
    assert "largest difference 0.01" in result.output


def test_a_score_that_stays_nan_is_reproduced_and_one_that_becomes_nan_is_not(out: Path) -> None:
    cell = load_cells(out)[0]
    image, rows = cell.images[0], cell.rows
    nan = [replace(row, value=float("nan")) if row.metric == "psnr" else row for row in rows]
    both = LoadedCell(cell.id, cell.run, nan, cell.folders, 0)
    assert _scores(both, nan, image) == 0.0
    assert _scores(cell, nan, image) == float("inf")


@pytest.mark.parametrize(("name", "message"), [("run.json", "cannot be read"), ("checksums.json", "is damaged")])
def test_bytes_that_are_not_text_are_reported(out: Path, name: str, message: str) -> None:
    path = folder_of(out) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] |= 0x80
    path.write_bytes(data)
    result = invbench("verify", folder_of(out))
    assert result.exit_code != 0
    assert message in result.output


@pytest.mark.parametrize(("name", "text"), [("run.json", "{}"), ("run.json", '{"format": 2}'), ("sets.json", "[]")])
def test_files_of_another_form_are_warned_of(out: Path, name: str, text: str) -> None:
    (folder_of(out) / name).write_text(text)
    result = invbench("table", "--out", out)
    assert result.exit_code == (2 if name == "run.json" else 0), "of run.json nothing is left to print"
    assert f"{folder_of(out) / name} cannot be read" in result.output


def test_a_run_that_is_not_complete_has_no_checksums(out: Path) -> None:
    CellStore(folder_of(out)).drop_checksums()
    assert "its run is not complete" in invbench("verify", folder_of(out)).output
