"""Running and reading from Python: what the command line gives, as objects."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command import called

import invbench

QUIET = {"references": False, "progress": False}


def test_a_run_from_python_is_the_cell_of_the_command(tmp_path: Path) -> None:
    words = ["solver=ddrm", "task=denoise", "benchmark=gmm2d", "n=3", "solver.nfe=5", "references=false", "out=shell"]
    assert called(["run", *words], tmp_path).returncode == 0
    arguments = [*sys.argv]
    results = invbench.run("ddrm", "denoise", "gmm2d", n=3, solver__nfe=5, out=str(tmp_path / "py"), **QUIET)
    assert sys.argv == arguments
    (cell,) = results.cells
    (there,) = invbench.load(tmp_path / "shell").cells
    assert cell.id == there.id
    ours, theirs = (c.frame[c.frame["metric"] == "psnr"]["value"].tolist() for c in (cell, there))
    assert ours == theirs


def test_references_are_run_and_what_is_recorded_is_taken(tmp_path: Path) -> None:
    first = invbench.run("wiener", "denoise", "gmm2d", n=2, out=str(tmp_path), progress=False)
    assert {cell.run.config.solver.name for cell in first.cells} > {"wiener"}
    seconds = {p: p.read_bytes() for p in tmp_path.rglob("records.jsonl")}
    invbench.run("wiener", "denoise", "gmm2d", n=2, out=str(tmp_path), progress=False)
    assert {p: p.read_bytes() for p in seconds} == seconds


def test_lists_are_a_sweep(tmp_path: Path) -> None:
    results = invbench.run(["pinv", "wiener"], "denoise", "gmm2d", seed=(0, 1), n=2, out=str(tmp_path), **QUIET)
    assert len(results) == 4
    assert sorted(results.frame["seed"].unique()) == [0, 1]
    solvers = ("pinv", "wiener")
    assert set(results.images) == {f"gmm2d/denoise/{name}, seed {seed}" for name in solvers for seed in (0, 1)}


def test_what_cannot_be_run_is_said_before_anything_is_written(tmp_path: Path) -> None:
    out = str(tmp_path / "runs")
    with pytest.raises(invbench.InvbenchError, match="unknown solver 'ddrn'; did you mean 'ddrm'"):
        invbench.run("ddrn", "sr4", out=out)
    with pytest.raises(invbench.InvbenchError, match="unknown option of solver ddrm 'etha'"):
        invbench.run("ddrm", "sr4", solver__etha=1, out=out)
    with pytest.raises(invbench.ConfigError, match="unknown filter 'tsk'; did you mean 'task'"):
        invbench.load("reference", tsk="sr4")
    with pytest.raises(invbench.DataError, match="no records in nowhere of task=sr4; make some with"):
        invbench.load("nowhere", task="sr4")
    with pytest.raises(invbench.ConfigError, match="takes the name of a solver; got an object. restore"):
        invbench.run(invbench.plugin("solver", "ddrm")(nfe=5), "sr4", out=out)  # type: ignore[arg-type]
    assert not Path(out).exists()


def test_the_folder_above_the_records_is_told_where_they_are(tmp_path: Path) -> None:
    invbench.run("pinv", "denoise", "gmm2d", n=1, out=str(tmp_path / "runs"), **QUIET)
    with pytest.raises(invbench.DataError, match=f"no records in .*; there are some in {tmp_path / 'runs'}"):
        invbench.load(tmp_path)
    ran = called(["table", "--out", "."], tmp_path)
    assert "error: no records of anything in .; there are some in runs" in ran.stderr


def test_a_failing_cell_is_a_warning_and_a_fault(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="photos/sr4/ddrm: metric|fail|finite"):
        results = invbench.run("red_diff", "denoise", "gmm2d", n=1, solver__lr=1e38, out=str(tmp_path), **QUIET)
    assert results.faults
