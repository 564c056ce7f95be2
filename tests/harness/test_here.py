"""A cell in this process: how many images it takes, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from sharding import cells

from invbench.cli import main

RUN = ("run", "solver=pinv", "task=sr4", "references=false")


def invbench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def test_a_shard_without_images_says_why(tmp_path: Path) -> None:
    result = invbench(*RUN, "n=4", "shard=3/4", f"out={tmp_path}")
    assert "shard=3/4 has no images: a shard takes every k-th batch, and there are 1 of 16 images" in result.output


Call = Callable[..., Any]
GMM = ["run", "solver=ddrm", "benchmark=gmm", "task=denoise", "n=6", "batch_size=2", "solver.nfe=3"]
INLINE = ["isolate=false", "hydra/launcher=inline"]  # of tests/hydra_plugins


def test_more_shards_than_batches_are_noted(invbench: Call, tmp_path: Path) -> None:
    result = invbench(*GMM, "shards=5", "references=false", *INLINE)
    assert result.returncode == 0
    assert "shards=5: some have no images: a shard takes every k-th batch, and there are 3 of 2" in result.stderr
    (cell,) = cells(tmp_path / "results/runs").values()
    assert len(cell.folders) == 3, "a shard without images leaves no folder"
