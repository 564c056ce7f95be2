"""``invbench tune``: the best by an objective, on the tuning split, and nowhere else."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from invbench.cli.tune import _ends, _loss, _sweep, tune
from invbench.errors import InvbenchError
from invbench.metrics.consistency import Consistency
from invbench.metrics.distortion import PSNR
from invbench.metrics.samples import CRPS, Coverage
from invbench.plugins import load_catalog

CATALOG = load_catalog()
PLANE = ["benchmark=gmm2d", "task=denoise", "solver=dps", "solver.nfe=10", "n=4"]


def test_the_ranking_is_printed_written_and_made_on_the_tuning_split(
    invbench: Callable[..., Any], tmp_path: Path
) -> None:
    result = invbench("tune", *PLANE, "solver.zeta=0.0,0.03,3.0")
    assert result.returncode == 0, result.stderr
    (path,) = tmp_path.glob("results/tune/gmm2d/denoise/tune-dps-seed0.json")
    ranking = json.loads(path.read_text())
    assert ranking["split"] == "tune"
    assert ranking["objective"] == PSNR.protocol
    means = [row["mean"] for row in ranking["ranking"]]
    assert means == sorted(means, reverse=True)
    assert [row["n"] for row in ranking["ranking"]] == [4, 4, 4]
    assert {row["values"]["zeta"] for row in ranking["ranking"]} == {0.0, 0.03, 3.0}
    lines = result.stdout.partition("TOML file:")[2].partition("result:")[0]
    settings = tomllib.loads(lines)["gmm2d"]["denoise"]["psnr"]
    assert settings["zeta"] == ranking["ranking"][0]["values"]["zeta"]
    assert settings["origin"].startswith("tuned: invbench tune benchmark=gmm2d task=denoise")
    records = [p for p in (tmp_path / "results/tune").rglob("records.jsonl")]
    images = {json.loads(line)["image"] for p in records for line in p.read_text().splitlines()}
    assert images == {f"tune-{i:05d}" for i in range(4)}
    assert not (tmp_path / "results/runs").exists()


def test_the_declared_space_is_searched_unless_values_are_given(invbench: Callable[..., Any], tmp_path: Path) -> None:
    assert invbench("tune", *PLANE[:3], "solver.nfe=2", "n=1").returncode == 0
    (path,) = tmp_path.rglob("tune-dps-seed0.json")
    assert {row["values"]["zeta"] for row in json.loads(path.read_text())["ranking"]} == {
        *(0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
    }


def test_a_score_of_several_samples_can_be_the_objective(invbench: Callable[..., Any], tmp_path: Path) -> None:
    result = invbench("tune", *PLANE, "solver.zeta=0.03,3.0", "samples=3", "objective=crps")
    assert result.returncode == 0, result.stderr
    (path,) = tmp_path.rglob("tune-dps-seed0.json")
    ranking = json.loads(path.read_text())["ranking"]
    assert [row["n"] for row in ranking] == [4, 4], "one score per image"
    assert ranking[0]["mean"] < ranking[1]["mean"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "expected solver=NAME task=NAME"),
        (["solver=dps,ddrm", "task=sr4"], "expected one solver"),
        (["solver=dsp", "task=sr4"], "unknown solver 'dsp'; did you mean 'dps'"),
        (["solver=dps", "sr4"], "expected key=value, got 'sr4'"),
        (["-m", "solver=dps", "task=sr4"], "expected key=value, got '-m'"),
        (["solver=pinv", "task=sr4"], "nothing to search: solver pinv declares no search space"),
        (["solver=dps", "task=sr4", "solver.zeta=1"], r"nothing to search.*solver\.KEY=a,b,c \(keys: nfe, zeta\)"),
        (["solver=dps", "task=sr4", "objective=psnrr"], "unknown objective 'psnrr'; did you mean 'psnr'"),
        (["solver=dps", "task=sr4", "objective=crps"], "scores several samples of a measurement; add samples=8"),
        (["solver=dps", "task=sr4", "objective=spread", "samples=2"], "has no better direction"),
        (["solver=dps", "task=sr4", "dataset.split=test"], "not chosen on the test images"),
        (["solver=dps", "task=sr4", "benchmark=ffhq256"], "has no tuning split; give other images"),
    ],
)
def test_what_cannot_be_tuned_is_said(overrides: list[str], message: str) -> None:
    with pytest.raises(InvbenchError, match=message):
        tune(overrides, CATALOG)


def test_a_solver_that_skips_the_task_is_not_ranked(invbench: Callable[..., Any], tmp_path: Path) -> None:
    result = invbench("tune", "solver=diffpir", "task=hdr", "benchmark=gmm", "n=1")
    assert result.returncode == 1
    assert "nothing to rank on gmm.hdr by psnr: needs an operator of type LinearOperator" in result.stderr
    assert "TOML" not in result.stdout


def test_the_best_is_what_the_objective_says() -> None:
    assert _loss(30, PSNR) < _loss(20, PSNR)
    assert _loss(0.1, CRPS) < _loss(0.2, CRPS)
    assert _loss(1.1, Consistency) < _loss(0.8, Consistency)
    assert _loss(0.05, Coverage) < _loss(-0.3, Coverage) < _loss(float("nan"), Coverage)


def test_a_best_value_at_the_end_of_the_range_is_noticed() -> None:
    assert _ends([0.1, 1.0, 3.0]) == {0.1, 3.0}
    assert _ends(["linear", "sqrt"]) == set()
    assert _ends([1.0, 1.0]) == set()


@pytest.mark.parametrize("text", ["1,2,3", "range(3)", "choice(1,2,3)"])
def test_values_are_searched_however_a_sweep_is_written(text: str) -> None:
    pairs = {"solver": "dps", "task": "sr4", "solver.zeta": text, "solver.nfe": "5"}
    overrides, searched = _sweep(pairs, CATALOG)
    assert searched == ["zeta"]
    assert f"solver.zeta={text}" in overrides
