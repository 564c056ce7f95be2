"""The wheel is complete: it works from a folder that is not the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

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
    found = subprocess.run([sys.executable, "-c", where], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert found.stdout.count(str(site)) == 2, "the wheel, not the repository, is under test"
    command = [sys.executable, "-m", "invbench.cli", "run", "solver=ddrm", "task=sr4", "n=2", "batch_size=2"]
    result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "ddrm" in result.stdout
    assert list((tmp_path / "results" / "runs" / "photos" / "sr4").glob("figure-photos-seed0-*.png"))
    result = subprocess.run(
        [*command[:3], "report"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert result.stdout.strip() == "report.html", result.stderr  # its template, style and script are package data
    trained = ["solver=davi", "benchmark=gmm2d", "task=denoise", "n=2"]  # its weights are package data
    result = subprocess.run(
        [*command[:4], *trained], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    paper = [*command[:3], "table", "--paper", "1"]  # so are the published tables
    result = subprocess.run(paper, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert "25.46" in result.stdout, result.stderr
    released = [*command[:3], "table", "benchmark=photos", "task=sr4", "--out", "reference"]  # and our own records
    result = subprocess.run(released, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert "ddrm" in result.stdout, result.stderr
