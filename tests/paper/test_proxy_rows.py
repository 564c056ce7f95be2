"""Which of our records fill a paper's table, and their costs."""

from __future__ import annotations

import json
from pathlib import Path

from made import bench_of, loaded_cell, with_options

from invbench.analysis.table import Table
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
