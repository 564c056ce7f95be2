"""The commands that bring records to others refuse wrong words before anything is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from invbench.cli import main


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("leaderboard task=sr4", "expected the folders of released records, as: invbench leaderboard alice bob"),
        ("leaderboard alice --to page.txt", "page.txt"),
        ("publish task=sr4", "expected hf:OWNER/NAME or a folder, then filters; got task=sr4"),
    ],
)
def test_wrong_words_are_told_in_a_line(
    words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []
