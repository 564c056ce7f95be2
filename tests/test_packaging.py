"""The wheel is complete: it works from a folder that is not the repository. Versions agree wherever they stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import invbench

ROOT = Path(__file__).parent.parent
PACKED = (
    "invbench",
    "solvers",
    "tasks",
    "datasets",
    "results/published",
    "results/reference",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
COMMANDS = (
    "run solver=ddrm task=sr4 n=2 batch_size=2",
    "report",
    "run solver=davi benchmark=gmm2d task=denoise n=2",
    "table --paper 1",
    "table benchmark=photos task=sr4 --out reference",
    "new dataset mine",
)


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_is_the_same_wherever_it_stands() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == invbench.__version__ == cited["version"]


def test_the_oldest_dependencies_are_those_that_are_allowed() -> None:
    lines = [line for line in (ROOT / "tests" / "oldest.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line.replace("==", ">=") for line in lines] == PROJECT["dependencies"]


@pytest.mark.long
def test_a_wheel_runs_from_another_folder(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in PACKED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *options, "--wheel-dir", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)

    env = {**os.environ, "PYTHONPATH": str(site)}
    where = "import invbench, invbench_solvers.ddrm as d; print(invbench.__file__, d.__file__)"
    result = subprocess.run([sys.executable, "-c", where], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert result.stdout.count(str(site)) == 2, "the wheel, not the repository, is under test"
    restored, report, trained, paper, released, begun = answers(COMMANDS, tmp_path, env)
    assert "ddrm" in restored
    assert list((tmp_path / "results" / "runs" / "photos" / "sr4").glob("figure-photos-seed0-*.png"))
    assert report.strip() == "report.html"  # its template, style and script are package data
    assert "davi" in trained  # its weights are package data
    assert "25.46" in paper  # so are the published tables
    assert "ddrm" in released  # and our own records
    assert "holds the dataset" in begun  # and what plugins start from


def answers(commands: tuple[str, ...], cwd: Path, env: dict[str, str]) -> list[str]:
    """What commands print that one interpreter runs in turn; each must succeed."""
    code = """
import sys
from invbench.cli import main
for words in sys.argv[1:]:
    assert not main(words.split(), standalone_mode=False), words
    print("ANSWERED")
"""
    command = [sys.executable, "-c", code, *commands]
    result = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.split("ANSWERED\n")[:-1]
