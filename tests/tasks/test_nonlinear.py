"""Phase retrieval and high dynamic range: their gradients, shapes, and what the solvers make of them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from nonlinear import CATALOG, SHAPE, draw, each_shape, operator
from torch import Tensor

import invbench as ib
from invbench.cli import main
from invbench.solver import declared_mismatch

TASKS = ("hdr", "phase_retrieval")
each_task = pytest.mark.parametrize("task", TASKS)


@each_task
@each_shape
def test_gradients_are_those_of_finite_differences(task: str, x_shape: ib.Shape) -> None:
    """At a point away from the corners of the clip and from zero magnitudes, where neither has a derivative."""
    A, x = operator(task, x_shape), draw(x_shape)
    assert task != "hdr" or ((2 * x).abs() - 1).abs().min() > 1e-5
    assert task != "phase_retrieval" or A(x).min() > 1e-4
    direction = ib.Rng.for_images(["d0", "d1"]).randn(x_shape).double()
    weights = ib.Rng.for_images(["w0", "w1"]).randn(A.y_shape).double()
    leaf = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad((weights * A(leaf)).sum(), leaf)
    h = 1e-7
    numeric = (weights * (A(x + h * direction) - A(x - h * direction))).sum() / (2 * h)
    assert (grad * direction).sum().item() == pytest.approx(numeric.item(), rel=1e-5)


@each_task
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_at_zero_and_almost_there(task: str, dtype: torch.dtype) -> None:
    A = operator(task)
    for value in (0.0, 1e-30):
        x = torch.full((1, *SHAPE), value, dtype=dtype, requires_grad=True)
        y = A(x)
        (grad,) = torch.autograd.grad((y - 1).square().sum(), x)
        assert y.isfinite().all()
        assert grad.isfinite().all()


def test_a_gradient_at_zero_magnitude_is_zero() -> None:
    x = torch.zeros(1, *SHAPE, requires_grad=True)
    (grad,) = torch.autograd.grad(operator("phase_retrieval")(x).sum(), x)
    assert not grad.any()


@each_task
def test_rows_do_not_interact(task: str) -> None:
    A, x = operator(task), draw(SHAPE, 3)
    for f, z in ((A, x), (A.guess, A(x))):
        singles = torch.cat([f(z[i : i + 1]) for i in range(3)])
        torch.testing.assert_close(f(z), singles, rtol=0, atol=1e-12)


@each_task
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_type_of_the_image_is_kept(task: str, dtype: torch.dtype) -> None:
    A, x = operator(task), draw(SHAPE)
    y = A(x.to(dtype))
    assert (y.dtype, A.guess(y).dtype) == (dtype, dtype)
    torch.testing.assert_close(y.double(), A(x), rtol=0.01, atol=0.05)


@each_task
def test_another_shape_is_refused(task: str) -> None:
    with pytest.raises(ib.UnsupportedProblem, match=r"expected x of shape \(B, 3, 16, 16\); got \(1, 3, 16, 17\)"):
        operator(task)(torch.zeros(1, 3, 16, 17))


@pytest.mark.parametrize(
    ("task", "options", "x_shape", "message"),
    [
        ("hdr", {"gain": 0.0}, SHAPE, r"gain must be positive and finite; got 0\.0"),
        ("hdr", {"gain": -2.0}, SHAPE, r"got -2\.0"),
        ("hdr", {"gain": math.inf}, SHAPE, "got inf"),
        ("hdr", {"gain": math.nan}, SHAPE, "got nan"),
        ("phase_retrieval", {"oversample": 0.0}, SHAPE, r"must pad at least one pixel.*on 16x16; got 0\.0"),
        ("phase_retrieval", {"oversample": -2.0}, SHAPE, r"got -2\.0"),
        ("phase_retrieval", {"oversample": math.nan}, SHAPE, "got nan"),
        ("phase_retrieval", {"oversample": math.inf}, SHAPE, "got inf"),
        ("phase_retrieval", {"oversample": 0.4}, SHAPE, r"8 / 16 or more on 16x16; got 0\.4"),
        ("phase_retrieval", {}, (1, 1, 2), r"8 / 1 or more on 1x2; got 2\.0"),
        ("hdr", {"noise": "gaussian 0.05"}, SHAPE, "has no unit"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    task: str, options: dict[str, Any], x_shape: ib.Shape, message: str
) -> None:
    with pytest.raises(ib.ConfigError, match=message):
        operator(task, x_shape, **options)


# Solvers.


@each_task
def test_solvers_that_need_a_linear_operator_are_skipped_with_a_reason(task: str) -> None:
    problem = ib.Problem(operator(task), 0.05, task, "gmm")
    reasons = {name: declared_mismatch(plugin.cls(), problem) for name, plugin in CATALOG.plugins["solver"].items()}
    accepting = {name for name, reason in reasons.items() if reason is None}
    assert {"dps", "mcg", "red_diff", "daps", "ddim", "bicubic"} <= accepting
    assert accepting.isdisjoint({"ddrm", "ddnm", "ddnm_plus", "pigdm", "diffpir", "fps", "dmps"})
    assert accepting.isdisjoint({"pinv", "wiener", "oracle"})
    kind = type(problem.A).__name__
    assert reasons["ddrm"] == (
        f"needs an operator of type SVDOperator; task {task!r} gives {kind}, which is none. "
        "Choose another task or solver"
    )
    assert "needs an operator of type LinearOperator" in (reasons["wiener"] or "")


def psnr(x_hat: Tensor, x: Tensor) -> float:
    return float(10 * (4 / (x_hat.detach().clamp(-1, 1) - x).square().flatten(1).mean(1)).log10().mean())


def test_a_run_records_metrics_draws_a_figure_and_skips_politely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["solver=red_diff", "solver.nfe=5", f"task={','.join(TASKS)}", "benchmark=gmm", "n=2"]
    result = CliRunner().invoke(main, ["run", *words])
    assert result.exit_code == 0, result.output
    assert len(re.findall(r"^red_diff +2 ", result.output, re.M)) == 2
    assert result.output.count("Skipped pinv: needs an operator of type SVDOperator") == 2
    for task in TASKS:
        records = "".join(path.read_text() for path in tmp_path.rglob(f"{task}/*/records.jsonl"))
        assert {"psnr", "ssim", "consistency"} <= set(re.findall(r'"metric": ?"(\w+)"', records))
    figures = re.findall(r"^figure: (.*)$", result.output, re.M)
    assert len(figures) == 2
    assert all((tmp_path / figure).is_file() for figure in figures)
