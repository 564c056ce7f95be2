"""Findings as tables, and whether a check has succeeded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command import Result, called
from zoo.solvers import NotFinite

from invbench.plugins import Plugin
from invbench.testing.findings import Finding
from invbench.testing.report import WIDTH, report

ENTRY = """
from zoo.solvers import GoodSolver, NotFinite
from invbench import hookimpl

@hookimpl
def invbench_register_solvers():
    return [GoodSolver, NotFinite]
"""


@pytest.fixture
def zoo_installed(tmp_path: Path) -> Callable[..., Result]:
    """The command line where two solvers of the zoo and a module that does not import are installed."""
    (tmp_path / "zoo_entry.py").write_text(ENTRY)
    info = tmp_path / "zoo-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[invbench]\nsolver_zoo = zoo_entry\nsolver_lost = zoo_nowhere\n")
    return lambda *words: called(words, tmp_path, site=tmp_path)


def test_check_prints_a_table_and_succeeds(zoo_installed: Callable[..., Result]) -> None:
    result = zoo_installed("check", "goodsolver")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("solver goodsolver (zoo 0.1.0): 19 pass, 0 fail, 2 n/a")
    assert any(line.split()[:2] == ["batch", "pass"] for line in result.stdout.splitlines())


def test_check_fails_where_a_check_does(zoo_installed: Callable[..., Result]) -> None:
    result = zoo_installed("check", NotFinite.name)
    assert result.returncode == 1
    assert "look for x / 0" in result.stdout


def test_check_suggests_a_name(invbench: Callable[..., Result]) -> None:
    result = invbench("check", "psnrr")
    assert result.returncode == 2
    assert "unknown name 'psnrr'; did you mean 'psnr'" in result.stderr


def test_check_says_why_a_plugin_cannot_be_used(zoo_installed: Callable[..., Result]) -> None:
    result = zoo_installed("check", "lost")  # the name of its entry point is solver_lost
    assert result.returncode == 1
    assert "solver_lost of zoo cannot be used: ModuleNotFoundError" in result.stderr


def test_check_covers_every_kind_of_a_name(invbench: Callable[..., Result]) -> None:
    result = invbench("check", "gmm2d")
    assert result.returncode == 0
    assert "dataset gmm2d" in result.stdout
    assert "prior gmm2d" in result.stdout


def test_where_nothing_applies_the_check_has_failed(tmp_path: Path) -> None:
    ran = called(["check", "module"], tmp_path)
    assert ran.returncode == 1
    assert "prior module: nothing was checked" in ran.stdout


def test_the_user_gives_the_shape_of_images(invbench: Callable[..., Result]) -> None:
    result = invbench("check", "denoise", "--size", "2x8x12")
    assert result.returncode == 0, result.stdout
    assert "x (2, 8, 12) -> y (2, 8, 12)" in result.stdout
    assert "more pass" not in result.stdout
    grey = invbench("check", "adm_photos", "--size", "1x64x64")
    assert grey.returncode == 1
    assert "--size 1x28x28 chooses the images' shape" in grey.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["denoise", "--size", "8x12"], "--size takes CxHxW, such as 1x28x28; got '8x12'"),
        (["psnr", "--size", "3x8x12"], "--size is for a task or a prior; psnr is a metric"),
    ],
)
def test_a_size_that_means_nothing_is_refused(invbench: Callable[..., Result], words: list[str], message: str) -> None:
    result = invbench("check", *words)
    assert result.returncode == 2
    assert message in result.stderr


def test_a_heading_counts_outcomes_and_each_check_has_a_row() -> None:
    findings = [Finding("a", "pass", "good"), Finding("b", "fail", "bad " * 60), Finding("c", "n/a", "no use")]
    heading, *rows = report(Plugin("solver", "s", object, "theirs", "1.2"), findings).splitlines()
    assert heading == "solver s (theirs 1.2): 1 pass, 1 fail, 1 n/a"
    assert [row.split()[0] for row in rows if row[:1] in ("a", "b")] == ["a", "b"]
    assert max(map(len, rows)) <= WIDTH + 20, "sentences are folded"
