"""The golden records catch a regression, and the workflow for third parties runs and fails when it should."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import pytest
import yaml
from command import called
from golden import matrix

ROOT = Path(__file__).parents[1]
OURS = ROOT / ".github" / "workflows" / "ci.yml"
THEIRS = ROOT / "examples" / "invbench-onestep" / ".github" / "workflows" / "benchmark.yml"

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The matrix's commands run here, which spares an import of torch for each."""

    def invbench(*words: str) -> int:
        result = called(words, tmp_path)
        print(result.stdout, result.stderr)
        return result.returncode

    for name, folder in matrix.NOTHING_FETCHED.items():
        monkeypatch.setenv(name, folder)
    monkeypatch.setattr(matrix, "invbench", invbench)


def changed(to: Path, solver: str, change: Callable[[Row], Row]) -> Path:
    """A copy of the golden records, each row of a solver on sr4 through a function."""
    shutil.copytree(matrix.KEPT, to)
    for path in to.glob(f"photos/sr4/{solver}-*/records.jsonl"):
        rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return to


def moved(metric: str, by: float) -> Callable[[Row], Row]:
    return lambda row: {**row, "value": row["value"] + by * (row["metric"] == metric)}


@pytest.mark.parametrize(
    ("metric", "by", "rule"),
    [
        ("psnr", -0.1, "psnr<-0.05"),
        ("psnr", 0.1, "psnr>0.05"),
        ("ssim", -0.01, "ssim<-0.005"),
        ("nfe_forward", 1, "nfe"),
    ],
)
def test_a_number_that_moved_is_caught_and_named(
    metric: str, by: float, rule: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert matrix.compare(matrix.KEPT, changed(tmp_path / "new", "ddrm", moved(metric, by))) == 1
    assert f"FAIL photos/sr4, seed 0, ddrm: {rule}" in capfd.readouterr().out


def test_last_bits_of_another_cpu_pass(tmp_path: Path) -> None:
    def elsewhere(row: Row) -> Row:
        return {**moved("psnr", 1e-3)(row), "y_sha256": "0" * 64}

    assert matrix.compare(matrix.KEPT, changed(tmp_path / "new", "ddrm", elsewhere)) == 0


def test_a_golden_cell_is_stored_without_what_differs_from_run_to_run(tmp_path: Path) -> None:
    matrix.run(["solver=pinv task=sr4"], tmp_path / "out")
    matrix.keep(tmp_path / "out", tmp_path / "kept")
    assert {path.name for path in (tmp_path / "kept").rglob("*.*")} == {"run.json", "records.jsonl"}
    fresh, golden = (scores(folder) for folder in (tmp_path / "kept", matrix.KEPT))
    assert fresh == pytest.approx(golden, abs=1e-3)
    assert "psnr" in {metric for _, metric in fresh}
    assert "seconds" not in {metric for _, metric in fresh}


def scores(folder: Path) -> dict[tuple[str, str], float]:
    """Of pinv on sr4, by image and metric."""
    (path,) = folder.glob("photos/sr4/pinv-*/records.jsonl")
    rows = map(json.loads, path.read_text().splitlines())
    return {(row["image"], row["metric"]): row["value"] for row in rows}


def test_every_cell_of_the_matrix_is_stored_and_small_and_names_no_machine() -> None:
    values = [[word.partition("=")[2].split(",") for word in line.split()] for line in matrix.MATRIX]
    files = [path for path in matrix.KEPT.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"run.json", "records.jsonl"}
    assert len(files) == 2 * sum(prod(map(len, line)) for line in values)
    text = "".join(path.read_text() for path in files)
    assert len(text) < 300_000
    assert not re.search(r'"/|/(home|tmp|root|work)/|out=|sessions', text)


def steps(workflow: Path) -> Iterator[str]:
    """The shell of each step that has one."""
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        yield from (step["run"] for step in job["steps"] if "run" in step)


def test_our_workflow_runs_what_a_clone_runs() -> None:
    assert list(steps(OURS)) == [".ci/run", "make test", "make bench-smoke"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.fixture
def runner(tmp_path: Path) -> dict[str, str]:
    """The environment of a job: the workflow's own, made small; pip, git and pytest do nothing."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("pip", "git", "pytest"):
        (tools / name).write_text("#!/bin/sh\n")
    (tools / "invbench").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m invbench.cli "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    env = {k: str(v) for k, v in yaml.safe_load(THEIRS.read_text())["env"].items()}
    env["MATRIX"] = re.sub(r"benchmark=\w+ task=\S+ n=\d+", "benchmark=gmm task=denoise n=2", env["MATRIX"])
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **env, "SOLVER": "pinv", "PATH": path, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}


def shell(step: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """A step as GitHub runs it with ``shell: bash``."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", re.sub(r"\$\{\{.*?\}\}", "0123abc", step)]
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.long
def test_the_workflow_to_copy_runs_and_fails_when_a_rule_is_broken(runner: dict[str, str], tmp_path: Path) -> None:
    workflow = yaml.safe_load(THEIRS.read_text())
    assert workflow["defaults"]["run"]["shell"] == "bash"
    assert workflow["env"]["SOLVER"] == "onestep"
    runner["RULES"] = runner["RULES"].replace("seconds>2x", "seconds>1000x")  # a solve of microseconds
    *_, compare = list(steps(THEIRS))
    for step in steps(THEIRS):
        result = shell(step, runner, tmp_path)
        assert result.returncode == 0, f"{step}\n{result.stdout}{result.stderr}"
    assert "of 1 cells changed" in (tmp_path / "summary.md").read_text()

    (rows,) = (tmp_path / "runs" / "new").glob("*/*/*/records.jsonl")
    worse = [json.dumps(moved("psnr", -0.1)(json.loads(line))) for line in rows.read_text().splitlines()]
    rows.write_text("\n".join(worse) + "\n")
    assert shell(compare, runner, tmp_path).returncode == 1
    assert "pinv: psnr<-0.05 is broken" in (tmp_path / "summary.md").read_text()
