"""The commands that compare and check records refuse wrong words before they read any."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from invbench.cli import main


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("compare a b --format htm", "unknown table format 'htm'; did you mean 'html'"),
        ("versus ddrm pinv --format htm", "unknown table format 'htm'"),
        ("claims --format htm", "unknown table format 'htm'"),
        ("versus ddrm ddrm", "expected two solvers, got ddrm twice; 'table' compares its seeds and options"),
        ("versus ddrm pinv --out nowhere", "no records of anything in nowhere"),
        ("claims --out nowhere", "expected a results folder; nowhere does not exist"),
        ("verify ddrm --tolerance nan", "expected a number of 0 or more, got nan"),
        ("verify ddrm --images -1", "-1 is not in the range x>=0"),
    ],
)
def test_wrong_words_are_told_in_a_line(words: str, message: str) -> None:
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 2
    assert message in result.output
