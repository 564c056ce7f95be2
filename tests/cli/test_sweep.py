"""From overrides to jobs, here and by a launcher's workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sharding import cells

from invbench.cli import jobs, main


def test_the_composed_configuration_can_be_shown(invbench: Callable[..., Any]) -> None:
    result = invbench("run", "solver=ddrm", "task=sr4", "--cfg", "job")
    assert result.returncode == 0
    assert "nfe: 20" in result.stdout
    assert "launcher" not in result.stdout


Call = Callable[..., Any]
GMM = ["run", "solver=ddrm", "benchmark=gmm", "task=denoise", "n=6", "batch_size=2", "solver.nfe=3"]
INLINE = ["isolate=false", "hydra/launcher=inline"]  # of tests/hydra_plugins


@pytest.mark.long
def test_after_a_sweep_by_a_launcher_the_tables_are_printed(invbench: Call, tmp_path: Path) -> None:
    words = ["run", "solver=pinv,wiener", "benchmark=gmm", "task=denoise", "seed=0,1", "n=2", *INLINE]
    result = invbench(*words)
    assert result.returncode == 0, result.stderr
    for seed in (0, 1):
        assert len(re.findall(rf"\| seed {seed}$", result.stdout, re.M)) == 1
    assert os.listdir(tmp_path / "results/runs") == ["gmm"]
    again = invbench(*words)
    assert again.returncode == 0
    assert all(len(cell.run.sessions) == 1 for cell in cells(tmp_path / "results/runs").values()), "nothing ran twice"


@pytest.mark.long
@pytest.mark.parametrize("extra", [[], ["shards=3", *INLINE]])
def test_a_sweep_overwrites_a_shared_reference_once(extra: list[str], invbench: Call, tmp_path: Path) -> None:
    words = ["run", "solver=ddrm,wiener", *GMM[2:-1]]
    assert invbench(*words).returncode == 0
    old = {name: cell.folders for name, cell in cells(tmp_path / "results/runs").items()}
    result = invbench(*words, "overwrite=true", *extra)
    assert result.returncode == 0, result.stderr
    parts = max(1, 3 * len(extra[:1]))
    assert result.stderr.count("gmm/denoise/pinv") > 0
    assert len(re.findall(r"gmm/denoise/pinv.*already recorded", result.stderr)) == parts
    for name, cell in cells(tmp_path / "results/runs").items():
        assert len(cell.folders) == parts
        assert (cell.folders == old[name]) is (parts == 1), "what was run in other parts is gone"
        assert len(cell.images) == 6


@pytest.mark.long
@pytest.mark.parametrize("extra", [["seed=0,1"], ["seed=0,1", *INLINE]])
@pytest.mark.parametrize("name", ["two words", "a'b", "a=b,c", "${x}", "$(x)", "back\\slash", 'quo"te', "\u7167"])
def test_a_sweep_into_a_folder_of_any_name_leaves_records_alone(
    name: str, extra: list[str], invbench: Call, tmp_path: Path
) -> None:
    result = invbench("run", "solver=pinv", *GMM[2:5], "references=false", f'out="{name}"', *extra)
    assert result.returncode == 0, result.stderr
    assert os.listdir(tmp_path) == [name]
    assert os.listdir(tmp_path / name) == ["gmm"]


def test_an_error_in_a_job_of_a_sweep_comes_without_hydra_s_words(
    invbench: Call, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(jobs, "_run_job", broken)
    with pytest.raises(ValueError, match="^broken$"):
        invbench(*GMM, "seed=0,1")
    assert "Error executing job" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("command", ["bench", "plan"])
def test_what_measures_this_machine_takes_no_launcher(command: str, invbench: Call) -> None:
    result = invbench(command, *GMM[1:], "hydra/launcher=inline")
    assert result.returncode == 2
    assert "hydra/launcher=inline is for 'invbench run'; leave it out" in result.stderr


def command(words: list[str], cwd: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, whose workers find what lies in ``site``, too."""
    environment = {**os.environ, "PYTHONPATH": str(site), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    call = [sys.executable, "-m", "invbench.cli", *words]
    return subprocess.run(call, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)


def invbench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def test_a_file_in_place_of_the_results_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invbench("run", "solver=pinv,bicubic", "task=sr4", "n=2", f"out={tmp_path / 'file'}")
    assert result.exit_code == 2
    assert "choose another out=FOLDER" in result.output
