"""Every solver on every task, and the commands, on a device that is not the CPU's: the numbers are those of the CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from command import Result
from extras import skip_without_its_library
from PIL import Image

from invbench.errors import ConfigError
from invbench.harness.nodes import make
from invbench.noise import parse_noise
from invbench.plugins import load_catalog
from invbench.prior import Prior
from invbench.problem import Problem
from invbench.rng import Rng
from invbench.solver import Solver, Trainable, declared_mismatch
from invbench.store.reader import load_cells
from invbench.task import Task
from invbench.testing.elsewhere import elsewhere

CATALOG = load_catalog()
PRESET, SHAPE = CATALOG.benchmark("gmm"), (3, 16, 16)
NOISES = ("uniform 0.01..0.1 [-1,1]", "poisson 1.0")
IMAGES = ["a", "b"]
SAME = 1e-3  # the network takes other kernels where it is not on the CPU
SLOW = {"fps"}  # a thousand steps, whatever it is told; its conformance test makes them


def quick(name: str) -> Solver:
    """A solver of two network calls, where it has a choice; DMPS takes twenty at least."""
    solver = CATALOG.get("solver", name)()
    for field in ("nfe", "steps"):
        if isinstance(getattr(solver, field, None), int):
            return dataclasses.replace(solver, **{field: 20 if name == "dmps" else 2})
    return solver


@cache
def prior_on(device: torch.device) -> Prior:
    return CATALOG.get("prior", "adm_photos")().load(SHAPE, device)


def tasks(names: list[str]) -> Iterator[Task]:
    """Every task with its own noise, one of them with the others too."""
    for name in names:
        for noise in (None, *(NOISES if name == "sr4" else ())):
            options = {**PRESET.tasks[name], **({"noise": noise} if noise else {})}
            yield make(CATALOG.get("task", name), options, "task")


def solved(solver: Solver, task: Task, device: torch.device) -> torch.Tensor | None:
    """Images of a task on a device, as the runner makes them; None where the solver does not apply."""
    A, prior = task.operator(SHAPE, Rng.single(purpose="operator")), prior_on(device)
    try:
        task.noise_model.refuse(A, task.name)
    except ConfigError:
        return None
    x = 2 * Rng.for_images(IMAGES, purpose="x").rand(SHAPE) - 1
    y = task.noise_model.sample(A(x), Rng.for_images(IMAGES, purpose="noise"))[0].to(device)
    problem = Problem(A.to(device), parse_noise(task.noise).sigma_y, task.name, "gmm")
    if declared_mismatch(solver, problem) or solver.skip(problem, prior):
        return None
    state = (solver.untrained if isinstance(solver, Trainable) else solver.prepare)(problem, prior)
    with torch.inference_mode(not solver.needs_grad):
        return solver.solve(y, problem, prior, state, Rng.for_images(IMAGES, purpose="solver")).detach()


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(CATALOG.plugins["solver"].keys() - SLOW))
def test_a_solver_gives_the_same_images_of_every_task_and_noise(name: str) -> None:
    skip_without_its_library(name)
    solver, count = quick(name), 0
    for task in tasks(list(PRESET.tasks)):
        with elsewhere() as device:
            prior_on.cache_clear()
            there = solved(solver, task, device)
        if there is None:
            continue
        count += 1
        assert there.device == device
        assert there.isfinite().all()
        if not solver.needs_grad:  # guidance of two steps amplifies the last bits; the conformance test compares it
            here = solved(solver, task, torch.device("cpu"))
            assert (there.cpu() - here).abs().max() <= SAME * here.abs().max().clamp(min=1), (task.name, task.noise)
    assert count or name == "oracle"  # which needs a mixture as prior


@pytest.fixture
def there(invbench: Callable[..., Result]) -> Callable[..., Result]:
    """A command on the other device that must succeed."""

    def command(*words: str) -> Result:
        with elsewhere() as device:
            result = invbench(*(word.format(device=device) for word in words))
        assert result.returncode == 0, result.stderr
        return result

    return command


RUN = ("device={device}", "n=2", "isolate=false", "references=false")


@pytest.mark.long
def test_run_verify_rescore_and_bench_take_the_device(there: Callable[..., Result], tmp_path: Path) -> None:
    out = f"out={tmp_path / 'runs'}"
    there("run", "solver=davi", "task=sr4", *RUN, out)
    (cell,) = load_cells(tmp_path / "runs")
    assert cell.run.status == "complete"
    there("verify", cell.id, "--images", "1", "--device", "{device}", "--out", str(tmp_path / "runs"))
    there("rescore", "--out", str(tmp_path / "runs"))
    there("bench", "solver=ddrm", "solver.nfe=2", "task=sr4", "device={device}", "batch_size=1", "--repeats", "1", out)


@pytest.mark.long
def test_tune_takes_the_device(there: Callable[..., Result], tmp_path: Path) -> None:
    sweep = ("solver.nfe=2", "solver.eta=0.5,1.0")
    result = there("tune", "solver=ddrm", "task=sr4", *sweep, *RUN, f"out={tmp_path / 'tune'}")
    assert "for the solver's TOML file" in result.stdout


def test_samples_of_the_exact_tier_take_the_device(there: Callable[..., Result], tmp_path: Path) -> None:
    words = ("solver=oracle", "task=denoise", "benchmark=gmm", "samples=2")
    there("run", *words, *RUN, f"out={tmp_path / 'runs'}")
    (cell,) = load_cells(tmp_path / "runs")
    assert {"swd_range", "modes", "crps"} <= {row.metric for row in cell.rows}


def test_sample_takes_the_device(there: Callable[..., Result], tmp_path: Path) -> None:
    words = ("prior=adm_photos", "n=2", "side=16", "nfe=2", "device={device}")
    there("sample", *words, f"out={tmp_path / 'samples'}")
    assert len(list((tmp_path / "samples").rglob("*.png"))) == 2


@pytest.mark.long
@pytest.mark.parametrize(
    "words",
    [
        ("prior=adm_photos", "training.crop=16"),
        ("solver=davi", "task=sr4", "training.warmup=0"),
        ("solver=davi", "task=inpaint", "training.warmup=0", "training.adversarial=true", "training.bound=true"),
        ("solver=davi", "task=sr4", "benchmark=gmm"),
    ],
    ids=" ".join,
)
def test_a_training_runs_and_resumes_there(
    there: Callable[..., Result], tmp_path: Path, words: tuple[str, ...]
) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for i in range(2):
        Image.effect_noise((64, 64), 60 + i).convert("RGB").save(photographs / f"{i}.png")
    own = () if "benchmark=gmm" in words else ("dataset=folder", f"dataset.root={photographs}")
    words = (*words, *own, "training.batch_size=2", "device={device}", f"out={tmp_path / 'train'}")
    there("train", *words, "training.steps=2", "save_every=1")
    (weights,) = (tmp_path / "train").rglob("weights.safetensors")
    before = weights.read_bytes()
    there("train", *words, "training.steps=2", "save_every=1")
    assert weights.read_bytes() == before
