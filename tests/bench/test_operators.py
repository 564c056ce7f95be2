"""Every task's operator at 256x256, batch 4; and, as ratios, its factors against a matrix and against iterations."""

from __future__ import annotations

import pytest
import torch
from timing import seconds

from invbench import LinearOperator, Operator, Rng, SVDOperator
from invbench.plugins import load_catalog

BATCH = 4
DENSE_SIDE = 48  # at 256, a matrix would take up to 155 GB
CATALOG = load_catalog()
TASKS = sorted(name for name, p in CATALOG.plugins["task"].items() if p.distribution == "invbench")


def operator(task: str, side: int) -> Operator:
    """The operator of a task as the paper's tier has it."""
    fields = CATALOG.benchmark("ffhq256").tasks.get(task, {})
    return CATALOG.get("task", task)(**fields).operator((3, side, side), Rng.single(purpose="bench"))


def linear(task: str) -> LinearOperator:
    A = operator(task, 256)
    if not isinstance(A, LinearOperator):
        pytest.skip("not linear")
    return A


def images(A: Operator) -> torch.Tensor:
    return Rng.single(purpose="bench").rand((BATCH, *A.x_shape))[0]


@pytest.mark.parametrize("task", TASKS)
def test_forward(task: str, benchmark) -> None:
    A = operator(task, 256)
    benchmark.pedantic(A, args=(images(A),), rounds=10, warmup_rounds=2)


@pytest.mark.parametrize("task", TASKS)
def test_adjoint(task: str, benchmark) -> None:
    A = linear(task)
    benchmark.pedantic(A.T, args=(A(images(A)),), rounds=10, warmup_rounds=2)


@pytest.mark.parametrize("task", TASKS)
def test_pinv(task: str, benchmark) -> None:
    A = linear(task)
    if not isinstance(A, SVDOperator):
        pytest.skip("no closed form")
    benchmark.pedantic(A.pinv, args=(A(images(A)),), rounds=10, warmup_rounds=2)


@pytest.mark.parametrize("task", ["sr4", "deblur", "deblur_uniform", "colorize", "cs4"])
def test_an_operator_is_faster_than_its_matrix(task: str) -> None:
    side = 64 if task == "cs4" else DENSE_SIDE
    A = operator(task, side)
    x, n = images(A), 3 * side**2
    matrix = torch.cat([A(part.reshape(-1, *A.x_shape)).flatten(1) for part in torch.eye(n).split(512)])
    assert (x.flatten(1) @ matrix - A(x).flatten(1)).abs().max() < 1e-3
    dense, fast = seconds(lambda: x.flatten(1) @ matrix, lambda: A(x))
    print(f"\n{task} at {side}x{side}: {1e3 * fast:.2f} ms, as a matrix {1e3 * dense:.2f} ms, ratio {dense / fast:.1f}")
    assert dense / fast >= 1.5


@pytest.mark.parametrize("task", ["sr4", "inpaint"])
def test_a_closed_form_is_faster_than_conjugate_gradients(task: str) -> None:
    A = linear(task)
    y = A(images(A))
    iterated, closed = seconds(lambda: LinearOperator.ridge(A, y, 1e-2), lambda: A.ridge(y, 1e-2))
    print(f"\n{task}: {1e3 * closed:.1f} ms, iterated {1e3 * iterated:.1f} ms, ratio {iterated / closed:.1f}")
    assert iterated / closed >= 1.5
