"""Which table of which paper, and our records for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from invbench.cli import main
from invbench.errors import ConfigError
from invbench.paper.build import Request, parse

NOWHERE = str(Path(__file__).parent)  # holds no records


def test_davi_is_meant_where_no_paper_is_named() -> None:
    assert parse("7") == parse("davi:7") == ("davi", 7)
    with pytest.raises(ConfigError, match="got ':3'"):
        parse(":3")
    with pytest.raises(ConfigError, match="--paper takes the number of a table, as 7, or NAME:7"):
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
