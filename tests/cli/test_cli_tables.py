"""What ``invbench table`` is asked for: options that do not go together, and what stands beside means."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made import loaded_cell
from msgspec.structs import asdict

from invbench.cli.tables import Request
from invbench.errors import ConfigError


def request(**options: Any) -> Request:
    plain: dict[str, Any] = {
        "filters": (), "how": "text", "out": Path("nowhere"), "paper": None, "only": (), "added": (),
        "intervals": None, "std": False, "by_task": False, "times": False, "budgets": "",
    }  # fmt: skip
    return Request(**{**plain, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "htm"}, "unknown table format 'htm'; did you mean 'html'"),
        ({"std": True, "intervals": True}, "--intervals or --std"),
        ({"added": ("dps",)}, "--add needs --paper"),
        ({"paper": "1", "by_task": True}, "leave out --metrics, --by-task and --budgets"),
        ({"times": True, "only": ("psnr",)}, "--times prints seconds, not scores"),
        ({"times": True, "intervals": False}, "--times prints seconds, not scores"),
        ({"budgets": "20", "std": True}, "--budgets prints the best means alone"),
    ],
)
def test_options_of_different_tables_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        request(**options)


@pytest.mark.parametrize(
    ("options", "spread"),
    [
        ({}, "interval"),
        ({"intervals": False}, "none"),
        ({"std": True}, "std"),
        ({"by_task": True}, "none"),
        ({"by_task": True, "intervals": True}, "interval"),
        ({"paper": "1"}, "none"),
    ],
)
def test_intervals_stand_beside_means_but_in_wide_tables(options: dict[str, Any], spread: str) -> None:
    assert request(**options).spread == spread


def test_no_records_name_the_command_that_makes_some(invbench: Callable[..., Any]) -> None:
    result = invbench("table", "task=sr4")
    assert result.returncode == 2
    message = "error: no records of task=sr4 in results/runs; make some with 'invbench run solver=ddrm task=sr4'"
    assert message in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "txt"], "unknown table format 'txt'; did you mean 'text'"),
        (["sr4"], "expected benchmark=..., task=..."),
        (["tsk=sr4"], "got 'tsk=sr4'"),
    ],
)
def test_wrong_words_are_a_message(invbench: Callable[..., Any], words: list[str], message: str) -> None:
    result = invbench("table", *words)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_noise_is_a_filter_too(invbench: Callable[..., Any], tmp_path: Path) -> None:
    for noise in ("gaussian 0.05 [-1,1]", "poisson 30.0"):
        cell = loaded_cell("photos", "sr4", "ddrm", {"psnr": 24.0}, noise=noise)
        folder = tmp_path / "photos" / "sr4" / f"ddrm-{noise[:4]}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({**cell.run.plain(), "cell": noise}))
        (folder / "records.jsonl").write_text("".join(json.dumps(asdict(row)) + "\n" for row in cell.rows))
    text = invbench("table", "noise=poisson 30", "--out", str(tmp_path)).stdout
    assert "Poisson" in text
    assert "Gaussian" not in text
