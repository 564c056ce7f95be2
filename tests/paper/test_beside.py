"""Our row beneath a method of a paper's table."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from judging import METRICS
from made import loaded_cell
from msgspec import structs

from invbench.analysis.cell import Cell
from invbench.cli import main
from invbench.errors import ConfigError
from invbench.paper.beside import Beside, Entry, Missing, OwnRow
from invbench.paper.marks import Style
from invbench.paper.printed import Column, Paper
from invbench.paper.published import paper_table

NOWHERE = str(Path(__file__).parent)  # holds no records
DAVI = Paper.load()


def invbench(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_our_row_stands_below_with_its_differences_and_what_is_missing_has_a_command() -> None:
    ours = loaded_cell("ffhq256", "sr4", "ddrm", {"psnr": 28.5, "lpips_davi": 0.2})
    table = paper_table(DAVI.table(1), [ours])
    rows = table.frame.to_dict("records")
    assert rows[1]["method"] == "  ours, n=2"
    assert rows[1]["4x SR PSNR ↑"] == "28.50 (+0.41)"
    assert rows[1]["4x SR LPIPS ↓"] == "0.200 (-0.028)"
    assert rows[1]["4x SR FID ↓"] == "-"
    (command,) = [note for note in table.notes if "made by" in note]
    assert "benchmark=ffhq256" in command
    assert "deblur_ddrm_tiled" in command


def test_table_13_is_reproduced_by_counting() -> None:
    text = invbench("table", "--paper", "13", "--format", "csv", "--out", NOWHERE)
    ours = [row["GFLOPs ↓"].split()[0] for row in csv.DictReader(io.StringIO(text)) if "ours" in row["method"]]
    assert ours == ["194.7", "3893.8", *["19468.9"] * 3, *["194688.5"] * 2, "194493.9"], "FPS calls 999 times"


def test_solvers_that_the_paper_lacks_have_rows_below_where_they_are_recorded_by_its_protocol() -> None:
    scores = {"psnr": 28.5, "lpips_davi": 0.2, "nfe_forward": 7.0}
    cells = [loaded_cell("ffhq256", "sr4", name, scores) for name in ("mine", "other", "ddrm")]
    cells.append(loaded_cell("photos", "sr4", "elsewhere", scores))
    for added, names in ((("mine",), ["mine, n=2"]), (("all",), ["mine, n=2", "other, n=2"]), (("ddrm",), [])):
        rows = paper_table(DAVI.table(1), cells, added=added).frame.to_dict("records")
        assert [row["method"] for row in rows[7:]] == names, "below seven methods; our ddrm made other calls"
    table = paper_table(DAVI.table(1), cells, added=("mine",))
    row = table.frame.to_dict("records")[-1]
    assert (row["NFE"], row["4x SR PSNR ↑"], row["4x SR FID ↓"]) == ("7", "28.50", "-")
    assert any("mine" in note and "made by" in note for note in table.notes), "the other tasks"
    with pytest.raises(
        ConfigError, match="unknown solver to add 'mne'; did you mean 'mine'.*; to record it: .* solver=mne task=deb"
    ):
        paper_table(DAVI.table(1), cells, added=("mne",))


PAPER = Beside(DAVI.table(1), [], Style())


def test_only_methods_and_metrics_of_ours_are_sought() -> None:
    rows = PAPER.table.rows
    ddrm = next(row for row in rows if (row.method, row.metric) == ("DDRM", "PSNR"))
    found = PAPER.sought(ddrm)
    assert found is not None
    assert (found.solver, found.metric, found.missing.benchmark) == ("ddrm", "psnr", "ffhq256")
    assert PAPER.sought(structs.replace(ddrm, method="Theirs")) is None
    assert PAPER.sought(structs.replace(ddrm, metric="MOS")) is None


def test_a_row_counts_the_images_of_what_it_has() -> None:
    column = PAPER.table.columns[0]
    entries = {column: Entry(Cell("1"), 5), Column("d", "t", "m"): Entry(missing=Missing("b", "s", "t"))}
    row = OwnRow(entries)
    assert row.cells == {column: Cell("1")}
    assert row.label == "  ours, n=5"


def test_a_cell_that_lacks_a_metric_that_is_installed_is_to_be_scored_and_not_run() -> None:
    cell = loaded_cell("ffhq256", "sr4", "ddrm", {"psnr": 28.5, "nfe_forward": 20.0})
    row = next(r for r in PAPER.table.rows if (r.method, r.metric, r.task) == ("DDRM", "LPIPS", "sr4x_avgpool"))
    for metrics, unscored in ((METRICS, "lpips_davi"), ({}, "")):
        beside = Beside(DAVI.table(1), [cell], Style(metrics))
        found = beside.sought(row)
        assert found is not None
        entry = beside.entry(row, found)
        assert (entry.unscored, entry.missing is None) == (unscored, bool(unscored))
