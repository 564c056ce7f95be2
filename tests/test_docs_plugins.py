"""The plugins of docs/plugins.md pass every check, run and train."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from command import called
from pages import DOCS, install

from invbench import read_tensors

NAMES = ("shake", "waves", "discs", "white", "mae", "corrector")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's modules as an installed distribution."""
    return install("plugins.md", tmp_path_factory.mktemp("plugins"))


def invbench(home: Path, *words: str) -> str:
    result = called(words, home, site=home)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_of_the_page_passes_the_checks_of_its_kind(home: Path, name: str) -> None:
    assert " 0 fail" in invbench(home, "check", name)


@pytest.mark.parametrize(
    ("page", "title", "lines"),
    [
        ("../README.md", "class OneStep(Solver)", 24),
        ("python.md", "class EveryOther(invbench.LinearOperator)", 12),
        ("own.md", "class Shrink(nn.Module)", 8),
        ("plugins.md", "class Waves(Dataset)", 12),
        ("plugins.md", "class MAE(Metric)", 10),
    ],
)
def test_the_shortest_of_each_kind_is_short(page: str, title: str, lines: int) -> None:
    """Without imports and the docstring of the module."""
    (code,) = [each for each in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.S) if title in each]
    left_out = ("import ", "from ", '"""')
    assert sum(bool(line.strip()) and not line.startswith(left_out) for line in code.splitlines()) <= lines


@pytest.mark.long
def test_task_dataset_prior_and_metric_of_the_page_run_together(home: Path) -> None:
    text = invbench(
        home, "run", "benchmark=discs", "task=shake", "prior=white", "solver=diffpir", "solver.nfe=5", "n=2"
    )
    assert "discs v1 | shake (taps=5)" in text
    assert "| prior white " in text
    assert "mae ↓" in text
    assert re.search(r"^diffpir +2 ", text, re.M)


@pytest.mark.long
def test_the_trained_solver_of_the_page_is_better_than_what_it_starts_from_and_repeatable(home: Path) -> None:
    train = ["train", "solver=corrector", "task=sr4", "dataset=discs", "dataset.side=64"]
    for folder in ("a", "b"):
        invbench(home, *train, "training.steps=5", f"folder={folder}")
    first, second = (read_tensors(home / folder / "weights.safetensors")[1] for folder in ("a", "b"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    result = invbench(home, *train, "training.steps=60", "folder=c")
    (command,) = [line for line in result.splitlines() if line.startswith("invbench run solver=corrector")]
    text = invbench(home, *command.split()[1:], "n=8")
    psnr = {
        row[0]: float(row[2]) for line in text.splitlines() if (row := line.split()) and row[0] in ("pinv", "corrector")
    }
    assert psnr["corrector"] > psnr["pinv"] + 0.1
