"""Records to share: all numbers, no reconstructions, nothing of the machine's places."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from made import bench_of, loaded_cell
from msgspec.structs import replace

from invbench.cli import main
from invbench.store.files import PACKED, ROWS, cell_folders
from invbench.store.reader import load_cells
from invbench.store.release import alike
from invbench.store.released import results_folder
from invbench.store.writer import CellStore


def test_seconds_of_bench_are_given_if_all_solvers_were_measured_in_one_setting() -> None:
    cells = [loaded_cell("photos", "sr4", name, {"psnr": 20.0}) for name in ("ddrm", "dps")]
    costs = {("photos", "sr4", c.run.config.solver.name): bench_of(c.run.config, 2.0 + i) for i, c in enumerate(cells)}
    assert alike(cells, costs) == [2.0, 3.0]
    elsewhere = bench_of(cells[1].run.config, 3.0, device="cuda")
    assert alike(cells, {**costs, ("photos", "sr4", "dps"): elsewhere}) is None
    del costs["photos", "sr4", "dps"]
    assert alike(cells, costs) is None


def invbench(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def recorded_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release")
    for shard in ("0/2", "1/2"):
        invbench("run", "solver=wiener", "task=sr4", "n=4", "batch_size=2", f"shard={shard}", f"out={out}")
    invbench("rescore", "--out", str(out))
    invbench("bench", "solver=wiener", "task=sr4", "--repeats", "1", f"out={out}")
    return out


def test_a_table_of_released_records_is_that_of_the_run(recorded_store: Path, tmp_path: Path) -> None:
    assert "cost:" in invbench("release", str(tmp_path), "--out", str(recorded_store))
    assert invbench("table", "--out", str(tmp_path)) == invbench("table", "--out", str(recorded_store))
    assert len(list(tmp_path.glob("photos/sr4/wiener-*"))) == 1, "shards are joined"
    assert not list(tmp_path.rglob("*.safetensors"))
    assert (tmp_path / "photos" / "sr4" / "bench-wiener.json").is_file()


def test_a_solver_runs_beside_released_records(recorded_store: Path, tmp_path: Path) -> None:
    invbench("release", str(tmp_path), "--out", str(recorded_store))
    text = invbench("run", "solver=ddrm", "solver.nfe=2", "task=sr4", "n=2", "references=false", f"out={tmp_path}")
    assert "not drawn, their reconstructions are not here: bicubic, pinv, wiener\n" in text
    assert "figure: " in text


def test_a_run_takes_released_images_for_solved_and_leaves_them_as_they_are(
    recorded_store: Path, tmp_path: Path
) -> None:
    invbench("release", str(tmp_path), "--out", str(recorded_store))
    before = {path: path.read_bytes() for path in tmp_path.glob("*/*/pinv-*/*")}
    run = CliRunner().invoke(main, ["run", "solver=ddrm", "solver.nfe=2", "task=sr4", "n=2", f"out={tmp_path}"])
    assert run.exit_code == 0
    assert "photos/sr4/pinv: complete, 2 images, already recorded" in run.output
    assert {path: path.read_bytes() for path in before} == before
    assert not list(tmp_path.glob("*/*/pinv-*/records.jsonl"))


def test_what_is_released_names_no_place_of_the_machine(recorded_store: Path, tmp_path: Path) -> None:
    invbench("release", str(tmp_path), "--out", str(recorded_store))
    texts = [path.read_text() for path in tmp_path.rglob("*.json")]
    texts += [gzip.decompress(path.read_bytes()).decode() for path in tmp_path.rglob(PACKED)]
    assert len(texts) > 3
    assert not [text for text in texts if str(recorded_store) in text]
    (cell,) = load_cells(tmp_path, solver="wiener")
    assert cell.run.sessions[0].command.startswith("invbench run solver=wiener task=sr4 n=4")


def test_a_released_cell_has_checksums_and_a_second_release_replaces_it(recorded_store: Path, tmp_path: Path) -> None:
    for _ in range(2):
        invbench("release", str(tmp_path), "solver=wiener", "--out", str(recorded_store))
    (folder,) = tmp_path.glob("photos/sr4/wiener-*")
    assert CellStore(folder).damage() == []
    assert len(load_cells(tmp_path)[0].rows) == len(load_cells(recorded_store, solver="wiener")[0].rows)
    (folder / PACKED).write_bytes(gzip.compress(b""))
    result = CliRunner().invoke(main, ["verify", str(folder), "--images", "0"])
    assert result.exit_code == 1
    assert "records.jsonl.gz has changed" in result.output


def test_rows_are_released_packed_to_the_same_bytes_each_time(recorded_store: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        invbench("release", str(tmp_path / name), "solver=wiener", "--out", str(recorded_store))
    first, second = sorted(tmp_path.rglob(PACKED))
    assert first.read_bytes() == second.read_bytes()
    assert not (first.parent / ROWS).exists()
    assert 5 * first.stat().st_size < sum(path.stat().st_size for path in recorded_store.glob(f"*/*/wiener-*/{ROWS}"))


def test_released_numbers_have_nine_digits(recorded_store: Path, tmp_path: Path) -> None:
    invbench("release", str(tmp_path), "solver=wiener", "--out", str(recorded_store))
    (kept,), (released,) = load_cells(recorded_store, solver="wiener"), load_cells(tmp_path)
    rows = {(r.image, r.metric): r.value for r in kept.rows}
    for row in released.rows:
        assert row.value == pytest.approx(rows[row.image, row.metric], rel=1e-8)
        assert row.value == float(f"{row.value:.9g}")


def test_rows_that_cannot_be_unpacked_are_a_message(recorded_store: Path, tmp_path: Path) -> None:
    invbench("release", str(tmp_path), "solver=wiener", "--out", str(recorded_store))
    (path,) = tmp_path.rglob(PACKED)
    path.write_bytes(path.read_bytes()[:-20])
    result = CliRunner().invoke(main, ["table", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert f"{path} cannot be read" in result.output


def test_a_released_cell_that_is_run_again_has_every_row_once(recorded_store: Path, tmp_path: Path) -> None:
    invbench("release", str(tmp_path), "solver=wiener", "--out", str(recorded_store))
    invbench("run", "solver=wiener", "task=sr4", "n=4", "references=false", f"out={tmp_path}")
    (cell,) = load_cells(tmp_path)
    assert len(cell.rows) == len(load_cells(recorded_store, solver="wiener")[0].rows)
    assert CellStore(cell.folders[0]).damage() == []


def test_a_released_cell_is_solved_again_and_its_scores_compared(recorded_store: Path, tmp_path: Path) -> None:
    invbench("release", str(tmp_path), "solver=wiener", "--out", str(recorded_store))
    (folder,) = tmp_path.glob("photos/sr4/wiener-*")
    assert invbench("verify", str(folder), "--images", "2").count("same  ") == 2
    rows = [json.loads(line) for line in gzip.decompress((folder / PACKED).read_bytes()).splitlines()]
    first = next(r for r in rows if r["metric"] == "psnr" and r["image"] == load_cells(tmp_path)[0].images[0])
    first["value"] += 0.01
    (folder / PACKED).write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode()))
    CellStore(folder).write_checksums()
    result = CliRunner().invoke(main, ["verify", str(folder), "--images", "2"])
    assert result.exit_code == 1
    assert "DIFFERS" in result.output


def test_a_released_cell_of_named_weights_is_solved_again(tmp_path: Path) -> None:
    """Their name says which weights were taken, on any machine; a path does not."""
    own, to = tmp_path / "own", tmp_path / "to"
    words = ["solver=davi", "task=sr4", "settings=variational", "n=2", "references=false"]
    invbench("run", *words, f"out={own}")
    invbench("release", str(to), "--out", str(own))
    (cell,) = load_cells(to)
    assert cell.run.places == {"solver.weights": "variational"}
    assert invbench("verify", cell.id, "--out", str(to)).count("same  ") == 2


def test_an_unfinished_cell_is_left_out(recorded_store: Path, tmp_path: Path) -> None:
    (cell, *_) = load_cells(recorded_store, solver="wiener")
    for folder in cell.folders:
        store = CellStore(folder)
        run = store.read_run()
        assert run is not None
        store.write_run(replace(run, status="interrupted"))
    try:
        assert "left out, interrupted" in invbench(
            "release", str(tmp_path), "solver=wiener", "--out", str(recorded_store)
        )
        assert not cell_folders(tmp_path)
    finally:
        for folder in cell.folders:
            store = CellStore(folder)
            run = store.read_run()
            assert run is not None
            store.write_run(replace(run, status="complete"))


def test_records_that_were_changed_or_cut_get_no_new_checksums(recorded_store: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded_store, tmp_path / "runs")
    path = next((tmp_path / "runs").glob(f"*/*/wiener-*/{ROWS}"))
    whole = path.read_text()
    path.write_text(whole.replace('"value": ', '"value": 1', 1))
    words = ["release", str(tmp_path / "to"), "solver=wiener", "--out", str(tmp_path / "runs")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "was changed since its run was complete: records.jsonl has changed" in result.output
    path.write_text(whole[:-30])
    CellStore(path.parent).write_checksums()
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "has 1 lines that cannot be read" in result.output


def test_a_missing_folder_argument_is_reported(recorded_store: Path) -> None:
    result = CliRunner().invoke(main, ["release", "task=sr4", "solver=wiener", "--out", str(recorded_store)])
    assert result.exit_code == 2
    assert "expected the folder to write, then filters; got task=sr4" in result.output


def test_records_are_not_released_over_themselves(recorded_store: Path) -> None:
    before = {path: path.read_bytes() for path in recorded_store.rglob("*") if path.is_file()}
    result = CliRunner().invoke(main, ["release", str(recorded_store), "--out", str(recorded_store)])
    assert result.exit_code == 2
    assert "expected another folder than the records' own" in result.output
    assert {path: path.read_bytes() for path in recorded_store.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_written_and_a_damaged_cost_are_messages(recorded_store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(
        main, ["release", str(tmp_path / "file"), "solver=wiener", "--out", str(recorded_store)]
    )
    assert result.exit_code == 2
    assert "cannot write to" in result.output
    (tmp_path / "photos" / "sr4").mkdir(parents=True)
    (tmp_path / "photos" / "sr4" / "bench-davi.json").write_text("{")
    result = CliRunner().invoke(main, ["table", "--paper", "4", "benchmark=photos", "--out", str(tmp_path)])
    assert result.exit_code == 0, "released costs are printed all the same"
    assert "warning: left out: " in result.output
    assert "delete it and run 'invbench bench' again" in result.output


def test_the_released_records_are_whole() -> None:
    folders = cell_folders(results_folder() / "reference")
    assert folders
    for folder in folders:
        assert CellStore(folder).damage() == []
        run = json.loads((folder / "run.json").read_text())
        assert all("out=" not in each["command"] for each in run["sessions"])
