"""The solver of docs/ilvr.md passes every check, is its algorithm, and runs beside ours."""

from __future__ import annotations

import importlib.util
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from command import called
from pages import install
from torch import Tensor

import invbench as ib


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install("ilvr.md", tmp_path_factory.mktemp("ilvr"))


@pytest.fixture(scope="module")
def ilvr(home: Path) -> Any:
    spec = importlib.util.spec_from_file_location("mine_ilvr", home / "mine_ilvr.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ILVR


def invbench(home: Path, *words: str) -> str:
    result = called(words, home, site=home)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_it_passes_the_checks_of_its_kind(home: Path) -> None:
    text = invbench(home, "check", "ilvr")
    assert " 0 fail" in text
    assert re.search(r"consistency +pass", text)


def test_it_is_the_algorithm_with_means_of_blocks_as_its_filter(ilvr: Any) -> None:
    """Written again from the box, with phi as averages that are spread over their block."""
    shape, prior = (3, 16, 16), ib.GmmPrior(ib.patch_mixture(), (3, 16, 16))
    A = ib.BlockMean(shape, 4)
    y = A(ib.patch_mixture().sample(ib.Rng.for_images(["truth"])).reshape(1, *shape))
    problem = ib.Problem(A, 0.05, "sr4", "gmm")
    x_hat = ilvr(nfe=10).solve(y, problem, prior, None, ib.Rng.for_images(["a"]))

    def spread(z: Tensor) -> Tensor:
        return z.repeat_interleave(4, 2).repeat_interleave(4, 3)

    def phi(x: Tensor) -> Tensor:
        return spread(x.unflatten(3, (4, 4)).unflatten(2, (4, 4)).mean((3, 5)))

    rng, reference = ib.Rng.for_images(["a"]), spread(y)
    x = rng.randn_like(reference)
    for t, s in pairwise([*range(999, -1, -111), -1]):
        a_t, a_s = (1.0 if k == -1 else float(prior.abar[k]) for k in (t, s))
        x0 = ((x - math.sqrt(1 - a_t) * prior.eps(x, t)) / math.sqrt(a_t)).clamp(-1, 1)
        beta = 1 - a_t / a_s
        mean = math.sqrt(a_s) * beta / (1 - a_t) * x0 + math.sqrt(1 - beta) * (1 - a_s) / (1 - a_t) * x
        fresh, other = rng.randn_like(x), rng.randn_like(x)
        proposal = mean + math.sqrt(beta * (1 - a_s) / (1 - a_t)) * fresh
        diffused = math.sqrt(a_s) * reference + math.sqrt(1 - a_s) * other
        x = proposal - phi(proposal) + phi(diffused)
    torch.testing.assert_close(x_hat, x, rtol=0, atol=1e-6)
    torch.testing.assert_close(phi(x_hat), reference, rtol=0, atol=1e-6)


def test_it_runs_beside_ours(home: Path) -> None:
    text = invbench(home, "run", "solver=ilvr,ddnm", "benchmark=gmm", "task=sr4", "n=2")
    assert re.search(r"^ilvr +2 ", text, re.M)
    assert re.search(r"^ddnm +2 ", text, re.M)


def test_options_that_make_no_sense_are_refused(ilvr: Any) -> None:
    with pytest.raises(ib.ConfigError, match="needs nfe of at least 2 and until of at least 0; got 1 and 0"):
        ilvr(nfe=1)
