"""The leaderboard: released records of several people on one page, and whose each row is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from reporting import invbench


@pytest.fixture
def people(recorded_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what alice and bob released; both ran the pseudo-inverse."""
    for name, solvers in (("alice", "wiener,pinv"), ("bob", "pinv")):
        words = ["benchmark=photos", f"solver={solvers}", "--out", recorded_store]
        assert invbench("release", tmp_path / name, *words).exit_code == 0
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_of(page: str) -> dict[str, str]:
    """Whose each row is, by its name, in the tables that people sort."""
    return dict(re.findall(r'<th scope="row">([^<]*)</th>\s*<td[^>]*>([^<]*)</td>', page))


def test_the_page_says_whose_each_row_is(people: Path) -> None:
    result = invbench("leaderboard", "alice", "bob", "--to", "board.html")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == "board.html"
    page = (people / "board.html").read_text()
    rows = rows_of(page)
    assert {name: rows[name].strip() for name in ("wiener", "pinv")} == {"wiener": "alice", "pinv": "alice, bob"}
    assert rows["pinv, mean of 2"].strip() == "alice, bob"
    assert "<h1>invbench leaderboard</h1>" in page
    assert 'data-first="descending"' in page, "columns sort"
    assert page.count("--out alice</code>") == 2, "a cell that two people have is there once"
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)


def test_a_cell_is_shown_with_the_most_images_beside_the_released_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invbench("run", "solver=pinv", "benchmark=gmm2d", "task=denoise", "n=2", "references=false").exit_code == 0
    assert invbench("release", "mine").exit_code == 0
    result = invbench("leaderboard", "mine", "reference", "benchmark=gmm2d")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "leaderboard.html").read_text()
    assert rows_of(page)["pinv"].strip() == "reference, mine"
    assert "denoise (n=16)" in page, "a chart of what all have"


def test_the_page_names_no_place_of_this_machine(people: Path) -> None:
    result = invbench("leaderboard", people / "alice", people / "bob", "--to", people / "board.html")
    assert result.exit_code == 0, result.output
    assert str(people) not in (people / "board.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected the folders of released records"),
        (["alice", "carol"], "carol has no records"),
        (["alice", "bob", "solver=wiener"], "bob has no records solver=wiener"),
        (["alice", "alice"], "two are called 'alice'"),
        (["alice", "--to", "board.txt"], "ending in .html"),
        (["alice", "colour=red"], "expected benchmark=..."),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_line(people: Path, words: list[str], message: str) -> None:
    result = invbench("leaderboard", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (people / "leaderboard.html").exists()
