"""What the commands that read records are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from invbench.cli import main
from invbench.cli.read import check_there, names_of, wanted_of
from invbench.errors import ConfigError

RUN = ("run", "solver=pinv", "task=sr4", "references=false")


def invbench(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def test_filters_take_several_values_once_each_and_know_what_is_there(tmp_path: Path) -> None:
    assert invbench("run", "solver=pinv,wiener,bicubic", "task=sr4", "n=2", f"out={tmp_path}").exit_code == 0
    table = invbench("table", "solver=pinv,wiener", "--out", tmp_path).output
    assert "wiener" in table
    assert "bicubic" not in table
    for words, message in (
        (["table", "solver=pinv", "solver=wiener"], "solver is given twice; write solver=pinv,wiener"),
        (["table", "solver=pinv,winer,ddrm", "task=sr4", "seed=1"], "unknown recorded solver 'winer'"),
        (["table", "solver=pinv,wiener", "benchmark=gmm"], "unknown recorded benchmark 'gmm'"),
        (["table", "task=sr5"], "unknown recorded task 'sr5'; did you mean 'sr4'"),
        (["versus", "pinv", "winer"], "unknown recorded solver 'winer'; did you mean 'wiener'"),
    ):
        result = invbench(*words, "--out", tmp_path)
        assert result.exit_code == 2
        assert message in result.output


def test_notes_of_a_csv_go_to_the_other_stream(tmp_path: Path) -> None:
    assert invbench(*RUN, "n=2", f"out={tmp_path}").exit_code == 0
    result = invbench("table", "--format", "csv", "--metrics", "psnr", "--out", tmp_path)
    assert "WARNING: intervals over fewer than 6 images are too narrow." in result.stderr
    assert "WARNING" not in result.stdout


def test_names_have_commas_between_and_blanks_do_not_count() -> None:
    assert names_of("a, b,,c ") == ("a", "b", "c")
    assert names_of("") == ()
    with pytest.raises(ConfigError, match="expected names such as a,b; got ' , '"):
        names_of(" , ")


def test_filters_are_keys_once_each_and_noise_in_its_own_words() -> None:
    assert wanted_of(("task=sr4,deblur", "noise=gaussian 0.050 [-1, 1]")) == {
        "task": "sr4,deblur",
        "noise": "gaussian 0.05 [-1,1]",
    }
    with pytest.raises(ConfigError, match=r"expected .*task=\.\.\..*; got 'tsk=sr4'"):
        wanted_of(("tsk=sr4",))


def test_a_folder_that_was_named_must_be_there(tmp_path: Path) -> None:
    check_there(Path("results/runs"))
    check_there(tmp_path)
    with pytest.raises(ConfigError, match="expected a results folder; .*nowhere does not exist"):
        check_there(tmp_path / "nowhere")


@pytest.mark.parametrize("words", [["release", "task=sr4"], ["table", "task=sr4"]])
def test_where_nothing_is_recorded_it_is_said_how_to_make_some(words: list[str], tmp_path: Path) -> None:
    result = invbench(*words, "--out", tmp_path)
    assert result.exit_code == 2
    expected = "expected the folder to write, then filters" if words[0] == "release" else "no records of task=sr4 in"
    assert expected in result.output
