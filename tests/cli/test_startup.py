"""Commands that compute nothing answer at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import called

CLI = ["-m", "invbench.cli"]


def seconds(arguments: list[str], cwd: Path) -> float:
    """Wall time of an interpreter with these arguments."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, check=True)
    return time.perf_counter() - begin


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    assert called(["run", "solver=pinv", "benchmark=gmm2d", "task=denoise", "n=8"], folder).returncode == 0
    return folder


@pytest.mark.parametrize(
    ("words", "absent"), [(["--help"], {"numpy", "pandas", "PIL", "torch"}), (["list"], {"torch"})]
)
def test_a_command_imports_nothing_that_it_does_not_need(words: list[str], absent: set[str], tmp_path: Path) -> None:
    code = (
        f"import sys; from invbench.cli import main; sys.argv[1:] = {words}\ntry: main()\nfinally: print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert not absent & set(ran.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("words", "limit"), [(["--help"], 0.8), (["list"], 1.5), (["table"], 4.5), (["train", "--help"], 2.5)]
)
def test_a_command_answers_at_once(words: list[str], limit: float, recorded: Path) -> None:
    """In units of an import of pandas at the same time, whatever else the machine does; torch alone would take 6.

    The least of up to seven times each counts, since a busy machine only adds.
    """
    pandas, command = [], []
    for _ in range(7):
        pandas.append(seconds(["-c", "import pandas"], recorded))
        command.append(seconds([*CLI, *words], recorded))
        if len(command) > 1 and min(command) < limit * min(pandas):
            return
    pytest.fail(f"{min(command):.2f} s, {min(command) / min(pandas):.1f} imports of pandas; expected {limit}")
