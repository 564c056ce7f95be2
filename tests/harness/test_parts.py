"""The images of a cell in several parts, and what is said of the parts that miss some."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Run, Toy, cell_of

from invbench.harness.cell import Options
from invbench.harness.parts import even_batch, joined, part_folders, settle
from invbench.harness.resume import Plan
from invbench.store.writer import CellStore


@pytest.mark.parametrize("n", [1, 3, 48, 1000])
@pytest.mark.parametrize("shards", [1, 2, 8])
def test_shards_have_as_many_batches_as_each_other_of_two_images_at_least(n: int, shards: int) -> None:
    size = even_batch(n, shards, 16)
    assert 2 <= size <= 16
    batches = -(-n // size)
    rounds = -(-batches // shards)
    assert rounds == max(1, -(-n // (shards * 16))), "no more rounds than the largest batches need"


def plan_of(out: Path, n: int = 4) -> Plan:
    return Plan.of(cell_of(Toy()), Options(out, n, 2))


def test_shards_that_are_all_there_are_a_complete_cell(run: Run, tmp_path: Path) -> None:
    for i in range(2):
        run(cell_of(Toy()), shard=(i, 2))
    outcome = joined(plan_of(tmp_path), 1, 2)
    assert (outcome.status, outcome.images, outcome.solved, outcome.reason) == ("complete", 4, 4, "")
    assert len(part_folders(plan_of(tmp_path).cell_folder)) == 2


def test_shards_that_miss_images_are_named(run: Run, tmp_path: Path) -> None:
    run(cell_of(Toy()), shard=(0, 2))
    outcome = joined(plan_of(tmp_path), 1, 2)
    assert (outcome.status, outcome.images) == ("failed", 2)
    assert outcome.reason == "2 of 4 images are missing, those of shard 1/2; the same command runs them alone"
    assert joined(plan_of(tmp_path / "nothing"), 1, 1).reason.startswith("4 of 4 images are missing; the same")


def test_a_shard_that_failed_counts_no_more_once_its_images_are_there(run: Run, tmp_path: Path) -> None:
    run(cell_of(Toy()))
    store = CellStore(part_folders(plan_of(tmp_path).cell_folder)[0])
    with store.writing():
        left = store.read_run()
        assert left is not None
        left.status, left.reason, left.traceback = "failed", "no luck", "Traceback"
        store.drop_checksums()
        store.write_run(left)
    settle(store.folder)
    now = store.read_run()
    assert now is not None
    assert (now.status, now.reason, now.traceback, store.has_checksums) == ("complete", None, None, True)
