"""Results in Python: numbers, tables, pictures, reconstructions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import invbench
from invbench.errors import DataError

QUIET = {"references": False, "progress": False}


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
