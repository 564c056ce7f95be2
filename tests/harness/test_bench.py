"""Costs against known arithmetic, and forecasts against what a run then counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from invbench.cli import main
from invbench.cli.sweep import compose
from invbench.harness.bench import Bench, cost_table, flop_formulas, forecast, forecast_table
from invbench.harness.config import build
from invbench.plugins import load_catalog
from invbench.priors.adm.cost import count
from invbench.priors.adm.sources import AdmPhotos
from invbench.store.reader import load_cells
from invbench.store.schema import BenchCost

CATALOG = load_catalog()


def invbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def bench_of(*overrides: str, batch: int = 1) -> Bench:
    benches = compose(overrides, CATALOG, lambda choice: [Bench(build(choice, CATALOG), batch, torch.device("cpu"))])
    assert benches
    return benches[0]


def test_attention_on_the_cpu_is_counted() -> None:
    q = torch.randn(2, 3, 16, 8, requires_grad=True)
    with FlopCounterMode(display=False, custom_mapping=flop_formulas()) as counter:
        out = scaled_dot_product_attention(q, q, q)
    forward = 2 * 3 * 2 * (16 * 16 * 8 + 16 * 8 * 16)  # two products, a multiply-add is two
    assert counter.get_total_flops() == forward
    with FlopCounterMode(display=False, custom_mapping=flop_formulas()) as counter:
        out.sum().backward()
    assert counter.get_total_flops() == 2.5 * forward  # the scores again, and four products


def test_a_solve_costs_its_calls_in_both_conventions() -> None:
    cost = bench_of("solver=ddrm", "solver.nfe=3", "task=denoise").cost(2, 60)
    one = count(AdmPhotos.config(), 64)
    assert (cost.forward, cost.backward, cost.repeats, cost.batch) == (3, 0, 2, 1)
    assert cost.gflops == pytest.approx(3 * 2 * one.macs / 1e9, rel=0.01)
    assert cost.fvcore == pytest.approx(3 * one.fvcore / 1e9)
    assert 0 < cost.low <= cost.seconds <= cost.high


def test_a_backward_pass_to_the_image_costs_as_much_as_a_forward_one() -> None:
    cost = bench_of("solver=dps", "solver.nfe=2", "task=denoise").cost(1, 60)
    assert (cost.forward, cost.backward) == (2, 2)
    assert cost.gflops == pytest.approx(2 * 2 * 2 * count(AdmPhotos.config(), 64).macs / 1e9, rel=0.03)


def test_the_limit_ends_the_repeats_after_one() -> None:
    assert bench_of("solver=ddrm", "solver.nfe=2", "task=denoise").cost(10, 0.0).repeats == 1


@pytest.mark.parametrize(
    "solver",
    [
        *("ddrm", "ddnm", "ddnm_plus", "diffpir", "pigdm", "dps", "dmps", "daps", "mcg", "red_diff", "fps"),
        *("oracle", "ddim"),
    ],
)
def test_a_forecast_counts_the_calls_of_a_run(solver: str, tmp_path: Path) -> None:
    options = ["benchmark=gmm", "task=sr4", f"solver={solver}"]
    if solver not in ("oracle", "fps"):
        options.append("solver.steps=10" if solver in ("ddnm", "ddnm_plus", "daps") else "solver.nfe=20")
    predicted = forecast(bench_of(*options, batch=2), 2)
    assert invbench("run", *options, "n=2", "references=false", f"out={tmp_path}").exit_code == 0
    (cell,) = load_cells(tmp_path)
    forward, backward = ({r.value for r in cell.rows if r.metric == name} for name in ("nfe_forward", "nfe_backward"))
    text = f"{forward.pop():g}" + (f" + {b:g} back" if (b := backward.pop()) else "")
    assert predicted.nfe == text
    assert predicted.tflops is None


def test_the_forecast_of_time_is_that_of_a_run_within_a_factor(tmp_path: Path) -> None:
    options = ["task=denoise", "solver=ddrm", "solver.nfe=10", "batch_size=4", "n=4"]
    predicted = forecast(bench_of(*options, batch=4), 4)
    assert invbench("run", *options, "references=false", f"out={tmp_path}").exit_code == 0
    (cell,) = load_cells(tmp_path)
    hours = cell.run.cost.solve_seconds / 3600
    assert hours / 4 < predicted.hours < 4 * hours
    images = sum(path.stat().st_size for path in cell.folders[0].glob("images/*")) / 2**20
    assert images < predicted.megabytes < 2 * images


def test_tables_are_sorted_by_time_and_summed() -> None:
    costs = [BenchCost(n, 1, 3, s, s, s, 1, 0, 2.0, None, 0.1, 5.0) for n, s in (("slow", 2.0), ("fast", 1.0))]
    assert names(cost_table(costs, "t", "cpu").frame["solver"]) == ["fast", "slow"]
    assert "0 hours" in forecast_table([], "cpu").notes[0]


def names(column: Sequence[str]) -> list[str]:
    return list(column)
