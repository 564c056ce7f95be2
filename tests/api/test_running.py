"""Running and reading from Python: what the command line gives, as objects."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
import torch
from command import called

import invbench
from invbench.errors import DataError
from invbench.harness.choices import choices
from invbench.harness.config import described
from invbench.plugins import load_catalog

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


def test_results_are_tidy_numbers_tables_and_reconstructions(tmp_path: Path) -> None:
    results = invbench.run("ddrm", "sr4", n=2, solver__nfe=2, out=str(tmp_path), progress=False)
    frame = results.frame
    assert [*frame.columns[:5]] == ["benchmark", "task", "seed", "solver", "cell"]
    one = frame[(frame["solver"] == "ddrm") & (frame["metric"] == "psnr")]
    assert len(one) == 2
    assert one["value"].between(5, 50).all()
    row = results.summary.query("solver == 'ddrm' and metric == 'psnr'").iloc[0]
    assert row["value"] == pytest.approx(one["value"].mean())
    table = results.table("psnr")
    assert "psnr" in str(table)
    assert "ssim" not in str(table)
    assert "<table>" in results._repr_html_()
    assert r"\toprule" in table.render("latex")
    x = results.images["ddrm"]["kodim01_064_320"]
    assert x.shape == (1, 3, 64, 64)
    assert x.dtype == torch.float32
    (picture,) = results.figure(rows=2)
    assert picture._repr_png_()[:4] == b"\x89PNG"
    assert results.figure("bars").axes


def test_released_records_are_read_by_name() -> None:
    results = invbench.load("reference", benchmark="photos", task="sr4", solver="ddrm,pinv")
    assert {cell.run.config.solver.name for cell in results.cells} == {"ddrm", "pinv"}
    with pytest.raises(invbench.DataError, match="the reconstructions of these cells are not here"):
        results.figure()


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
    assert not Path(out).exists()


def test_a_failing_cell_is_a_warning_and_a_fault(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="photos/sr4/ddrm: metric|fail|finite"):
        results = invbench.run("red_diff", "denoise", "gmm2d", n=1, solver__lr=1e38, out=str(tmp_path), **QUIET)
    assert results.faults


def test_results_of_no_cells_are_empty_tables(tmp_path: Path) -> None:
    results = invbench.run("red_diff", "denoise", "gmm2d", n=1, solver__lr=1e38, out=str(tmp_path), **QUIET)
    nothing = dataclasses.replace(results, cells=())
    assert len(nothing.frame) == len(nothing.summary) == len(nothing.table()) == len(nothing.table(by_task=True)) == 0
    assert list(nothing.frame) == list(results.frame)
    assert "no results" in repr(nothing)
    assert "red_diff" in nothing._repr_html_()
    for kind in ("bars", "front", "grid"):
        with pytest.raises(DataError, match="no results to draw"):
            nothing.figure(kind)


HYDRA = "hydra.verbose=false"  # an option of its own, with which it composes the jobs


@pytest.mark.parametrize(
    "words",
    [
        ["solver=ddrm", "task=sr4"],
        ["solver=dps", "task=inpaint", "benchmark=gmm", "seed=3", "task.noise=gaussian 0.1 [0,1]"],
        ["solver=davi", "task=deblur", "settings=variational", "solver.temperature=0.5"],
        ["solver=pinv", "task=denoise", "dataset=folder", "dataset.root='a folder, of mine'", "prior=adm_photos"],
        ["task=sr4,deblur", "solver=ddrm,dps", "seed=range(0,2)", "solver.nfe=2,3", "benchmark=gmm"],
    ],
)
def test_choices_are_what_hydra_composes(words: list[str], tmp_path: Path) -> None:
    catalog = load_catalog()
    own = [described(choice, catalog).strip() for choice in choices(words, catalog)]
    shown = called(["run", "--cfg", "job", *words, HYDRA], tmp_path)
    assert shown.stdout.strip().split("\n---\n") == own
    assert called(["run", "--cfg", "job", *words], tmp_path).stdout == shown.stdout


@pytest.mark.long
def test_choices_of_every_plugin_are_what_hydra_composes(tmp_path: Path) -> None:
    catalog = load_catalog()
    kinds = {kind: catalog.plugins[kind] for kind in ("solver", "task", "dataset", "prior")}
    for kind, plugins in kinds.items():
        words = {"solver": "pinv", "task": "denoise", kind: ",".join(plugins)}
        pairs = [f"{key}={value}" for key, value in words.items()]
        own = [described(choice, catalog).strip() for choice in choices(pairs, catalog)]
        shown = called(["run", "--cfg", "job", *pairs, HYDRA], tmp_path)
        assert shown.stdout.strip().split("\n---\n") == own
        assert len(own) == len(plugins)
