"""A solver that 'invbench new' starts: it is found, runs, and passes every check."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import called

from invbench.cli.scaffold import new_solver
from invbench.errors import ConfigError, StoreError
from invbench.plugins import load_catalog

CATALOG = load_catalog()


@pytest.mark.long
def test_a_new_solver_runs_and_passes_its_checks(tmp_path: Path) -> None:
    result = called(["new", "solver", "my_method"], tmp_path)
    assert result.returncode == 0, result.stderr
    assert "pip install --editable invbench-my-method" in result.stdout
    folder = tmp_path / "invbench-my-method"
    info = folder / "invbench_my_method-0.1.0.dist-info"  # as an installation leaves it
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: invbench-my-method\nVersion: 0.1.0\n")
    project = (folder / "pyproject.toml").read_text()
    assert 'solver_my_method = "invbench_my_method"' in project
    (info / "entry_points.txt").write_text("[invbench]\nsolver_my_method = invbench_my_method\n")
    ran = called(["run", "solver=my_method", "benchmark=gmm", "task=denoise", "n=2"], tmp_path, folder)
    assert "my_method: complete, 2 images" in ran.stderr
    checked = called(["check", "my_method"], tmp_path, folder)
    assert checked.returncode == 0, checked.stdout


def test_names_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="small letters, digits and _, as my_solver; got 'My-Solver'"):
        new_solver("My-Solver", tmp_path, CATALOG)
    with pytest.raises(ConfigError, match="invbench has a solver 'ddrm' already"):
        new_solver("ddrm", tmp_path, CATALOG)
    new_solver("mine", tmp_path, CATALOG)
    with pytest.raises(StoreError, match="invbench-mine exists already"):
        new_solver("mine", tmp_path, CATALOG)
    assert "unknown kind to start 'task'" in called(["new", "task", "x"], tmp_path).stderr
