"""docs/own.md: its modules are installed, its blocks run one after the other, and so do its commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import called
from extras import skip_without_its_library

PAGE = (Path(__file__).parent.parent / "docs" / "own.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
COMMANDS = re.findall(r"^    (invbench .*)$", PAGE, re.M)
SEEN = """
assert A.y_shape == (1, 16, 8) and x.shape == (1, 16, 16)
assert u.shape == denoised.shape == (2, 1, 16, 16) and 0.3 < u.mean() < 0.7
assert theirs.A(u).shape == u.shape
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's modules, its noise model installed, and a measurement."""
    folder = tmp_path_factory.mktemp("own")
    for code in BLOCKS:
        if title := re.match(r'"""(\w+\.py): ', code):
            (folder / title[1]).write_text(code)
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    info = folder / "mine-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(toml.replace("[project.entry-points.", "[").replace('"', ""))
    np.save(folder / "y.npy", np.zeros((3, 64, 32), np.float32))
    return folder


def test_the_blocks_of_the_page_run(tmp_path: Path) -> None:
    skip_without_its_library("deepinv")
    code = "\n".join(block for block in BLOCKS if not block.startswith('"""')) + SEEN
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_noise_of_the_page_is_found(home: Path) -> None:
    words = ["run", "solver=pinv", "task=denoise", "task.noise=salt 0.1", "benchmark=gmm2d", "n=2", "references=false"]
    ran = called([*words, "isolate=false"], home, site=home)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Salt on 10%" in ran.stdout


def test_there_are_commands_to_run() -> None:
    assert len(COMMANDS) == 6


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(home: Path, command: str) -> None:
    if "deepinv" in command:
        skip_without_its_library("deepinv")
    ran = called(shlex.split(command)[1:], home)
    assert ran.returncode == 0, ran.stdout + ran.stderr
