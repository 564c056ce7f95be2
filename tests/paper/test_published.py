"""The paper's tables as printed, with its own bold and underlined cells, and our rows beside them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from click.testing import CliRunner

from invbench.cli import main
from invbench.paper.printed import Paper
from invbench.paper.published import paper_table

NOWHERE = str(Path(__file__).parent)  # holds no records
DAVI = Paper.load()


def invbench(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


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


def test_doubtful_cells_are_marked_and_explained() -> None:
    text = invbench("table", "--paper", "10", "--out", NOWHERE)
    assert "23.79 ?" in text
    assert "identical to the DDNM+ row" in text
