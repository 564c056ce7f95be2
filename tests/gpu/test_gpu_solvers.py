"""Every solver on the headline tasks, on the device against the CPU; and what is not the network."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from extras import skip_without_its_library
from measuring import DEVICE, ROWS, SIDE, network
from torch import Tensor

from invbench.harness.bank import MeasurementBank
from invbench.harness.compiling import compiled
from invbench.harness.nodes import typed_settings
from invbench.meter import Meter, synchronize
from invbench.metrics.distortion import psnr
from invbench.plugins import load_catalog
from invbench.priors.adm.prior import AdmPrior
from invbench.problem import Problem
from invbench.rng import Rng
from invbench.settings import settings
from invbench.solver import Solver, declared_mismatch

CATALOG = load_catalog()
BENCHMARK = CATALOG.benchmark("photos")
TASKS = ("sr4", "deblur", "inpaint", "denoise", "colorize")
CALLS = 20  # of solvers whose number can be chosen: on a CPU, all of theirs would take hours
CPU = torch.device("cpu")


def solver_of(name: str, task: str, calls: int = CALLS) -> Solver:
    """A solver with its settings for the task, and fewer calls."""
    cls = CATALOG.get("solver", name)
    chosen = settings(cls, BENCHMARK.name, task)
    values = typed_settings(cls, chosen.values, chosen.origin)
    if "nfe" in {field.name for field in dataclasses.fields(cls)}:
        values["nfe"] = calls
    solver: Solver = cls(**values)
    return solver


@cache
def bank_of(task: str) -> MeasurementBank:
    made = CATALOG.get("task", task)(**BENCHMARK.tasks.get(task, {}))
    return MeasurementBank.open(BENCHMARK, CATALOG.get("dataset", "photos")(), made, 0)


@cache
def prior_on(device: torch.device) -> Any:
    return CATALOG.get("prior", BENCHMARK.prior)().load((3, 64, 64), device)


def restored(solver: Solver, task: str, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """Reconstructions of two images and their truth; None where the solver does not apply."""
    bank, prior = bank_of(task), prior_on(device)
    problem = bank.problem(device)
    if declared_mismatch(solver, problem) or solver.skip(problem, prior):
        return None
    measured = bank.measure(bank.ids()[:2])
    with torch.inference_mode(not solver.needs_grad):
        state = solver.prepare(problem, prior)
        rng = bank.rng(measured.images, solver.name, 0)
        x_hat = solver.solve(measured.y.to(device), problem, prior, state, rng)
    return x_hat.detach().cpu(), measured.x


@pytest.mark.parametrize("name", sorted(CATALOG.plugins["solver"]))
def test_a_solver_gives_what_it_gives_on_the_cpu(name: str, figure: Callable[..., None]) -> None:
    skip_without_its_library(name)
    worst = 0.0
    for task in TASKS:
        solver = solver_of(name, task)
        ours, cpu = restored(solver, task, DEVICE), restored(solver, task, CPU)
        if ours is None or cpu is None:
            continue
        apart = psnr(ours[0].clamp(-1, 1), ours[1], 2.0) - psnr(cpu[0].clamp(-1, 1), cpu[1], 2.0)
        worst = max(worst, float(apart.nan_to_num().abs().max()))
    figure(f"{name}, PSNR against the CPU, largest difference in dB", worst, "{:.4f}", at_most=0.02)


@cache
def fast_prior(needs_grad: bool) -> AdmPrior:
    prior = AdmPrior(network(torch.bfloat16), (3, SIDE, SIDE), torch.bfloat16)
    fast = compiled(prior, ROWS, needs_grad)
    assert isinstance(fast, AdmPrior)
    return fast


@pytest.mark.parametrize("name", ["ddrm", "ddnm_plus", "diffpir", "pigdm", "dps"])
def test_little_time_goes_beside_the_network(name: str, figure: Callable[..., None]) -> None:
    solver, prior = solver_of(name, "sr4", 10), fast_prior(CATALOG.get("solver", name).needs_grad)
    task, images = CATALOG.get("task", "sr4")(), [str(i) for i in range(ROWS)]
    A = task.operator((3, SIDE, SIDE), Rng.single(purpose="operator")).to(DEVICE)
    problem = Problem(A, task.noise_model.sigma_y, task.name, "made")
    y = A(Rng.for_images(images, purpose="x").randn((3, SIDE, SIDE)).to(DEVICE))
    shares = []
    for _ in range(3):  # the first warms up
        meter = Meter()
        with torch.inference_mode(not solver.needs_grad):
            state = solver.prepare(problem, prior)
            rng = Rng.for_images(images, purpose="solver")
            synchronize(DEVICE)
            begin = time.perf_counter()
            solver.solve(y, problem, prior.metered(meter), state, rng)
            synchronize(DEVICE)
            seconds = time.perf_counter() - begin
        shares.append(1 - (meter.network.seconds + meter.pullback.seconds) / seconds)
    figure(f"{name}, batch {ROWS}, half precision: share beside the network", shares[-1], "{:.1%}", at_most=0.05)
