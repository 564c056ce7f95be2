"""A solver never waits for the device: no number is taken from a tensor, and none is sent to it, in any step."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest
import torch
from solving import CATALOG
from torch.utils._python_dispatch import TorchDispatchMode

import invbench as ib
from invbench.priors.mlp import MlpPrior

SHAPE = (3, 64, 64)
PHOTOS = CATALOG.benchmark("photos")
THEIRS = {"deepinv_ddrm", "deepinv_diffpir", "deepinv_dps"}  # another library's, which does wait
SOLVERS = sorted(set(CATALOG.plugins["solver"]) - {"oracle"} - THEIRS)  # oracle solves on the CPU
WAITS = {  # calls for which a GPU is waited for, or to which it is sent something
    "_local_scalar_dense": "a number taken from a tensor, as by float(), .item() or if",
    "item": "the same",
    "is_nonzero": "the same",
    "equal": "the same",
    "nonzero": "where truth values are",
    "masked_select": "the same",
    "lift_fresh": "a tensor made from numbers of Python",
}


class Waits(TorchDispatchMode):
    """Counts calls for which a GPU would be waited for, and copies between devices."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        if name in WAITS:
            self.seen[name] += 1
        if name.startswith("index") and any(i is not None and i.dtype == torch.bool for i in args[1]):
            self.seen["index by truth values"] += 1
        out = func(*args, **(kwargs or {}))
        devices = {z.device for z in (*args, out) if isinstance(z, torch.Tensor)}
        if len(devices) > 1:
            self.seen[f"{name} between devices"] += 1
        return out


def waits(name: str, task: str, steps: int) -> Counter[str]:
    """Of one solve of two images."""
    cls = CATALOG.plugins["solver"][name].cls
    options = {f.name: steps for f in dataclasses.fields(cls) if f.name in ("nfe", "steps", "langevin_steps")}
    solver = cls(**options)
    A = CATALOG.get("task", task)(**PHOTOS.tasks.get(task, {})).operator(SHAPE, ib.Rng.single(purpose="operator"))
    abar = torch.from_numpy(ib.alpha_bar(ib.linear_betas()))
    prior = MlpPrior(SHAPE, abar[: 2 * steps] if name == "fps" else abar)  # fps takes every step of the prior
    problem = ib.Problem(A, 0.1, task, "dataset")
    if reason := solver.skip(problem, prior):
        pytest.skip(reason)
    state = prior if isinstance(solver, ib.Trainable) else solver.prepare(problem, prior)
    y, rng = A(torch.zeros(2, *SHAPE)), ib.Rng.for_images(["a", "b"], purpose="solver")
    with torch.inference_mode(not solver.needs_grad), Waits() as seen:
        solver.solve(y, problem, prior, state, rng)
    return seen.seen


@pytest.mark.parametrize("task", PHOTOS.main_tasks)
@pytest.mark.parametrize("name", SOLVERS)
def test_no_step_waits_for_the_device(name: str, task: str) -> None:
    """Nor does a solve, once tables are made."""
    short = 20 if name == "dmps" else 3  # which takes no fewer
    waits(name, task, short)  # tables that are made once
    few, more = waits(name, task, short), waits(name, task, 2 * short)
    assert more == few, "a step adds nothing"
    assert not few


@pytest.mark.parametrize("inference", [True, False])
@pytest.mark.parametrize(
    "wait",
    [
        lambda x: float(x[0]),
        lambda x: x[0].item(),
        lambda x: 1 if x.any() else 0,
        lambda x: x[x > 0],
        lambda x: x + torch.tensor([1.0]),
        lambda x: x.to("meta"),
    ],
    ids=["float", "item", "if", "mask", "tensor", "copy"],
)
def test_a_wait_is_seen(wait: Any, inference: bool) -> None:
    with torch.inference_mode(inference), Waits() as seen:
        wait(torch.ones(3))
    assert sum(seen.seen.values()) == 1, seen.seen


def test_what_needs_no_wait_is_none() -> None:
    with Waits() as seen:
        x = torch.ones(3)
        x[torch.arange(2)] + x.new_full((), 2.0).where(x[:2] > 0, 0.5)
    assert not seen.seen
