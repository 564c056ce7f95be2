"""Commands that compute nothing answer at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

CLI = ["-m", "invbench.cli"]


def best_seconds(arguments: list[str], cwd: Path, runs: int = 7) -> float:
    """Least wall time of an interpreter with these arguments; the least, since a busy machine only adds."""

    def once() -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, check=True)
        return time.perf_counter() - begin

    return min(once() for _ in range(runs))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    words = ["run", "solver=pinv", "benchmark=gmm2d", "task=denoise", "n=8"]
    subprocess.run([sys.executable, *CLI, *words], cwd=folder, capture_output=True, check=True)
    return folder


@pytest.mark.parametrize(
    ("words", "limit"), [(["--help"], 0.8), (["list"], 1.5), (["table"], 4.5), (["train", "--help"], 2.5)]
)
def test_a_command_answers_at_once(words: list[str], limit: float, recorded: Path) -> None:
    """In units of an import of pandas at the same time, whatever else the machine does; torch alone would take 6."""
    pandas = best_seconds(["-c", "import pandas"], recorded)
    assert best_seconds([*CLI, *words], recorded) < limit * pandas
