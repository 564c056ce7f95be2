"""A paper is a pair of files: one made up here prints its tables, and damage is found with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from made import loaded_cell

from invbench.cli import main
from invbench.errors import ConfigError
from invbench.paper.printed import Paper
from invbench.paper.proxy import proxy_table
from invbench.paper.published import paper_table
from invbench.plugins import load_catalog

NOWHERE = str(Path(__file__).parent)  # holds no records


def test_a_second_paper_is_a_pair_of_files(published: Path) -> None:
    arguments = ["table", "--paper", "other:2", "--format", "md", "--out", NOWHERE]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "Other, Table 2: upscaling" in result.output
    assert "| Ours" in result.output
    assert "**27.1**" in result.output
    assert "invbench run benchmark=ffhq256 solver=ddrm task=sr4" in result.output
    assert "No solver here: Theirs." in result.output
    assert "invbench sample" not in result.output


def test_our_records_stand_beside_a_second_paper_by_its_own_protocol(published: Path) -> None:
    table = Paper.load("other").table(2)
    scores = {"psnr": 27.5, "nfe_forward": 20.0}
    same = loaded_cell("ffhq256", "sr4", "ddrm", scores, noise="gaussian 0.1 [-1,1]")
    assert "27.50 (+0.4)" in paper_table(table, [same]).render()
    other = loaded_cell("ffhq256", "sr4", "ddrm", scores, noise="gaussian 0.05 [-1,1]")
    assert "not Gaussian noise, sigma 0.1 on [-1,1]" in paper_table(table, [other]).render()


def test_a_second_paper_has_its_layout_on_other_benchmarks(published: Path) -> None:
    metrics = load_catalog().for_tables()[0]
    cell = loaded_cell("photos", "sr4", "ddrm", {"psnr": 24.0})
    table = proxy_table(Paper.load("other").table(2), "photos", [cell], metrics)
    assert table.title == "Other, Table 2 on photos"
    assert list(table.frame.columns) == ["solver", "sr4 psnr ↑", "sr4 kid_alex ↓"]


FIGURE = '[figures]\n1 = {{ title = "x", data = "{}", tasks = ["{}"], table = {} }}\n[tables]'


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("other.toml", ("[tables]", "[tables"), "cannot be read"),
        ("other.toml", ('title = "Other"', ""), "missing required field `title`"),
        ("other.toml", ('"Other"', '"Other"\nnumber = 3'), "unknown field `number`"),
        ("other.toml", ("2 = {", "two = {"), "Expected `int`"),
        ("other.toml", ('"higher"', '"up"'), "Invalid enum value 'up'"),
        ("other.toml", ("gaussian 0.1 [-1,1]", "gaussian 0.1"), "cannot be read"),
        ("other.toml", ("upscaling", 'x", calls_of = "x'), "unknown field `calls_of`"),
        ("other.toml", ('2: upscaling"', '2", calls_of = "imagenet256"'), "tables.2, calls_of: unknown benchmark"),
        (
            "other.toml",
            ("[benchmarks]", "[iterations]\nsolver = 'ddrm'\ntable = 3\nmetric = 'K'\n[benchmarks]"),
            "there is no table 3",
        ),
        ("other.toml", ("[tables]", FIGURE.format("Face", "SR", 2)), "figures.1, data: unknown data set 'Face'"),
        ("other.toml", ("[tables]", FIGURE.format("Faces", "S", 2)), "figures.1, tasks: unknown task 'S'"),
        ("other.toml", ("[tables]", FIGURE.format("Faces", "SR", 3)), "figures.1: there is no table 3"),
        ("other.csv", ("SR,gaussian,Theirs", "SSR,gaussian,Theirs"), "line 3: unknown task 'SSR'; did you mean 'SR'"),
        ("other.csv", ("2,Faces,SR,gaussian,Theirs", "4,Faces,SR,gaussian,Theirs"), "line 3: unknown table '4'"),
        ("other.csv", ("26.0", "26.O"), "line 3: could not convert string to float: '26.O'"),
        ("other.csv", ("value,note", "value"), "line 2: "),
    ],
)
def test_damage_is_found_with_its_place(name: str, change: tuple[str, str], message: str, published: Path) -> None:
    path = published / name
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(ConfigError, match=str(path)) as error:
        Paper.load("other")
    assert message in str(error.value)
