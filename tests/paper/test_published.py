"""The paper's tables as printed, with its own bold and underlined cells, and our rows beside them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from made import loaded_cell

from invbench.cli import main
from invbench.errors import ConfigError
from invbench.paper.printed import Paper, ranked
from invbench.paper.published import paper_table
from invbench.paper.records import with_released
from invbench.store.released import results_folder

NOWHERE = str(Path(__file__).parent)  # holds no records
DAVI = Paper.load()


def invbench(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_every_printed_number_is_there() -> None:
    assert len(DAVI.rows) == 492
    assert {r.table for r in DAVI.rows} == set(DAVI.layout.tables)


@pytest.mark.parametrize("number", DAVI.layout.tables)
@pytest.mark.parametrize("how", ["text", "md", "latex", "html", "csv"])
def test_every_table_prints_in_every_format(number: int, how: str, tmp_path: Path) -> None:
    text = invbench("table", "--paper", str(number), "--format", how, "--out", str(tmp_path))
    table = paper_table(DAVI.table(number), [])
    rows = list(csv.DictReader(io.StringIO(table.render("csv"))))
    if number == 12:
        assert {row[""] for row in rows} == {r.metric for r in DAVI.table(number).rows}
        assert len(table.frame.columns) == 11, "a column for each of five tasks on two data sets"
        return
    printed = list(dict.fromkeys((r.method, r.nfe) for r in DAVI.table(number).rows))
    assert [(r["method"], r["NFE"]) for r in rows] == printed
    for r in DAVI.table(number).rows:
        assert r.value.replace("_", r"\_" if how == "latex" else "_") in text
    if how == "latex":
        assert text.count("{") == text.count("}")
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
        assert "_" not in text.replace(r"\_", "").replace("% ", "")[: text.index(r"\end{tabular}")]


def test_best_and_second_are_those_the_paper_marks() -> None:
    text = invbench("table", "--paper", "1", "--format", "md", "--out", NOWHERE)
    lines = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:-1]]
        for line in text.splitlines()
        if "|" in line
    }
    assert lines["DAVI"][1:] == [
        "25.46",
        "**0.225**",
        "**29.92**",
        *(f"**{v}**" for v in ("28.23", "0.171", "23.96")),
    ] + [f"**{v}**" for v in ("26.25", "0.112", "14.31")]
    assert lines["RED-diff"][1] == "**26.44**"
    assert lines["DDRM"][1:3] == ["<u>26.26</u>", "<u>0.269</u>"]
    assert lines["DiffPIR"][3] == "<u>33.91</u>"


def test_equal_values_share_a_rank() -> None:
    assert ranked("higher", ["3", "5", "5", "4", ""]) == [2, 0, 0, 1, 2]
    assert ranked("lower", ["3", "5", "5", "4", ""]) == [0, 2, 2, 1, 2]
    assert ranked("", ["3", "5"]) == [2, 2]


def test_doubtful_cells_are_marked_and_explained() -> None:
    text = invbench("table", "--paper", "10", "--out", NOWHERE)
    assert "23.79 ?" in text
    assert "identical to the DDNM+ row" in text


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


def test_a_record_of_other_noise_is_not_taken() -> None:
    plain = loaded_cell("imagenet256", "deblur_ddrm_tiled", "dps", {"psnr": 20.0})
    hidden = loaded_cell("imagenet256", "deblur_ddrm_tiled", "dps", {"psnr": 19.0}, noise="uniform 0.01..0.1 [-1,1]")
    assert "20.00" not in paper_table(DAVI.table(3), [plain]).render()
    assert "19.00 (-0.81)" in paper_table(DAVI.table(3), [plain, hidden]).render()
    assert "19.00" not in paper_table(DAVI.table(2), [hidden]).render()


@pytest.mark.parametrize(
    ("changes", "mismatch"),
    [
        ({"dataset": {"name": "folder"}}, "data set folder, not ffhq256"),
        ({"prior": {"name": "adm_photos", "sha256": "0"}}, "prior adm_photos, not adm_ffhq256"),
        ({"noise": "gaussian 0.9 [0,1]"}, "noise Gaussian noise, sigma 1.8 on [-1,1]"),
        ({"nfe": 5.0}, "NFE 5, not 20"),
    ],
)
def test_a_record_of_another_protocol_is_reported_and_not_set_beside_it(changes: dict[str, Any], mismatch: str) -> None:
    scores = {"psnr": 28.5, "nfe_forward": changes.pop("nfe", 20.0)}
    table = paper_table(DAVI.table(1), [loaded_cell("ffhq256", "sr4", "ddrm", scores, **changes)])
    assert not any("ours" in method for method in table.frame["method"])
    (note,) = [note for note in table.notes if note.startswith("Not shown, since recorded by another protocol")]
    assert mismatch in note
    assert any("made by" in each for each in table.notes)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match="tables 1 to 13; got 14"):
        paper_table(DAVI.table(14), [])


def test_table_13_is_reproduced_by_counting() -> None:
    text = invbench("table", "--paper", "13", "--format", "csv", "--out", NOWHERE)
    ours = [row["GFLOPs ↓"].split()[0] for row in csv.DictReader(io.StringIO(text)) if "ours" in row["method"]]
    assert ours == ["194.7", "3893.8", *["19468.9"] * 3, *["194688.5"] * 2, "194493.9"], "FPS calls 999 times"


def test_released_records_stand_in_for_what_was_not_run() -> None:
    (released, *_) = with_released([], benchmark="photos", task="sr4", solver="ddrm")
    assert str(results_folder()) in str(released.folders[0])
    fewer, more = (replace(released, rows=rows) for rows in (released.rows[:2], released.rows * 2))
    filters = {"benchmark": "photos", "task": "sr4", "solver": "ddrm"}
    assert with_released([fewer], **filters) == with_released([], **filters)
    assert with_released([more], **filters)[0] is more, "ours win at equal numbers of images"
