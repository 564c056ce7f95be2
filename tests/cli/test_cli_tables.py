"""What ``invbench table`` is asked for: options that do not go together, and what stands beside means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
        ({"added": ("dps",)}, "--add is of --paper"),
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
