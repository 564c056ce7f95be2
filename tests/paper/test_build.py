"""Which table of which paper, and our records for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from invbench.cli import main
from invbench.errors import ConfigError
from invbench.paper.build import Request, parse

NOWHERE = str(Path(__file__).parent)  # holds no records


def test_davi_is_meant_where_no_paper_is_named() -> None:
    assert parse("7") == parse("davi:7") == ("davi", 7)
    with pytest.raises(ConfigError, match="got ':3'"):
        parse(":3")
    with pytest.raises(ConfigError, match="--paper takes the number of a table, for example 7, or NAME:7"):
        parse("davi")


@pytest.mark.parametrize(
    ("paper", "message"),
    [
        ("othr:2", "unknown paper 'othr'; did you mean 'other'"),
        ("other:3", "the paper has tables 2; got 3"),
        ("../other:2", "unknown paper '../other'"),
        ("other:x", "got 'other:x'"),
    ],
)
def test_a_paper_or_a_table_that_is_not_there_is_named(paper: str, message: str, published: Path) -> None:
    result = CliRunner().invoke(main, ["table", "--paper", paper, "--out", NOWHERE])
    assert result.exit_code == 2
    assert message in result.output


def test_records_of_solvers_trained_otherwise_come_from_their_folder(tmp_path: Path) -> None:
    request = Request("10", "none", {"benchmark": "photos", "task": "sr4"}, tmp_path)
    cells, _ = request.cells(request.table())
    commands = {cell.run.training.command for cell in cells if cell.run.training and "controls" in str(cell.folders)}
    assert commands
    assert all("+recipe=davi_g" in command for command in commands)


def invbench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def test_tables_of_the_paper_name_the_records_that_were_set_aside_and_a_folder_that_is_not_there(
    tmp_path: Path,
) -> None:
    assert invbench("run", "solver=davi", "task=sr4", "n=2", "references=false", f"out={tmp_path}").exit_code == 0
    table = invbench("table", "--paper", "1", "benchmark=photos", "--out", tmp_path)
    assert "Set aside, since released records have more images: davi on sr4 (n=2)." in table.output
    beside = invbench("table", "--paper", "1", "benchmark=photos", "--intervals", "--out", "reference").output
    assert re.search(r"^davi .*\*25\.71\* \[24\.\d\d, 27\.\d\d\]", beside, re.M)
    assert "--add needs --paper" in invbench("table", "--add", "ddim", "--out", tmp_path).output
    settings = invbench("table", "--paper", "12", "benchmark=photos", "--add", "all", "--out", "reference").output
    assert "table 12 lists the settings of a method; leave out --add" in settings
    filtered = invbench("table", "--paper", "1", "benchmark=photos", "task=sr4", "solver=ddrm", "--out", "reference")
    assert "Not recorded" not in filtered.output
    for words in (["table", "--paper", "1", "benchmark=photos"], ["claims"]):
        result = invbench(*words, "--out", tmp_path / "nosuch")
        assert result.exit_code == 2
        assert "expected a results folder; " in result.output
