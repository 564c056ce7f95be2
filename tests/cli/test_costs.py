"""The commands bench and plan, and what they print."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from invbench.cli import main
from invbench.store.reader import load_cells


def invbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def test_the_commands_print_tables_and_write_the_numbers(tmp_path: Path) -> None:
    arguments = ["solver=wiener,pinv,ddrm", "task=denoise", "benchmark=gmm", f"out={tmp_path}"]
    result = invbench("bench", *arguments, "--repeats", "2", "--limit", "5")
    assert result.exit_code == 0, result.output
    assert "Cost on gmm/denoise" in result.output
    stored = json.loads((tmp_path / "gmm" / "denoise" / "bench-ddrm.json").read_text())
    assert stored["session"]["command"].startswith("invbench bench ")
    assert stored["cost"]["forward"] == 20
    assert stored["config"]["solver"]["name"] == "ddrm"
    assert not load_cells(tmp_path)
    result = invbench("plan", *arguments, "n=99999")
    assert result.exit_code == 0, result.output
    assert "hours and" in result.output
    assert "warning: n=99999, but dataset gmm holds" in result.output


def test_inapplicable_columns_are_reported_and_left_out(tmp_path: Path) -> None:
    result = invbench("bench", "solver=ddrm,wiener", "task=hdr", "benchmark=gmm", f"out={tmp_path}")
    assert result.exit_code == 1
    assert "skipped, it needs an operator" in result.output
