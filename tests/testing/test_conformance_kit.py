"""The conformance kit catches what it must, by name, and lets good plugins pass."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from zoo import CONTROLS, ZOO

import invbench as ib
from invbench.plugins import Plugin
from invbench.testing import Finding, check_plugin
from invbench.testing.plugins import KITS


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
