"""What is there of a cell: kept, continued, run again, shared among shards, and left by an interruption."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from running import CATALOG, Run, Toy, cell_of, images_of, paint, run_json, values_of
from safetensors.torch import load_file
from torch import Tensor

import invbench as ib
from invbench.cli import main
from invbench.store.reader import load_cells
from invbench.store.writer import CellStore


class StoppedByUser(Toy):
    def answer(self, y: Tensor, prior: ib.Prior, rng: ib.Rng) -> Tensor:
        if len(self.calls) == 2:
            raise KeyboardInterrupt
        return super().answer(y, prior, rng)


def assert_same(one: Path, other: Path) -> None:
    first, second = images_of(one), images_of(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert values_of(one) == values_of(other)


def test_a_complete_cell_is_not_solved_again(run: Run, tmp_path: Path) -> None:
    first = run(cell_of(Toy()))
    before = (first.folder / "records.jsonl").read_bytes()
    Toy.calls.clear()
    second = run(cell_of(Toy()))
    assert (second.status, second.images, Toy.calls) == ("complete", 4, [])
    assert (second.folder / "records.jsonl").read_bytes() == before


def test_a_complete_cell_whose_files_were_changed_is_not_continued(run: Run) -> None:
    folder = run(cell_of(Toy()), n=2).folder
    path = min((folder / "images").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ib.InvbenchError, match=f"was changed since its run was complete: .*{path.name}"):
        run(cell_of(Toy()), n=4)


def test_more_images_continue_a_cell(run: Run, tmp_path: Path) -> None:
    run(cell_of(Toy()), n=4)
    Toy.calls.clear()
    outcome = run(cell_of(Toy()), n=8)
    assert (outcome.images, Toy.calls) == (8, [2, 2])
    run(cell_of(Toy()), n=8, out=tmp_path / "at_once")
    at_once = images_of(tmp_path / "at_once")
    grown = {path.name: load_file(path)["x_hat"] for path in (outcome.folder / "images").iterdir()}
    assert all(torch.equal(at_once[name], grown[name]) for name in at_once)


def test_overwrite_solves_a_complete_cell_again(run: Run) -> None:
    run(cell_of(Toy()))
    Toy.calls.clear()
    outcome = run(cell_of(Toy()), overwrite=True)
    assert (outcome.images, Toy.calls) == (4, [2, 2])
    assert len((outcome.folder / "records.jsonl").read_text().splitlines()) == 4 * 7


def test_records_of_other_code_are_reused_with_a_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(cell_of(Toy())).solved == 4
    again = run(cell_of(Toy()))
    assert (again.solved, again.images, again.status) == (0, 4, "complete")
    (session,) = run_json(again)["sessions"]
    assert len(session["code"]["solver"]) == 12
    monkeypatch.setattr("invbench.harness.cell.source_sha256", lambda cls: f"other {cls.__name__}")
    with pytest.warns(UserWarning, match="the code of solver toy has changed .* overwrite=true runs them again"):
        run(cell_of(Toy()))
    assert run(cell_of(Toy()), overwrite=True).solved == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(cell_of(Toy()))


def test_overwrite_solves_again_what_shards_had_completed(run: Run) -> None:
    run(cell_of(Toy()), shard=(0, 2))
    run(cell_of(Toy()), shard=(1, 2))
    Toy.calls.clear()
    run(cell_of(Toy()), overwrite=True)
    assert Toy.calls == [2, 2]


def test_an_interruption_is_recorded_and_what_was_computed_is_kept(run: Run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(cell_of(StoppedByUser()))
    assert len(images_of(tmp_path)) == 2
    assert load_cells(tmp_path)[0].run.status == "interrupted"
    outcome = run(cell_of(StoppedByUser()))
    assert (outcome.status, outcome.images, Toy.calls) == ("complete", 4, [2, 2, 2])


def test_two_shards_are_the_unsharded_run_bit_for_bit(run: Run, tmp_path: Path) -> None:
    cell = cell_of(CATALOG.get("solver", "ddrm")(nfe=2))
    whole = run(cell, n=10, out=tmp_path / "whole")
    shards = [run(cell, n=10, shard=(i, 2), out=tmp_path / "shards") for i in (1, 0)]
    assert [s.images for s in shards] == [4, 6]
    assert {s.cell for s in shards} == {whole.cell}
    assert_same(tmp_path / "whole", tmp_path / "shards")


def test_a_run_after_its_shards_has_nothing_left_to_do(run: Run) -> None:
    run(cell_of(Toy()), shard=(0, 2))
    run(cell_of(Toy()), shard=(1, 2))
    Toy.calls.clear()
    assert (run(cell_of(Toy())).images, Toy.calls) == (4, [])


INTERRUPTED = ["solver=ddrm", "benchmark=gmm", "task=denoise", "n=32", "batch_size=2", "references=false"]


def start(out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "invbench.cli", "run", *INTERRUPTED, "solver.nfe=25", f"out={out}"]
    return subprocess.Popen(
        command,
        cwd=out.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # two of them run at once
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job's children ignore it
    )


def count_images(out: Path) -> int:
    return len(list(out.glob("gmm/denoise/ddrm-*/images/*.safetensors")))


def wait_for_images(process: subprocess.Popen[str], out: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while count_images(out) < count:
        assert process.poll() is None, f"ended before {count} images: {process.communicate()}"
        assert time.monotonic() < deadline, f"no {count} images after a minute"
        time.sleep(0.002)


@dataclass(frozen=True)
class Interruptions:
    out: Path  # interrupted again and again, then run to the end
    uninterrupted: Path
    codes: list[int]
    errors: list[str]


@pytest.fixture(scope="module")
def interruptions(tmp_path_factory: pytest.TempPathFactory) -> Interruptions:
    """A run stopped four times at random moments (killed, interrupted, killed, killed) and one left alone."""
    folder = tmp_path_factory.mktemp("interrupted")
    out, codes, errors = folder / "out", [], []
    alone = start(folder / "alone")
    for how in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGKILL):
        before = count_images(out)  # of earlier starts: the signal must meet this one at work
        process = start(out)
        wait_for_images(process, out, before + 1)
        time.sleep(random.uniform(0, 0.03))
        process.send_signal(how)
        errors.append(process.communicate(timeout=60)[1])
        codes.append(process.returncode)
    last = start(out)
    for process in (last, alone):
        errors.append(process.communicate(timeout=120)[1])
        codes.append(process.returncode)
    return Interruptions(out, folder / "alone", codes, errors)


@pytest.mark.long
def test_a_run_that_was_killed_three_times_equals_an_uninterrupted_one(interruptions: Interruptions) -> None:
    assert [interruptions.codes[i] for i in (0, 2, 3)] == [-signal.SIGKILL] * 3, "the run ended before it was killed"
    assert interruptions.codes[4:] == [0, 0], interruptions.errors[4:]
    assert_same(interruptions.out, interruptions.uninterrupted)
    assert len(images_of(interruptions.out)) == 32
    assert load_cells(interruptions.out)[0].run.status == "complete"


@pytest.mark.long
def test_ctrl_c_says_that_the_work_is_kept(interruptions: Interruptions) -> None:
    assert interruptions.codes[1] == 130
    assert "interrupted; what was computed is kept, and the same command resumes from there" in interruptions.errors[1]
    assert "Traceback" not in interruptions.errors[1]


@pytest.mark.long
def test_a_second_process_on_the_same_cell_is_reported(interruptions: Interruptions, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = start(out)
    wait_for_images(first, out, 1)
    first.send_signal(signal.SIGSTOP)
    try:
        second = start(out)
        _, error = second.communicate(timeout=60)
    finally:
        first.send_signal(signal.SIGCONT)
    first.communicate(timeout=120)
    assert second.returncode == 1
    assert "error: another process is running this cell" in error
    assert "Traceback" not in error
    assert first.returncode == 0
    assert_same(out, interruptions.uninterrupted)


RUN = ("run", "solver=pinv", "task=sr4", "references=false")


def invbench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


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


def test_overwriting_needs_nothing_of_what_is_overwritten(tmp_path: Path) -> None:
    words = (*RUN, "n=2", f"out={tmp_path}")
    assert invbench(*words).exit_code == 0
    (path,) = tmp_path.glob("*/*/*/run.json")
    path.write_text("")
    assert invbench(*words, "overwrite=true").exit_code == 0
    assert CellStore(path.parent).damage() == []
