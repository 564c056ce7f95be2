"""A paper's tables as printed."""

from __future__ import annotations

import pytest

from invbench.errors import ConfigError
from invbench.paper.printed import Paper, ranked
from invbench.paper.published import paper_table
from invbench.store.released import results_folder

DAVI = Paper.load()


def test_every_printed_number_is_there() -> None:
    assert len(DAVI.rows) == 492
    assert {r.table for r in DAVI.rows} == set(DAVI.layout.tables)


def test_equal_values_share_a_rank() -> None:
    assert ranked("higher", ["3", "5", "5", "4", ""]) == [2, 0, 0, 1, 2]
    assert ranked("lower", ["3", "5", "5", "4", ""]) == [0, 2, 2, 1, 2]
    assert ranked("", ["3", "5"]) == [2, 2]


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match="tables 1 to 13; got 14"):
        paper_table(DAVI.table(14), [])


def test_every_paper_that_ships_can_be_read() -> None:
    names = [path.stem for path in (results_folder() / "published").glob("*.csv")]
    assert "davi" in names
    for name in names:
        paper = Paper.load(name)
        assert {row.table for row in paper.rows} == set(paper.layout.tables)
