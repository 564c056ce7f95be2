"""The layouts of the paper's tables, filled from records on another benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from made import bench_of, loaded_cell, with_options

from invbench.analysis.table import Table
from invbench.cli import main
from invbench.errors import ConfigError
from invbench.paper.build import Request
from invbench.paper.printed import Paper
from invbench.paper.proxy import proxy_table
from invbench.plugins import load_catalog
from invbench.store.reader import LoadedCell
from invbench.store.release import load_costs

METRICS = load_catalog().for_tables()[0]
DAVI = Paper.load()


def values(table: Table, column: str) -> list[str]:
    """The values of a column without the marks of their ranks."""
    return [str(cell) for cell in table.cells[column]]


def ablated(letter: str, psnr: float) -> LoadedCell:
    command = f"invbench train solver=davi task=deblur +ablation={letter} training.steps=400"
    return loaded_cell("photos", "deblur", "davi", {"psnr": psnr}, run={"training": {"command": command}})


def test_rows_are_compared_on_the_images_that_all_have() -> None:
    few, many = (loaded_cell("photos", "sr4", s, {"psnr": v}, n) for s, v, n in (("ddrm", 24.0, 2), ("davi", 25.0, 4)))
    assert "sr4 2" in proxy_table(DAVI.table(4), "photos", [few, many], METRICS).notes[0]
    table = proxy_table(DAVI.table(8), "photos", [few, many], METRICS)
    row = {r["solver"]: r for r in table.frame.to_dict("records")}
    assert row["davi"]["sr4 psnr ↑"] == "*25.00*"


def test_the_representative_cell_of_a_solver_has_its_default_options() -> None:
    usual = loaded_cell("photos", "sr4", "ddrm", {"psnr": 24.0}, 2, run={"origins": {"nfe": "default"}})
    written = loaded_cell("photos", "sr4", "ddrm", {"psnr": 30.0}, 9, run={"origins": {"nfe": "command line"}})
    assert values(proxy_table(DAVI.table(8), "photos", [written, usual], METRICS), "sr4 psnr ↑") == ["24.00"]


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
    with pytest.raises(ConfigError, match="unknown solver to add 'mime'; did you mean 'mine'"):
        proxy_table(DAVI.table(8), "photos", cells, METRICS, added=("mime",))


def test_the_hyper_parameters_of_a_benchmark_are_those_a_training_takes() -> None:
    result = CliRunner().invoke(main, ["table", "--paper", "12", "benchmark=photos", "--format", "csv"])
    assert result.exit_code == 0, result.output
    rows = {line.split(",")[0]: line.split(",")[1:] for line in result.output.splitlines() if "," in line}
    assert rows[""] == ["deblur", "sr4", "inpaint", "denoise", "colorize"]
    assert rows["iterations_K"] == ["6000", "3400", "2000", "2000", "2000"]
    assert rows["h"][0] == "0.03"


def test_ablations_are_identified_by_the_command_that_trained_them() -> None:
    plain = loaded_cell("photos", "deblur", "davi", {"psnr": 27.0})
    table = proxy_table(DAVI.table(5), "photos", [ablated("c", 26.0), plain, ablated("a", 25.0)], METRICS)
    assert table.frame["solver"].tolist() == ["config A", "config C"]
    assert table.frame["deblur psnr ↑"].tolist() == ["_25.00_", "*26.00*"]


def test_a_solver_trained_otherwise_is_a_row_of_its_own() -> None:
    def trained(command: str, psnr: float) -> LoadedCell:
        run = {"training": {"command": f"invbench train solver=davi task=sr4{command}"}}
        return loaded_cell("photos", "sr4", "davi", {"psnr": psnr}, run=run)

    cells = [trained(command, psnr) for command, psnr in ((" +recipe=davi_g", 25.0), ("", 26.0))]
    table = proxy_table(DAVI.table(10), "photos", cells, METRICS)
    rows = dict(zip(table.frame["solver"], values(table, "sr4 psnr ↑"), strict=True))
    assert rows == {"davi": "26.00", "DAVI-G": "25.00"}
    assert "solver=DAVI-G" not in " ".join(table.notes)
    assert values(proxy_table(DAVI.table(10), "photos", cells[1:], METRICS), "sr4 psnr ↑") == ["26.00"]


def test_records_of_solvers_trained_otherwise_come_from_their_folder(tmp_path: Path) -> None:
    request = Request("10", "none", {"benchmark": "photos", "task": "sr4"}, tmp_path)
    cells, _ = request.cells(request.table())
    commands = {cell.run.training.command for cell in cells if cell.run.training and "controls" in str(cell.folders)}
    assert commands
    assert all("+recipe=davi_g" in command for command in commands)


def test_time_and_arithmetic_are_those_measured_alone(tmp_path: Path) -> None:
    cells = [loaded_cell("photos", "sr4", s, {"seconds": 2.0, "nfe_forward": 1}) for s in ("ddrm", "davi")]

    path = tmp_path / "photos" / "sr4" / "bench-davi.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(bench_of(cells[1].run.config, 0.5, fvcore=3.25).plain()))
    costs = load_costs(tmp_path)
    timed = proxy_table(DAVI.table(4), "photos", cells, METRICS, costs)
    assert values(timed, "sr4 seconds ↓") == ["0.5", "-"]  # not a run's seconds beside it
    assert any(note.startswith("Not measured: ddrm; measure all: invbench bench") for note in timed.notes)
    assert values(proxy_table(DAVI.table(4), "photos", cells, METRICS), "sr4 seconds ↓") == ["2", "2"]
    table = proxy_table(DAVI.table(13), "photos", cells, METRICS, costs)
    assert values(table, "sr4 gflops ↓") == ["3.2", "-"]
    assert any("'invbench bench'" in note for note in table.notes)


def test_costs_of_a_task_come_from_one_store(tmp_path: Path) -> None:
    def bench(store: str, task: str, solver: str, seconds: float) -> None:
        config = loaded_cell("photos", task, solver, {}).run.config
        path = tmp_path / store / config.place / f"bench-{solver}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(bench_of(config, seconds).plain()))

    bench("released", "sr4", "davi", 1.0)
    bench("released", "sr4", "ddrm", 2.0)
    bench("released", "deblur", "ddrm", 3.0)
    bench("own", "sr4", "davi", 4.0)
    costs = load_costs(tmp_path / "released", tmp_path / "own")
    assert {key[1:]: cost.cost.seconds for key, cost in costs.items()} == {
        ("deblur", "ddrm"): 3.0,
        ("sr4", "davi"): 4.0,
    }


def test_rows_of_a_task_are_of_the_same_measurements() -> None:
    cells = [loaded_cell("photos", "sr4", s, {"psnr": 24.0}) for s in ("ddrm", "dps")]
    other = [
        loaded_cell("photos", "sr4", "davi", {"psnr": 14.0}, noise="gaussian 0.5 [-1,1]"),
        loaded_cell("photos", "sr4", "davi", {"psnr": 25.0}, seed=5),
    ]
    table = proxy_table(DAVI.table(1), "photos", [*other, *cells], METRICS)
    assert table.frame["solver"].tolist() == ["ddrm", "dps"]
    left_out = [note for note in table.notes if note.startswith("Left out of sr4, measured otherwise")]
    assert len(left_out) == 2
    assert any("sigma 0.5 on [-1,1]" in note and note.endswith("davi.") for note in left_out)
    assert any("seed 5" in note for note in left_out)
    assert any(note.startswith("sr4: Gaussian noise, sigma 0.05") for note in table.notes)


def test_a_cost_of_other_options_or_another_setting_is_not_shown() -> None:
    cells = [loaded_cell("photos", "sr4", s, {"seconds": 2.0}) for s in ("ddrm", "dps", "davi", "pigdm")]
    cells[:2] = [with_options(cell, solver={"nfe": 20}) for cell in cells[:2]]
    ddrm, dps, davi, pigdm = cells
    of = {
        "ddrm": bench_of(ddrm.run.config, 0.5),
        "dps": bench_of(with_options(dps, solver={"nfe": 2}).run.config, 9.0),
        "davi": bench_of(davi.run.config, 0.1, "gpu"),
        "pigdm": bench_of(pigdm.run.config, 3.0),
    }
    costs = {("photos", "sr4", solver): each for solver, each in of.items()}
    table = proxy_table(DAVI.table(4), "photos", cells, METRICS, costs)
    seconds = dict(zip(table.frame["solver"], values(table, "sr4 seconds ↓"), strict=True))
    assert seconds == {"davi": "-", "ddrm": "0.5", "dps": "-", "pigdm": "3"}


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
