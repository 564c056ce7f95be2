"""The results store: what is written survives, and what cannot be written is said."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from storing import rows_of, run_of

from invbench.errors import StoreError
from invbench.store.files import LAST, read_rows
from invbench.store.reader import load_cells
from invbench.store.writer import CellStore


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


def test_a_number_that_is_there_is_not_written_again(store: CellStore) -> None:
    with store.writing():
        assert store.add_rows(rows_of("a")[:2]) == 2
        assert store.add_rows(rows_of("a")) == 1
    with store.writing():
        assert store.add_rows(rows_of("a")) == 0
    assert [row.metric for row in read_rows(store.rows)[0]] == ["psnr", "seconds", LAST]


def test_run_json_round_trips(store: CellStore) -> None:
    assert store.read_run() is None
    with store.writing():
        store.write_run(run_of())
    assert store.read_run() == run_of()
    assert not list(store.folder.glob("*.part"))


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
