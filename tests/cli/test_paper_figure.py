"""invbench figure --paper: a paper's solvers and tasks, drawn from records."""

from __future__ import annotations

from pathlib import Path

import pytest

import invbench as ib
from invbench.cli.paper_figure import paper_figure
from invbench.figures import drawing
from invbench.paper.printed import Paper
from invbench.plugins import load_catalog

CATALOG = load_catalog()


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("records")
    ib.run("ddrm,pinv", "sr4", n=2, out=out)
    return out


def lines(number: str, out: Path, **wanted: str) -> list[str]:
    return list(paper_figure(number, wanted, CATALOG, out, drawing.Request(rows=1)))


def test_a_grid_of_the_papers_solvers_is_drawn_and_the_others_are_told(records: Path) -> None:
    title, file, missing = lines("11", records, benchmark="photos")
    assert title == "Figure 11: super-resolution, FFHQ 256x256"
    assert Path(file).is_file()
    assert missing.startswith(f"Not recorded in {records}; made by: invbench run benchmark=photos solver=")
    solvers = missing.partition(" solver=")[2].partition(" ")[0].split(",")
    assert solvers == ["davi", "ddnm_plus", "dps", "pigdm", "diffpir", "red_diff"], "pinv is none of the paper's"


def test_on_the_papers_own_data_nothing_is_recorded_here(records: Path) -> None:
    _, *missing = lines("5", records)
    assert [line.rpartition(" ")[2] for line in missing] == ["task=deblur_ddrm_tiled", "task=sr4", "task=inpaint"]
    assert all("benchmark=ffhq256 solver=davi,ddrm," in line for line in missing)


def test_a_figure_that_is_no_grid_names_what_draws_it(tmp_path: Path) -> None:
    assert lines("4", tmp_path)[1].endswith("drawn by: python docs/figures/bridge.py --to bridge.png")


def test_every_figure_has_rows_or_a_command() -> None:
    figures = Paper.load("davi").layout.figures
    assert set(figures) == set(range(1, 20))
    for figure in figures.values():
        assert bool(figure.command) != bool(figure.tasks and figure.table)


def test_a_figure_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ib.ConfigError, match=r"no figure 20 of paper davi .* there are: 1, 2, 3, 4, 5"):
        lines("20", tmp_path)
