"""Inference, and what a run with DAVI says and gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from command import called
from davi_parts import Davi, draw
from torch import Tensor

import invbench as ib
from invbench.priors.adm.sources import AdmPhotos


def solve(solver: ib.Solver, y: Tensor, A: ib.Operator, prior: ib.Prior, state: Any) -> Tensor:
    rng = ib.Rng.for_images([str(i) for i in range(len(y))], use="solve")
    with torch.inference_mode():
        return solver.solve(y, ib.Problem(A, None, "sr4", "photos", "photos"), prior, state, rng)


def test_an_untrained_network_is_the_prior_at_the_end_of_the_bridge() -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    y, A = draw(2, 3, 16, 16), ib.Identity((3, 16, 16))
    solver = Davi()
    x_hat = solve(solver, y, A, prior, solver.untrained(ib.Problem(A, None, "t", "d"), prior))
    z = ib.Rng.for_images(["0", "1"], use="solve").randn_like(y)
    y_1 = y + 0.1 * 0.999267 * z
    with torch.inference_mode():
        torch.testing.assert_close(x_hat, torch.tanh(y_1 - 1.481319 * prior.eps(y_1, 999)), rtol=1e-4, atol=1e-4)


def test_temperature_scales_the_perturbation_of_a_run() -> None:
    prior = AdmPhotos().load((3, 16, 16), "cpu")
    A, y = ib.Identity((3, 16, 16)), draw(2, 3, 16, 16)

    def restored(**options: float) -> Tensor:
        return solve(Davi(output="residual", **options), y, A, prior, prior.student())

    torch.testing.assert_close(restored(h=0.1, temperature=0.5), restored(h=0.05))
    torch.testing.assert_close(restored(temperature=0.0), restored(h=0.0))
    assert (restored(temperature=0.0) - restored()).abs().max() > 1e-3
    with pytest.raises(ib.ConfigError, match="temperature must not be negative; got -1"):
        Davi(temperature=-1.0)


def test_what_is_shipped_runs_at_once_and_is_better_than_the_measurement(tmp_path: Path) -> None:
    ran = called(["run", "solver=davi", "benchmark=gmm2d", "task=denoise", "n=64", "samples=16"], tmp_path)
    assert ran.returncode == 0, ran.stderr
    rows = {line.split("  ")[0]: line.split() for line in ran.stdout.splitlines() if " of 16" in line or "pinv" in line}
    assert float(rows["davi, mean of 16"][4 + 1]) > float(rows["pinv"][2])
    assert "davi: trained in" in ran.stdout


def test_a_run_without_weights_stops_at_once_and_names_the_training(tmp_path: Path) -> None:
    ran = called(["run", "solver=davi", "benchmark=gmm2d", "task=inpaint_random", "n=2"], tmp_path)
    assert ran.returncode == 1
    assert "train them with 'invbench train solver=davi benchmark=gmm2d task=inpaint_random'" in ran.stderr
    assert "pinv" not in ran.stdout + ran.stderr


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"half a file")
    words = ["run", "solver=davi", "benchmark=gmm2d", "task=denoise", "n=2", "solver.weights=w.safetensors"]
    ran = called(words, tmp_path)
    assert ran.returncode == 1
    assert "w.safetensors cannot be read" in ran.stderr
    assert "Traceback" not in ran.stderr
