"""The conformance kit catches what it must, by name, and lets good plugins pass."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Result, called
from torch import Tensor
from zoo import CONTROLS, ZOO
from zoo.solvers import GoodSolver, NotFinite

import invbench as ib
from invbench.plugins import Plugin
from invbench.testing import Finding, check_plugin
from invbench.testing.plugins import KITS
from invbench.testing.solver_lab import shortened

ENTRY = """
from zoo.solvers import GoodSolver, NotFinite
from invbench import hookimpl

@hookimpl
def invbench_register_solvers():
    return [GoodSolver, NotFinite]
"""


def findings(kind: str, cls: type[Any]) -> dict[str, Finding]:
    results = check_plugin(Plugin(kind, cls.name, cls, "zoo", "0"))
    assert [f.check for f in results] == list(KITS[kind].checks)
    return {f.check: f for f in results}


def with_status(results: dict[str, Finding], status: str) -> set[str]:
    return {name for name, finding in results.items() if finding.status == status}


@pytest.mark.parametrize(("kind", "cls"), CONTROLS, ids=lambda value: getattr(value, "__name__", value))
def test_a_good_plugin_passes(kind: str, cls: type[Any]) -> None:
    assert with_status(findings(kind, cls), "fail") == set()


@pytest.mark.parametrize(
    ("kind", "cls", "check", "also"), ZOO, ids=[f"{kind}-{cls.__name__}-{check}" for kind, cls, check, _ in ZOO]
)
def test_a_fault_is_caught_by_the_check_that_names_it(kind: str, cls: type[Any], check: str, also: set[str]) -> None:
    results = findings(kind, cls)
    assert with_status(results, "fail") == {check, *also}, results
    assert "expected" in results[check].sentence
    assert cls.__doc__
    assert check in cls.__doc__


def test_the_zoo_has_a_fault_for_every_check() -> None:
    caught = {(kind, check) for kind, _, check, _ in ZOO}
    assert caught == {(kind, check) for kind, kit in KITS.items() for check in kit.checks}
    assert {kind for kind, _ in CONTROLS} == set(KITS)


def test_a_solver_is_checked_at_few_calls_that_it_takes() -> None:
    @dataclasses.dataclass(frozen=True)
    class Long(GoodSolver):
        nfe: int = 1000
        least: int = 1

        def __post_init__(self) -> None:
            if self.nfe < self.least:
                raise ib.ConfigError("too few")

    shortest = {least: shortened(Long(least=least)).nfe for least in (1, 11, 60, 500)}
    assert shortest == {1: 10, 11: 20, 60: 100, 500: 1000}
    assert shortened(Long(nfe=4)).nfe == 4


def test_a_crash_of_a_check_names_the_exception() -> None:
    class Explodes:
        name = "explodes"

        def __init__(self) -> None:
            raise SystemExit("boom")

    results = findings("solver", Explodes)
    assert with_status(results, "fail") == set(KITS["solver"].checks)
    assert "expected no exception; got SystemExit: boom" in results["shape"].sentence


def test_a_precision_that_is_not_claimed_is_not_checked() -> None:
    for kind, name in (("task", "AtLeastSingle"), ("solver", "SingleOnly")):
        (cls,) = [cls for _, cls, check, _ in ZOO if (cls.__name__, check) == (name, "bfloat16")]
        honest = dataclasses.dataclass(frozen=True)(type(name, (cls,), {"precisions": ("float32",)}))
        finding = findings(kind, honest)["bfloat16"]
        assert (finding.status, finding.sentence) == ("n/a", "claims float32 alone")


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


@pytest.mark.long
def test_the_tests_can_be_run_from_anywhere_for_one_plugin(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--pyargs", "invbench.testing", "-q", "-p", "no:cacheprovider"]
    env = {**os.environ, "INVBENCH_CHECK": "psnr"}
    result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout
    assert "8 passed, 1 skipped" in result.stdout


class GreyWhite(ib.PriorSource):
    """White noise as a prior of grey images of 128 pixels, which no other shape fits."""

    name = "grey_white"

    def refuse(self, x_shape: ib.Shape) -> None:
        if x_shape[0] != 1:
            raise ib.ConfigError(f"one channel; got {x_shape}")

    def load(self, x_shape: ib.Shape, device: Any) -> ib.Prior:
        self.refuse(x_shape)
        return White(x_shape)

    def fingerprint(self) -> str:
        return "0" * 64


class White(ib.Prior):
    def __init__(self, x_shape: ib.Shape) -> None:
        self.x_shape, self.abar = x_shape, torch.from_numpy(ib.alpha_bar(ib.linear_betas()))

    def _predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, None]:
        abar = self.abar.to(x_t)[t]
        return (1 - abar.reshape(-1, 1, 1, 1)).sqrt() * x_t, None


def test_a_prior_of_grey_images_is_examined() -> None:
    assert with_status(findings("prior", GreyWhite), "pass") == set(KITS["prior"].checks)


def test_where_nothing_applies_the_check_has_failed(tmp_path: Path) -> None:
    ran = called(["check", "module"], tmp_path)
    assert ran.returncode == 1
    assert "prior module: nothing was checked" in ran.stdout
