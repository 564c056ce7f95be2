"""The workflows that others copy hold commands that exist, with words that they accept."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from invbench.cli import main
from invbench.compare import parse_rules

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / "examples" / "invbench-onestep" / ".github" / "workflows" / "benchmark.yml"
CONTENT: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
LINES = [line for step in CONTENT["jobs"]["benchmark"]["steps"] for line in step.get("run", "").splitlines()]
COMMANDS = [line for line in LINES if line.startswith("invbench")]


def words(line: str) -> list[str]:
    """What a shell hands to invbench, the part before a pipe."""
    for name, value in CONTENT["env"].items():
        line = re.sub(rf'"?\${name}"?', value if name == "MATRIX" else shlex.quote(value), line)
    return shlex.split(line.partition("|")[0])[1:]


def test_every_command_of_the_workflow_exists() -> None:
    assert {line.split()[1] for line in COMMANDS} == {"check", "run", "compare"}
    assert {line.split()[1] for line in COMMANDS} <= main.commands.keys()
    assert parse_rules(CONTENT["env"]["RULES"])


def test_the_workflow_runs_and_tells_a_regression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(CONTENT["env"], "SOLVER", "wiener")
    monkeypatch.setitem(CONTENT["env"], "RULES", "psnr<-0.05,nfe!=0")  # another process's load is no regression
    for line in COMMANDS:
        if "check" not in line:
            result = CliRunner().invoke(main, words(line), catch_exceptions=False)
            assert result.exit_code == 0, result.output
    for path in Path("runs/new").rglob("records.jsonl"):
        path.write_text(re.sub(r'("metric": "psnr".*?"value": )\d+', r"\g<1>1", path.read_text()))
    (compare,) = [line for line in COMMANDS if "compare" in line]
    result = CliRunner().invoke(main, words(compare), catch_exceptions=False)
    assert result.exit_code == 1
    assert "psnr<-0.05 is broken" in result.output


def test_our_own_workflow_runs_what_ci_runs() -> None:
    ours = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert [step["run"] for step in ours["jobs"]["check"]["steps"] if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
