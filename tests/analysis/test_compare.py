"""Changes between stores, with rules that fail, and differences between two solvers."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invbench.analysis.compare import parse_rules
from invbench.cli import main
from invbench.errors import ConfigError


def invbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def base_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small images restored by three solvers that need no network."""
    out = tmp_path_factory.mktemp("compare") / "base"
    assert invbench("run", "benchmark=gmm", "solver=wiener", "task=sr4", "n=12", f"out={out}").exit_code == 0
    return out


Change = Callable[[dict[str, object]], dict[str, object]]


def changed(base_store: Path, to: Path, change: Change) -> Path:
    """A copy of a store, each row through a function."""
    shutil.copytree(base_store, to)
    for path in to.glob("*/*/wiener-*/records.jsonl"):
        rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return to


def moved(row: dict[str, Any], by: float = 1e-3) -> dict[str, Any]:
    """The row with the fingerprint of a measurement that differs by this part of its norm."""
    if row.get("y"):
        norm, *sums = row["y"]["y"]
        return {**row, "y": {"x": row["y"]["x"], "y": [norm, *(each + by * norm for each in sums)]}}
    return row


def worse(row: dict[str, object]) -> dict[str, object]:
    lost = {"psnr": 0.1, "seconds": 0.0}.get(str(row["metric"]), 0.0)
    return {**row, "value": float(str(row["value"])) - lost}


def test_the_same_store_has_not_changed(base_store: Path) -> None:
    result = invbench("compare", base_store, base_store, "--fail-on", "psnr<-0.05,nfe!=0,seconds>1.3x")
    assert result.exit_code == 0
    assert "0 scores of 3 cells changed" in result.output


def test_a_loss_beyond_the_bound_fails_and_is_named(base_store: Path, tmp_path: Path) -> None:
    new = changed(base_store, tmp_path / "new", worse)
    result = invbench("compare", base_store, new, "--fail-on", "psnr<-0.05")
    assert result.exit_code == 1
    assert "| -0.1 " in result.output
    assert "FAIL gmm/sr4, seed 0, wiener: psnr<-0.05 is broken" in result.output
    assert invbench("compare", base_store, new, "--fail-on", "psnr<-0.2").exit_code == 0
    assert invbench("compare", new, base_store, "--fail-on", "psnr<-0.05").exit_code == 0  # the other way it is a gain


def test_text_is_folded_to_the_terminal(base_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda stream: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    words = ["compare", base_store, changed(base_store, tmp_path / "new", worse), "--format", "text"]
    heads = [
        sum(line.startswith("cell ") for line in invbench(*words, *more).output.splitlines())
        for more in ([], ["--wide"])
    ]
    assert heads[0] > heads[1] == 1


def test_a_ratio_of_seconds_and_more_calls_fail(base_store: Path, tmp_path: Path) -> None:
    slow = changed(
        base_store,
        tmp_path / "slow",
        lambda row: {**row, "value": row["value"] * 1.5 if row["metric"] == "seconds" else row["value"]},  # type: ignore[operator]
    )
    assert invbench("compare", base_store, slow, "--fail-on", "seconds>1.3x").exit_code == 1
    assert invbench("compare", base_store, slow, "--fail-on", "seconds>1.6x").exit_code == 0
    called = changed(
        base_store, tmp_path / "called", lambda row: {**row, "value": 1.0} if row["metric"] == "nfe_forward" else row
    )
    assert invbench("compare", base_store, called, "--fail-on", "nfe!=0").exit_code == 1


def test_a_cell_that_is_gone_fails_and_a_new_one_is_named(base_store: Path, tmp_path: Path) -> None:
    less = shutil.copytree(base_store, tmp_path / "less")
    shutil.rmtree(next(less.glob("*/*/wiener-*")))
    result = invbench("compare", base_store, less)
    assert result.exit_code == 1
    assert "wiener is missing from" in result.output
    result = invbench("compare", less, base_store)
    assert result.exit_code == 0
    assert "Only in the new store: gmm/sr4, seed 0, wiener" in result.output


def of_first_image(value: float) -> Change:
    return lambda row: {**row, "value": value} if (row["metric"], row["image"]) == ("psnr", "00000") else row


@pytest.mark.parametrize(
    ("is_kept", "message"),
    [
        (
            lambda row: row["image"] != "00000",
            "FAIL gmm/sr4, seed 0, wiener: 1 of 12 images are missing, 00000 for one",
        ),
        (lambda row: row["metric"] != "psnr", "FAIL gmm/sr4, seed 0, wiener: psnr is missing"),
    ],
)
def test_a_lost_image_or_metric_fails(
    base_store: Path, tmp_path: Path, is_kept: Callable[[dict[str, Any]], bool], message: str
) -> None:
    new = shutil.copytree(base_store, tmp_path / "new")
    (path,) = new.glob("*/*/wiener-*/records.jsonl")
    rows = [row for row in map(json.loads, path.read_text().splitlines()) if is_kept(row)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = invbench("compare", base_store, new, "--fail-on", "psnr<-0.05")
    assert result.exit_code == 1
    assert message in result.output


def test_a_score_that_became_nan_fails_and_one_that_was_is_left_out(base_store: Path, tmp_path: Path) -> None:
    nan = changed(base_store, tmp_path / "nan", of_first_image(float("nan")))
    result = invbench("compare", base_store, nan, "--fail-on", "psnr<-0.05")
    assert result.exit_code == 1
    assert "FAIL gmm/sr4, seed 0, wiener: psnr has no value (nan) for 1 image that had one" in result.output
    result = invbench("compare", nan, base_store, "--fail-on", "psnr<-0.05,psnr>0.05")
    assert result.exit_code == 0
    assert "11 (1 nan)" in result.output


def test_an_image_without_a_score_does_not_decide_between_two_solvers(base_store: Path, tmp_path: Path) -> None:
    nan = changed(base_store, tmp_path / "nan", of_first_image(float("nan")))
    psnr_rows = []
    for store in (base_store, nan):
        printed = invbench("versus", "wiener", "pinv", "--out", store, "--format", "csv").stdout
        psnr_rows += [row for row in csv.DictReader(printed.splitlines()) if row["metric"] == "psnr"]
    whole, left = psnr_rows
    assert (whole["n"], left["n"]) == ("12", "11 (1 nan)")
    assert left["better"] == whole["better"]
    assert "nan" not in left["difference"] + left["wiener"] + left["p"]


def test_other_measurements_unknown_metrics_and_wrong_rules_are_refused(base_store: Path, tmp_path: Path) -> None:
    other = changed(base_store, tmp_path / "other", lambda row: {**moved(row), "y_sha256": "0"})
    for command in (["compare", base_store, other], ["compare", base_store, other, "--fail-on", "psnr<-1"]):
        assert "measurements differ" in invbench(*command).output
    assert "lpips_vgg, which no cell" in invbench("compare", base_store, base_store, "--fail-on", "lpips_vgg>0").output
    assert "no records in" in invbench("compare", base_store, tmp_path / "empty").output
    for text in ("psnr", "psnr<=1", "psnr<x"):
        with pytest.raises(ConfigError, match="--fail-on takes"):
            parse_rules(text)


def test_two_solvers_are_compared_on_the_same_images(base_store: Path) -> None:
    output = invbench("versus", "wiener", "pinv", "--out", base_store, "--format", "csv").stdout
    rows = {row["metric"]: row for row in csv.DictReader(output.splitlines())}
    values = {s: values_of(base_store, s) for s in ("wiener", "pinv")}
    assert float(rows["psnr"]["wiener"]) == pytest.approx(values["wiener"].mean(), rel=1e-3)
    assert float(rows["psnr"]["pinv"]) == pytest.approx(values["pinv"].mean(), rel=1e-3)
    assert {row["better"] for row in rows.values()} <= {"tie", "wiener", "pinv"}
    assert "unknown recorded solver 'ddrm'" in invbench("versus", "wiener", "ddrm", "--out", base_store).output


def test_of_few_images_no_solver_is_called_better_and_none_is_called_a_tie(base_store: Path, tmp_path: Path) -> None:
    image_names = {f"{i:05d}" for i in range(4)}
    few = changed(base_store, tmp_path / "few", lambda row: {**row, "image": str(row["image"])})
    for path in few.rglob("records.jsonl"):
        lines = [line for line in path.read_text().splitlines() if json.loads(line)["image"] in image_names]
        path.write_text("\n".join(lines) + "\n")
    output = invbench("versus", "wiener", "pinv", "--out", few, "--format", "csv").stdout
    rows = list(csv.DictReader(output.splitlines()))
    assert {row["n"] for row in rows} == {"4"}
    assert {row["better"] for row in rows} == {"too few images"}
    assert {row["required sample size"] for row in rows} == {"-"}


def values_of(out: Path, solver: str) -> np.ndarray:
    (path,) = out.glob(f"*/*/{solver}-*/records.jsonl")
    rows = map(json.loads, path.read_text().splitlines())
    return np.array([r["value"] for r in rows if r["metric"] == "psnr"])


def reconfigured(base_store: Path, to: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of a store in which the configuration of a solver was changed."""
    shutil.copytree(base_store, to)
    for path in to.glob("*/*/wiener-*/run.json"):
        run = json.loads(path.read_text())
        change(run["config"])
        path.write_text(json.dumps(run))
    return to


def test_another_option_is_named_with_what_to_do(base_store: Path, tmp_path: Path) -> None:
    new = reconfigured(base_store, tmp_path / "new", lambda config: config["solver"].update(window=5))
    result = invbench("compare", base_store, new)
    assert result.exit_code == 1
    assert "wiener is missing from" in result.output
    assert "which has it with another configuration: solver.window None -> 5; regenerate the base" in result.output


def test_other_weights_are_compared_and_named(base_store: Path, tmp_path: Path) -> None:
    def retrained(config: dict[str, Any]) -> None:
        config["solver"]["sha256"] = "0123456789abcdef" * 4
        config["plugins"]["invbench"] = "9.9.9"

    result = invbench("compare", base_store, reconfigured(base_store, tmp_path / "new", retrained))
    assert result.exit_code == 0
    assert "Other weights or versions: plugins.invbench" in result.output
    assert "-> 9.9.9, solver.sha256 None -> 0123456789ab, in 1 cells: gmm/sr4, seed 0, wiener." in result.output


def test_last_bits_of_measurements_may_differ_between_machines(base_store: Path, tmp_path: Path) -> None:
    other = changed(base_store, tmp_path / "other", lambda row: {**moved(row, 1e-7), "y_sha256": "0"})
    result = invbench("compare", base_store, other)
    assert result.exit_code == 0
    assert result.output.count("differ in last bits") == 1, "it is said once"


def test_of_old_records_the_user_says_that_only_last_bits_differ(base_store: Path, tmp_path: Path) -> None:
    """They have no fingerprints."""
    other = changed(base_store, tmp_path / "other", lambda row: {**worse(row), "y_sha256": "0", "y": None})
    assert "or add --across-machines" in invbench("compare", base_store, other).output
    result = invbench("compare", base_store, other, "--across-machines", "--fail-on", "psnr<-0.05")
    assert result.exit_code == 1
    assert "wiener: psnr<-0.05 is broken" in result.output


def test_scores_of_several_samples_are_compared(tmp_path: Path) -> None:
    base = tmp_path / "base"
    command = ["run", "benchmark=gmm2d", "solver=oracle", "task=denoise", "n=2", "samples=3", "references=false"]
    assert invbench(*command, f"out={base}").exit_code == 0
    (path,) = base.glob("*/*/*/records.jsonl")
    new = shutil.copytree(base, tmp_path / "new")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    moved = [{**row, "value": row["value"] + 0.1} if row["metric"] == "crps" else row for row in rows]
    (new / path.relative_to(base)).write_text("".join(json.dumps(row) + "\n" for row in moved))
    result = invbench("compare", base, new, "--fail-on", "crps>0.05")
    assert result.exit_code == 1
    assert "crps>0.05 is broken" in result.output
