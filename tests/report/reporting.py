"""The page of a results folder, as the command writes it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from invbench.cli import main


def invbench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def page_of(out: Path, *arguments: str) -> Path:
    path = out.parent / "page" / "report.html"
    result = invbench("report", *arguments, "--out", out, "--to", path)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(path)
    return path
