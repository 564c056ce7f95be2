"""The options of a run."""

from __future__ import annotations

from dataclasses import fields

from invbench.harness.options import GROUPS, HELP, RunConfig


def test_every_option_has_a_line_of_help() -> None:
    assert set(HELP) == {f.name for f in fields(RunConfig)} - {"defaults", "hydra", "benchmark", *GROUPS}
