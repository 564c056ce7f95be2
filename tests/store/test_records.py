"""The results store: what is written survives, and what cannot be written is said."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from made import made_run
from msgspec.structs import replace as replace_fields
from safetensors.torch import load_file

from invbench.errors import StoreError
from invbench.store.files import LAST, MEAN, STATUSES, Record, read_rows
from invbench.store.reader import load_cells
from invbench.store.schema import Cost, Run
from invbench.store.writer import CellStore

WEIRD = ["a/b/c.png", "two words", "ünï/cødé ✓", "..", "50%", "a%2Fb", "line\u2028break", "-dash", "Straße.PNG"]


def rows_of(image: str, value: float = 1.0, sample: int = 0, cell: str = "c0") -> list[Record]:
    metrics = ("psnr", "seconds", LAST)
    return [Record(cell, image, sample, m, f"{m}/p", value, "", "0" * 64) for m in metrics]


def run_of(cell: str = "c0", **changes: Any) -> Run:
    return made_run(changes.pop("config", {}), cell=cell, **changes)


@pytest.fixture
def store(tmp_path: Path) -> CellStore:
    return CellStore(tmp_path / "b" / "t" / "s-c0")


@pytest.fixture
def no_space(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """``no_space(k)``: the disk is full after k more writes."""

    def fill(after: int) -> None:
        left = iter(range(after))

        def fsync(descriptor: int) -> None:
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", fsync)

    return fill


def test_an_appended_image_is_done(store: CellStore) -> None:
    with store.writing():
        assert not store.finished(samples=1)
        store.append("a", torch.zeros(1, 3, 2, 2), rows_of("a"))
        assert set(store.finished(samples=1)) == {"a"}


def test_reconstructions_are_read_back_bit_for_bit(store: CellStore) -> None:
    x_hat = torch.linspace(-1, 1, 24).reshape(2, 3, 2, 2).transpose(2, 3)
    with store.writing():
        store.append("a", x_hat, rows_of("a"))
    assert torch.equal(load_file(store.image_path("a"))["x_hat"], x_hat)


def test_an_image_is_done_only_with_its_last_sample(store: CellStore) -> None:
    with store.writing():
        store.append("a", torch.zeros(2, 3, 2, 2), rows_of("a", sample=0))
        assert not store.finished(samples=2)
        store.append("a", torch.zeros(2, 3, 2, 2), rows_of("a", sample=1))
        assert set(store.finished(samples=2)) == {"a"}


def test_an_image_without_its_last_row_is_not_done(store: CellStore) -> None:
    with store.writing():
        store.append("a", torch.zeros(1, 3, 2, 2), rows_of("a")[:-1])
        assert not store.finished(samples=1)


def test_an_image_without_its_reconstruction_is_not_done(store: CellStore) -> None:
    with store.writing():
        store.append("a", torch.zeros(1, 3, 2, 2), rows_of("a"))
        store.image_path("a").unlink()
        assert not store.finished(samples=1)


@pytest.mark.parametrize("image", WEIRD)
def test_any_image_id_round_trips(store: CellStore, image: str) -> None:
    with store.writing():
        store.append(image, torch.full((1, 1, 1, 1), 0.5), rows_of(image))
        assert set(store.finished(samples=1)) == {image}
    assert store.image_path(image).parent == store.folder / "images"
    rows, damaged = read_rows(store.rows)
    assert ({row.image for row in rows}, damaged) == ({image}, 0)


def test_different_image_ids_have_different_files(store: CellStore) -> None:
    assert len({store.image_path(image) for image in WEIRD}) == len(WEIRD)


@pytest.mark.parametrize("cut", [1, 40, 150])
def test_a_half_written_last_line_is_moved_aside(store: CellStore, cut: int) -> None:
    with store.writing():
        store.append("a", torch.zeros(1, 3, 2, 2), rows_of("a"))
        store.append("b", torch.zeros(1, 3, 2, 2), rows_of("b"))
    whole = store.rows.read_bytes()
    store.rows.write_bytes(whole[:-cut])
    with warnings.catch_warnings(record=True) as caught, store.writing():
        assert set(store.finished(samples=1)) == {"a"}
        store.append("b", torch.zeros(1, 3, 2, 2), rows_of("b"))
    assert [str(each.message) for each in caught] == [
        f"{store.rows}: a half-written last line was moved to records.damaged"
    ]
    rows, damaged = read_rows(store.rows)
    assert damaged == 0
    assert store.rows.read_bytes() == whole, "what the cut had left of b is not there twice"
    assert len(rows) == 3 + 3
    assert (store.folder / "records.damaged").read_text().count("\n") == 1
    assert store.rows.read_bytes().endswith(whole.splitlines(keepends=True)[-1])


def test_what_was_moved_aside_is_kept(store: CellStore) -> None:
    for text in ('{"cell": "on', '{"cell": "tw'):
        with store.writing(), store.rows.open("a") as file:
            file.write(text)
        with warnings.catch_warnings(record=True) as caught, store.writing():
            pass
        assert len(caught) == 1
    assert (store.folder / "records.damaged").read_text() == '{"cell": "on\n{"cell": "tw\n'
    assert store.rows.read_text() == ""


def test_unreadable_lines_are_counted(store: CellStore, tmp_path: Path) -> None:
    with store.writing():
        store.append("a", torch.zeros(1, 3, 2, 2), rows_of("a"))
        store.write_run(run_of())
    store.rows.write_bytes(b'{"image": \n\xff\xfe\n' + store.rows.read_bytes() + b'{"cell": "c')
    rows, damaged = read_rows(store.rows)
    assert (len(rows), damaged) == (3, 3)
    assert load_cells(tmp_path)[0].damaged == 3


@pytest.mark.parametrize("line", ["17", "{}"])
def test_a_line_that_is_json_but_no_row_is_counted_as_damaged(store: CellStore, tmp_path: Path, line: str) -> None:
    with store.writing():
        store.append("a", torch.zeros(1, 3, 2, 2), rows_of("a"))
        store.write_run(run_of())
    store.rows.write_text(line + "\n" + store.rows.read_text())
    assert set(store.finished(samples=1)) == {"a"}
    (cell,) = load_cells(tmp_path)
    assert (len(cell.rows), cell.damaged) == (3, 1)


def test_nan_and_infinity_are_read_back(store: CellStore) -> None:
    with store.writing():
        for image, value in (("a", float("nan")), ("b", float("inf"))):
            store.append(image, torch.zeros(1, 1, 1, 1), rows_of(image, value))
    values = {row.image: row.value for row in read_rows(store.rows)[0]}
    assert values["a"] != values["a"]
    assert values["b"] == float("inf")


def test_of_two_rows_for_one_number_the_last_counts(store: CellStore, tmp_path: Path) -> None:
    """As in files of before 0.1: since then no number is written twice."""
    with store.writing():
        store.append("a", torch.zeros(1, 3, 2, 2), rows_of("a", 1.0))
        store.write_run(run_of())
    store.rows.write_bytes(store.rows.read_bytes() + store.rows.read_bytes().replace(b"1.0", b"2.0"))
    (cell,) = load_cells(tmp_path)
    assert [row.value for row in cell.rows] == [2.0, 2.0, 2.0]


def test_a_number_that_is_there_is_not_written_again(store: CellStore) -> None:
    with store.writing():
        assert store.add_rows(rows_of("a")[:2]) == 2
        assert store.add_rows(rows_of("a")) == 1
    with store.writing():
        assert store.add_rows(rows_of("a")) == 0
    assert [row.metric for row in read_rows(store.rows)[0]] == ["psnr", "seconds", LAST]


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


def test_run_json_round_trips(store: CellStore) -> None:
    assert store.read_run() is None
    with store.writing():
        store.write_run(run_of())
    assert store.read_run() == run_of()
    assert not list(store.folder.glob("*.part"))


def test_another_format_is_refused(store: CellStore, tmp_path: Path) -> None:
    with store.writing():
        store.write_run(replace_fields(run_of(), format=99))
    with pytest.raises(StoreError, match=r"run\.json cannot be read \(it has format 99, this invbench reads 2"):
        store.read_run()
    with pytest.warns(UserWarning, match=r"left out: .*run\.json cannot be read \(it has format 99"):
        assert load_cells(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "null"])
def test_a_damaged_run_json_is_refused(store: CellStore, tmp_path: Path, text: str) -> None:
    with store.writing():
        (store.folder / "run.json").write_text(text)
    with pytest.warns(UserWarning, match=r"left out: .*run\.json cannot be read"):
        assert load_cells(tmp_path) == []


@pytest.fixture
def other_writer(store: CellStore) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes to the same cell until its standard input is closed."""
    code = (
        "import sys; from pathlib import Path; from invbench.store.writer import CellStore\n"
        "with CellStore(Path(sys.argv[1])).writing(): print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(store.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_second_writer_is_reported(store: CellStore, other_writer: subprocess.Popen[str]) -> None:
    with pytest.raises(StoreError, match=r"another process is running this cell \(.*s-c0\); wait for it, or choose"):
        store.writing().__enter__()


def test_the_lock_of_a_killed_writer_is_free(store: CellStore, other_writer: subprocess.Popen[str]) -> None:
    other_writer.kill()
    other_writer.wait()
    with store.writing():
        store.append("a", torch.zeros(1, 1, 1, 1), rows_of("a"))
    assert set(store.finished(samples=1)) == {"a"}


def test_the_lock_is_free_after_an_error(store: CellStore) -> None:
    with pytest.raises(ZeroDivisionError), store.writing():
        raise ZeroDivisionError
    with store.writing():
        pass


@pytest.mark.parametrize("writes", [0, 1])
def test_a_full_disk_loses_nothing(store: CellStore, no_space: Callable[[int], None], writes: int) -> None:
    with store.writing():
        store.append("a", torch.zeros(1, 1, 1, 1), rows_of("a"))
    with pytest.raises(StoreError) as caught, store.writing():
        no_space(writes)
        store.append("b", torch.ones(1, 1, 1, 1), rows_of("b"))
    assert f"cannot write to {store.folder}: No space left on device" in str(caught.value)
    assert "What was computed before is kept" in str(caught.value)
    assert "a" in store.finished(samples=1)
    no_space(1000)
    with store.writing():
        store.append("b", torch.ones(1, 1, 1, 1), rows_of("b"))
    assert set(store.finished(samples=1)) == {"a", "b"}
    assert load_file(store.image_path("a"))["x_hat"].item() == 0


def test_a_file_size_limit_loses_nothing(tmp_path: Path, invbench: Callable[..., Any]) -> None:
    """The limit ends the records in the middle of a line."""
    run = ["solver=pinv", "benchmark=gmm2d", "task=denoise", "batch_size=8", "references=false", "out=out"]
    code = (
        "import resource, sys; from invbench.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
        "main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "run", *run]
    limited = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert limited.returncode == 1, limited.stderr
    assert "error: cannot write to" in limited.stderr
    assert "File too large" in limited.stderr
    assert "What was computed before is kept" in limited.stderr
    assert "Traceback" not in limited.stderr
    (folder,) = (tmp_path / "out" / "gmm2d" / "denoise").glob("pinv-*")
    complete = CellStore(folder).finished(samples=1)
    assert len(complete) > 8
    assert (folder / "records.jsonl").read_bytes().endswith(b"\n"), "what did not fit is taken back"

    result = invbench("run", *run)
    assert result.returncode == 0, result.stderr
    assert f"{len(complete)}/64 images" in result.stderr
    assert len(CellStore(folder).finished(samples=1)) == 64
    (cell,) = load_cells(tmp_path / "out")
    assert (cell.damaged, len({row.image for row in cell.rows})) == (0, 64)


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write to .*file/b/t/s-c0: .*choose another out=FOLDER"):
        CellStore(tmp_path / "file" / "b" / "t" / "s-c0").writing().__enter__()


def test_an_output_folder_that_cannot_be_made_is_an_error_message(tmp_path: Path, invbench: Callable[..., Any]) -> None:
    (tmp_path / "file").write_text("")
    result = invbench("run", "solver=pinv", "benchmark=gmm2d", "task=denoise", "n=2", "out=file/below")
    assert result.returncode in (1, 2)
    assert "error: cannot write to file/below" in result.stderr
    assert "Traceback" not in result.stderr


def test_rows_are_plain_json_lines(store: CellStore) -> None:
    with store.writing():
        store.append("ü", torch.zeros(1, 1, 1, 1), rows_of("ü", 0.1))
    first = json.loads(store.rows.read_text(encoding="ascii").splitlines()[0])
    assert first == {
        "cell": "c0",
        "image": "ü",
        "sample": 0,
        "metric": "psnr",
        "protocol": "psnr/p",
        "value": 0.1,
        "unit": "",
        "y_sha256": "0" * 64,
    }


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
