"""The charts of the page: which solvers they show, in what order, and where."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from made import loaded_cell
from msgspec.structs import replace

from invbench.analysis.comparable import interval_of
from invbench.plugins import load_catalog
from invbench.report.charts import Chart, Front, charts
from invbench.store.reader import LoadedCell

METRICS = load_catalog().for_tables()[0]


def cell(solver: str, psnr: float, calls: float = 0.0, **scores: float) -> LoadedCell:
    return loaded_cell("photos", "sr4", solver, {"psnr": psnr, "nfe_forward": calls, **scores})


def by_metric(*cells: LoadedCell) -> Mapping[str, Chart]:
    """The charts with dots, by the first word of their titles."""
    return {chart.title.split()[0]: chart for chart in charts(cells, METRICS) if chart.dots}


def front_of(*points: tuple[str, float, float]) -> Front:
    """The front of solvers with a value of HaarPSI and network calls."""
    cells = [cell(name, 20.0, calls, haarpsi=value) for name, value, calls in points]
    (chart,) = (chart for chart in charts(cells, METRICS) if chart.fronts)
    return chart.fronts[0]


def test_the_best_is_first_and_the_worst_at_the_other_side() -> None:
    (panel,) = by_metric(cell("a", 20.0), cell("b", 24.0), cell("c", 22.0))["PSNR"].dots
    assert [(dot.name, dot.text, dot.at) for dot in panel.dots] == [
        ("b", "24.00", 100.0),
        ("c", "22.00", 50.0),
        ("a", "20.00", 0.0),
    ]
    assert panel.title == "sr4 (n=2)"
    assert panel.ends == ("20.00", "24.00")


def test_lower_is_first_where_lower_is_better() -> None:
    found = by_metric(cell("a", 20.0, lpips_alex=0.5), cell("b", 24.0, lpips_alex=0.7))
    assert [dot.name for dot in found["LPIPSAlex"].dots[0].dots] == ["a", "b"]
    assert "LPIPSAlex ↓:" in found["LPIPSAlex"].title
    assert "PSNR ↑ (dB):" in found["PSNR"].title
    assert "HaarPSI" not in found, "nobody has it"


def test_intervals_are_within_the_panel_and_the_ends_are_theirs() -> None:
    cells = [cell("a", 20.0), cell("b", 24.0)]
    for each in cells:
        each.rows[:] = [replace(record, value=record.value + int(record.image)) for record in each.rows]
    (panel,) = by_metric(*cells)["PSNR"].dots
    low, high = interval_of(cells[0], "psnr")[0], interval_of(cells[1], "psnr")[1]
    assert panel.ends == (f"{low:.2f}", f"{high:.2f}")
    assert (panel.dots[1].low, panel.dots[0].high) == (0.0, 100.0)
    assert all(dot.low < dot.at < dot.high for dot in panel.dots)


def test_an_infinite_score_is_drawn_at_the_edge_and_named_so() -> None:
    (panel,) = by_metric(cell("a", 20.0), cell("exact", float("inf")), cell("b", 24.0))["PSNR"].dots
    assert (panel.dots[0].name, panel.dots[0].text) == ("exact", "inf")
    assert [dot.at for dot in panel.dots][::2] == [100.0, 0.0]


def test_a_solver_without_a_number_is_named_last_and_not_drawn() -> None:
    cells = [cell("lost", float("nan"), 1, haarpsi=float("nan")), cell("b", 24.0, 2, haarpsi=0.5)]
    found = charts(cells, METRICS)
    assert [(dot.name, dot.text, dot.drawn) for dot in found[0].dots[0].dots] == [
        ("b", "24.00", True),
        ("lost", "nan", False),
    ]
    (front,) = found[-1].fronts
    assert [point.name for point in [*front.best, *front.others]] == ["b"]


def test_the_front_numbers_the_optimal_solvers_in_order_of_their_calls() -> None:
    front = front_of(("dps", 0.6, 1000), ("ddrm", 0.8, 100), ("pinv", 0.4, 0), ("davi", 0.7, 1))
    assert [(point.name, point.text, point.calls) for point in front.best] == [
        ("pinv", "0.400", "0"),
        ("davi", "0.700", "1"),
        ("ddrm", "0.800", "100"),
    ]
    assert [point.name for point in front.others] == ["dps"]
    assert front.others[0].x == 100.0
    assert (front.best[0].y, front.best[-1].y) == (0.0, 100.0)
    assert [text for text, _ in front.ticks] == ["0", "1", "10", "100", "1,000"]
    assert front.ticks[-1][1] == 100.0
    assert front.ends == ("0.400", "0.800")


def test_the_line_of_the_front_steps_up_at_each_solver_and_ends_at_the_edge() -> None:
    front = front_of(("pinv", 0.4, 0), ("ddrm", 0.8, 9))
    assert front.steps == "0.0,100.00 0.0,100.00 100.0,100.00 100.0,0.00 100,0.00"


def test_solvers_without_calls_have_a_front_of_one() -> None:
    front = front_of(("pinv", 0.4, 0), ("wiener", 0.5, 0))
    assert [point.name for point in front.best] == ["wiener"]
    assert [text for text, _ in front.ticks] == ["0"]


@pytest.mark.parametrize("cells", [[], [loaded_cell("photos", "sr4", "a", {"ssim": 0.5})]])
def test_without_a_headline_metric_there_is_no_chart(cells: list[LoadedCell]) -> None:
    assert charts(cells, METRICS) == []
