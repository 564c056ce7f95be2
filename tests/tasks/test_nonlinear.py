"""Phase retrieval and high dynamic range: independent formulas, gradients, invariances, and what the solvers make of
them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

import invbench as ib
from invbench.cli import main
from invbench.harness.solving import declared_mismatch
from invbench.plugins import load_catalog
from invbench.priors.gmm import Covariance, GaussianMixture

CATALOG = load_catalog()
TASKS = ("hdr", "phase_retrieval")
SHAPE: ib.Shape = (3, 16, 16)
SHAPES: tuple[ib.Shape, ...] = (SHAPE, (3, 8, 20), (1, 9, 13))
each_task = pytest.mark.parametrize("task", TASKS)
each_shape = pytest.mark.parametrize("x_shape", SHAPES, ids=str)


def operator(task: str, x_shape: ib.Shape = SHAPE, **options: Any) -> ib.Operator:
    return CATALOG.get("task", task)(**options).operator(x_shape, ib.Rng.single(task=task))


def draw(shape: ib.Shape, batch: int = 2) -> Tensor:
    """Images in (-1, 1)."""
    return ib.Rng.for_images([f"x{i}" for i in range(batch)], seed=0).rand(shape).double() * 2 - 1


def padded(x: np.ndarray) -> np.ndarray:
    """A quarter of each side in zeros, before and after it."""
    rows, cols = x.shape[2] // 4, x.shape[3] // 4
    return np.pad(x, ((0, 0), (0, 0), (rows, rows), (cols, cols)))


def magnitudes(x: np.ndarray) -> np.ndarray:
    """The centred orthonormal FFT, its magnitude."""
    axes = (2, 3)
    spectrum = np.fft.fft2(np.fft.ifftshift(padded(x), axes), axes=axes, norm="ortho")
    return np.abs(np.fft.fftshift(spectrum, axes))


# Phase retrieval: the formulas.


@each_shape
def test_phase_retrieval_is_numpys_centred_fourier_magnitude(x_shape: ib.Shape) -> None:
    A, x = operator("phase_retrieval", x_shape), draw(x_shape)
    expected = magnitudes(x.numpy())
    assert A.y_shape == expected.shape[1:]
    np.testing.assert_allclose(A(x), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(A(x.float()), expected, rtol=0, atol=1e-5)


def test_phase_retrieval_is_the_sum_over_pixels() -> None:
    """The definition, with no FFT: frequency (u, v) stands at (u + h // 2, v + w // 2)."""
    A, x = operator("phase_retrieval", (1, 4, 8)), draw((1, 4, 8), 1)
    h, w = 6, 12
    assert A.y_shape == (1, h, w)
    for u, v in [(0, 0), (1, -2), (-3, 5)]:
        total = sum(
            float(x[0, 0, i, j]) * np.exp(-2j * math.pi * (u * i / h + v * j / w)) for i in range(4) for j in range(8)
        )
        assert A(x)[0, 0, u + h // 2, v + w // 2].item() == pytest.approx(abs(total) / math.sqrt(h * w), abs=1e-12)


def test_phase_retrieval_of_the_paper_measures_384_by_384() -> None:
    options = CATALOG.benchmark("ffhq256").tasks["phase_retrieval"]
    assert operator("phase_retrieval", (3, 256, 256), **options).y_shape == (3, 384, 384)


@pytest.mark.parametrize(("oversample", "side"), [(0.5, 18), (1.9, 22), (4.0, 32), (8.0, 48)])
def test_each_side_is_padded_by_an_eighth_of_oversample(oversample: float, side: int) -> None:
    assert operator("phase_retrieval", oversample=oversample).y_shape == (3, side, side)


@each_shape
def test_the_initial_estimate_is_the_cropped_magnitude_of_the_inverse_transform(x_shape: ib.Shape) -> None:
    """White is the limit: the centre of that image is the sum of y over the square root of its size, far above 1."""
    A = operator("phase_retrieval", x_shape)
    y = A(draw(x_shape)) + 0.05 * ib.Rng.for_images(["n0", "n1"]).randn(A.y_shape).double()
    axes = (2, 3)
    full = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(y.numpy(), axes), axes=axes, norm="ortho"), axes)
    rows, cols = x_shape[1] // 4, x_shape[2] // 4
    image = np.abs(full)[:, :, rows : rows + x_shape[1], cols : cols + x_shape[2]]
    assert image.max() > 1
    np.testing.assert_allclose(A.guess(y), image.clip(max=1), rtol=0, atol=1e-12)


def test_magnitudes_keep_the_energy() -> None:
    x = draw((3, 8, 20))
    y = operator("phase_retrieval", (3, 8, 20))(x)
    torch.testing.assert_close(y.square().sum((1, 2, 3)), x.square().sum((1, 2, 3)))


@each_shape
def test_phases_hide_sign_half_turn_and_shift(x_shape: ib.Shape) -> None:
    A, x = operator("phase_retrieval", x_shape), draw(x_shape)
    x[:, :, -2:] = 0
    x[:, :, :, -3:] = 0  # room to shift into
    for twin in (-x, x.flip(2, 3), x.roll((2, 3), (2, 3))):
        assert not torch.equal(twin, x)
        torch.testing.assert_close(A(twin), A(x), rtol=0, atol=1e-12)
    assert (A(x.flip(2)) - A(x)).abs().max() > 0.1, "a flip of one axis is another image"


# High dynamic range: the formulas.


@each_shape
@pytest.mark.parametrize("gain", [2.0, 4.0, 0.5])
def test_hdr_is_a_gain_and_a_cut(x_shape: ib.Shape, gain: float) -> None:
    A, x = operator("hdr", x_shape, gain=gain), draw(x_shape)
    assert A.y_shape == x_shape
    assert np.array_equal(A(x), np.clip(gain * x.numpy(), -1, 1))
    assert torch.equal(A.guess(A(x)), A(x) / gain)


def test_hdr_doubles_by_default() -> None:
    x = torch.tensor([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0]).reshape(1, 1, 1, 7)
    y = operator("hdr", (1, 1, 7))(x)
    assert y.flatten().tolist() == [-1, -1, -0.5, 0, 0.5, 1, 1]


def test_hdr_is_monotone_saturates_and_is_inverted_where_it_does_not() -> None:
    ramp = torch.linspace(-1, 1, 201, dtype=torch.float64).reshape(1, 1, 1, 201)
    A = operator("hdr", (1, 1, 201))
    y = A(ramp)
    assert (y.diff() >= 0).all()
    assert torch.equal(y[ramp.abs() >= 0.5], ramp[ramp.abs() >= 0.5].sign())
    inside = ramp.abs() < 0.5
    torch.testing.assert_close(A.guess(y)[inside], ramp[inside], rtol=0, atol=1e-15)


def test_a_cut_value_has_no_gradient_and_the_others_the_gain() -> None:
    x = torch.tensor([-0.9, -0.2, 0.0, 0.4, 0.51]).reshape(1, 1, 1, 5).requires_grad_()
    (grad,) = torch.autograd.grad(operator("hdr", (1, 1, 5))(x).sum(), x)
    assert grad.flatten().tolist() == [0, 2, 2, 2, 0]


# Both.


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


def smooth_images() -> GaussianMixture:
    """8 x 8 images, bright or dark, whose neighbours are nearly equal."""
    i = torch.arange(8, dtype=torch.float64)
    near = torch.exp(-((i[:, None] - i) ** 2) / (2 * 3.0**2))
    covariance = Covariance.full(0.25**2 * torch.kron(near, near))
    means = torch.tensor([[0.4], [-0.4]], dtype=torch.float64).expand(2, 64)
    return GaussianMixture(torch.tensor([0.5, 0.5], dtype=torch.float64), means, (covariance, covariance))


@pytest.mark.parametrize(
    ("solver", "options", "gain"), [("dps", {"zeta": 0.1}, 3.0), ("red_diff", {"nfe": 300, "lam": 1.0}, 1.0)]
)
def test_hdr_is_restored_better_than_its_initial_estimate(solver: str, options: dict[str, Any], gain: float) -> None:
    """A third of the values are cut off; their neighbours and the prior tell how bright they were."""
    mixture, A, ids = smooth_images(), operator("hdr", (1, 8, 8)), [str(i) for i in range(16)]
    x = mixture.sample(ib.Rng.for_images(ids, use="truth")).float().reshape(-1, 1, 8, 8)
    y = A(x) + 0.05 * ib.Rng.for_images(ids, use="noise").randn_like(x)
    assert 0.2 < float((A(x).abs() == 1).float().mean()) < 0.5
    problem, rng = ib.Problem(A, 0.05, "hdr", "gmm"), ib.Rng.for_images(ids, use="solver")
    x_hat = CATALOG.get("solver", solver)(**options).solve(y, problem, ib.GmmPrior(mixture, (1, 8, 8)), None, rng)
    assert psnr(x_hat, x) > psnr(A.guess(y), x) + gain


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
