"""The layouts of the paper's tables, filled from records on another benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from made import loaded_cell

from invbench.cli import main
from invbench.errors import ConfigError
from invbench.paper.printed import Paper
from invbench.paper.proxy import proxy_table
from invbench.plugins import load_catalog

METRICS = load_catalog().for_tables()[0]
DAVI = Paper.load()


def test_other_solvers_have_rows_where_they_are_asked_for() -> None:
    cells = [
        loaded_cell("photos", "sr4", s, {"psnr": v}, n)
        for s, v, n in (("ddrm", 24.0, 3), ("mine", 25.0, 3), ("x", 1.0, 2))
    ]
    rows = {}
    for added in ((), ("mine",), ("mine", "ddrm"), ("all",)):
        table = proxy_table(DAVI.table(8), "photos", cells, METRICS, added=added)
        rows[added] = table.frame["solver"].tolist()
    assert rows == {(): ["ddrm"], ("mine",): (own := ["ddrm", "mine"]), ("mine", "ddrm"): own, ("all",): [*own, "x"]}
    assert any(
        r"\textbf{25.00}" in line
        for line in proxy_table(DAVI.table(8), "photos", cells, METRICS, added=("mine",)).render("latex").splitlines()
    )
    notes = proxy_table(DAVI.table(8), "photos", cells, METRICS, added=("mine",)).notes
    lacking = "lpips_davi of ddrm, mine: not available: run 'invbench fetch lpips_vgg', then 'invbench rescore'."
    assert lacking in notes
    with pytest.raises(ConfigError, match="unknown solver to add 'mime'; did you mean 'mine'"):
        proxy_table(DAVI.table(8), "photos", cells, METRICS, added=("mime",))


def test_what_is_missing_of_a_proxy_is_reported_with_what_makes_it() -> None:
    table = proxy_table(DAVI.table(4), "photos", [loaded_cell("photos", "sr4", "davi", {"seconds": 1.0})], METRICS)
    assert any(
        n.startswith("Not recorded; made by: invbench run benchmark=photos solver=ddnm_plus,") for n in table.notes
    )
    with pytest.raises(ConfigError, match="table 12 has no scores that could be measured on photos"):
        proxy_table(DAVI.table(12), "photos", [], METRICS)


def test_solvers_that_do_not_apply_are_named() -> None:
    noise = "uniform 0.01..0.1 [-1,1]"
    solved = loaded_cell("photos", "deblur", "dps", {"psnr": 20.0}, noise=noise)
    refused = loaded_cell(
        "photos", "deblur", "ddrm", {}, 0, noise=noise, run={"status": "skipped", "reason": "needs sigma"}
    )
    assert (
        "Skipped ddrm on deblur: needs sigma." in proxy_table(DAVI.table(3), "photos", [solved, refused], METRICS).notes
    )


def test_a_skipped_solver_is_not_among_those_to_run() -> None:
    solved = loaded_cell("photos", "sr4", "davi", {"seconds": 1.0})
    refused = loaded_cell("photos", "sr4", "ddrm", {}, 0, run={"status": "skipped", "reason": "needs an SVD"})
    notes = proxy_table(DAVI.table(4), "photos", [solved, refused], METRICS).notes
    assert "Skipped ddrm on sr4: needs an SVD." in notes
    assert not any("made by" in note and "ddrm," in note for note in notes)


@pytest.mark.parametrize(("number", "how"), [(1, "invbench run benchmark=photos"), (5, "invbench train solver=davi")])
def test_an_empty_proxy_says_what_makes_its_records(number: int, how: str) -> None:
    with pytest.raises(ConfigError, match=how):
        proxy_table(DAVI.table(number), "photos", [], METRICS)


@pytest.mark.parametrize("number", [1, 4, 6, 7, 13])
def test_released_records_are_enough_for_the_proxies_of_a_fresh_clone(number: int, tmp_path: Path) -> None:
    arguments = ["table", "--paper", str(number), "benchmark=photos", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "davi" in result.output
