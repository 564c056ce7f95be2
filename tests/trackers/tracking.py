"""A cell, the same cell again, and a training of a few steps, as commands in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from invbench.store.reader import LoadedCell, load_cells

CELL = ("run", "solver=ddrm", "benchmark=gmm", "task=denoise", "n=4", "solver.nfe=3", "references=false")
TRAINING = ("train", "solver=davi", "benchmark=gmm2d", "task=denoise", "training.batch_size=8", "training.steps=20")


def followed(name: str, folder: Path, **environment: str) -> LoadedCell:
    """Run them with a tracker; the cell that was recorded."""
    for words in (CELL, CELL, (*TRAINING, "folder=here")):
        command = [sys.executable, "-m", "invbench.cli", *words, f"track={name}"]
        env = {**os.environ, **environment}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"tracker {name} failed" not in done.stderr
    (cell,) = load_cells(folder / "results" / "runs")
    return cell
