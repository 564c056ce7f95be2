"""The Pareto front and the best under a budget, against counting by hand."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from invbench.analysis.comparable import shared_images, solver_of
from invbench.analysis.pareto import best_under, pareto, parse_budgets
from invbench.cli import main
from invbench.errors import ConfigError
from invbench.store.files import LAST, Record
from invbench.store.reader import LoadedCell, load_cells

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


def invbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def cell(name: str, nfe: float, psnr: dict[str, float]) -> LoadedCell:
    values = {"nfe_forward": dict.fromkeys(psnr, nfe), LAST: dict.fromkeys(psnr, 0.0), "psnr": psnr}
    rows = [Record(name, i, 0, m, "", v, "", "0") for m, of in values.items() for i, v in of.items()]
    return LoadedCell(name, {"config": {"solver": {"name": name}, "samples": 1}}, rows, (Path("nowhere"),), 0)


@given(points=POINTS, higher=st.booleans())
def test_the_pareto_front_has_all_points_that_are_not_dominated(
    points: list[tuple[float, float]], higher: bool
) -> None:
    front = pareto(points, higher)
    sign = 1 if higher else -1

    def beaten(i: int) -> bool:
        """Something else is no dearer and no worse; of equals, the one on the front wins."""
        (cost, value), others = points[i], [j for j in range(len(points)) if j != i]
        as_good = [j for j in others if points[j][0] <= cost and sign * points[j][1] >= sign * value]
        return any(points[j] != points[i] or j in front for j in as_good)

    assert front
    assert not any(beaten(i) for i in front)
    assert all(beaten(i) for i in range(len(points)) if i not in front)
    assert [points[i][0] for i in front] == sorted({points[i][0] for i in front})


def test_the_best_under_a_budget_may_cost_it_and_is_of_the_images_that_all_have() -> None:
    cheap, dear = cell("cheap", 20, {"a": 20.0, "b": 99.0}), cell("dear", 21, {"a": 30.0})
    assert shared_images([cheap, dear]) == ["a"]
    assert best_under([cheap, dear], "psnr", [19, 20, 21], True) == [None, cheap, dear]
    assert best_under([cheap, dear], "psnr", [21], False) == [cheap]
    assert best_under([cheap, dear], "ssim", [1000], True) == [None]
    assert shared_images([]) == []


def test_an_image_that_one_cell_has_no_value_of_is_left_out_for_all() -> None:
    good, holed = cell("good", 20, {"a": 20.0, "b": 30.0}), cell("holed", 20, {"a": 25.0, "b": float("nan")})
    assert (shared_images([good, holed]), shared_images([good, holed], "psnr")) == (["a", "b"], ["a"])
    assert best_under([good, holed], "psnr", [20], True) == [holed]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fronts")
    assert (
        invbench(
            "run", "benchmark=gmm", "solver=ddrm,pinv", "task=sr4", "n=4", "references=false", f"out={folder}"
        ).exit_code
        == 0
    )
    return folder


def test_the_table_names_the_best_with_its_value_and_calls(out: Path) -> None:
    result = invbench("table", "--budgets", "0,20", "--metrics", "psnr", "--format", "csv", "--out", out)
    (row,) = csv.DictReader(result.stdout.splitlines())
    means = {}
    for each in load_cells(out):
        means[solver_of(each)] = sum(r.value for r in each.rows if r.metric == "psnr") / 4
    free = max((name for name in means if name != "ddrm"), key=means.__getitem__)
    best = max(means, key=means.__getitem__)
    assert row["best"] == "psnr ↑"
    assert row["within 0 NFE"] == f"{free} {means[free]:.2f} (0 NFE)"
    assert row["within 20 NFE"] == f"{best} {means[best]:.2f} ({20 if best == 'ddrm' else 0} NFE)"


def test_every_metric_with_a_direction_has_a_row_and_the_images_are_counted(out: Path) -> None:
    output = invbench("table", "--budgets", "20", "--out", out).output
    for name in ("psnr ↑", "ssim ↑", "haarpsi ↑"):
        assert name in output
    assert "consistency" not in output
    assert re.search(r"psnr ↑ +4 +ddrm", output)


def test_budgets_and_metrics_that_make_no_sense_are_refused(out: Path) -> None:
    assert (
        "unknown metric with a best value 'consistency'"
        in invbench("table", "--budgets", "20", "--metrics", "consistency", "--out", out).output
    )
    with pytest.raises(ConfigError, match="--budgets takes numbers of network calls"):
        parse_budgets("20,many")


def test_a_cell_without_rows_does_not_empty_the_table(out: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(out, tmp_path / "runs")
    (path,) = (tmp_path / "runs").glob("*/*/ddrm-*/run.json")
    run = json.loads(path.read_text())
    path.write_text(json.dumps({**run, "status": "failed", "reason": "it was told to"}))
    (path.parent / "records.jsonl").write_text("")
    output = invbench("table", "--budgets", "20", "--out", tmp_path / "runs").output
    assert re.search(r"psnr ↑ +4 +pinv", output)
