"""Complex measurements: noise on both parts, the real inner product throughout, solvers that run or refuse by name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from complex_operators import Fourier, HalfFourier, Pairs
from torch import Tensor

import invbench as ib
from invbench import LinearOperator, Measurement, Rng, parse_noise
from invbench.harness.cell import Cell, Options
from invbench.harness.runner import run_cell
from invbench.meter import Meter
from invbench.metrics.consistency import Consistency
from invbench.operator import real_parts
from invbench.plugins import load_catalog
from invbench.priors.exact import ExactPosterior
from invbench.solver import declared_mismatch
from invbench.store.reader import load_cells
from invbench.testing import check_operator

SHAPE = (3, 16, 16)
CATALOG = load_catalog()
SIGMA = 0.1
OPERATORS: dict[str, Callable[[], LinearOperator]] = {
    "fourier": lambda: Fourier(SHAPE),
    "half": lambda: HalfFourier(SHAPE),
    "pairs": lambda: Pairs(SHAPE),
}
each_operator = pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS.keys())


def images(batch: int = 4, use: str = "x") -> Tensor:
    return ib.patch_mixture().sample(Rng.for_images([f"{use}{i}" for i in range(batch)])).float().reshape(-1, *SHAPE)


def measured(A: LinearOperator, x: Tensor, noise: str = "gaussian 0.1 [-1,1]") -> tuple[Tensor, Tensor]:
    return parse_noise(noise).sample(A(x), Rng.for_images([str(i) for i in range(len(x))], use="noise"))


def dense(A: LinearOperator) -> Tensor:
    """The matrix of real and imaginary parts, (2 m, n) float64."""
    n = math.prod(A.x_shape)
    return real_parts(A(torch.eye(n, dtype=torch.float64).reshape(n, *A.x_shape))).flatten(1).T


@pytest.mark.parametrize("noise", ["gaussian 0.1 [-1,1]", "gaussian 0.05 [0,1]", "uniform 0.1..0.1 [-1,1]"])
def test_both_parts_get_noise_of_the_stated_level(noise: str) -> None:
    A, x = Fourier(SHAPE), images(16)
    y, std = measured(A, x, noise)
    result = (y - A(x)).to(torch.complex128)
    n = result.numel()
    assert (y.dtype, std.dtype) == (torch.complex64, torch.float32)
    assert std.flatten().tolist() == pytest.approx([0.1] * 16)
    for part in (result.real, result.imag):
        assert part.std().item() == pytest.approx(0.1, rel=4 / math.sqrt(2 * n))
    assert abs((result.real * result.imag).mean().item()) < 4 * 0.01 / math.sqrt(n), "the parts are independent"


def test_the_level_of_uniform_noise_is_drawn_for_each_image() -> None:
    y, std = measured(Fourier(SHAPE), torch.zeros(32, *SHAPE), "uniform 0.02..0.2 [-1,1]")
    assert not std.is_complex()
    result = real_parts(y).flatten(1).std(1)
    torch.testing.assert_close(result, std.flatten(), rtol=0.08, atol=0)  # 4.5 standard errors of 1536 draws


def test_draws_do_not_depend_on_the_batch() -> None:
    whole = Rng.for_images(["a", "b"]).randn_like(torch.zeros(2, 3, dtype=torch.complex64))
    alone = Rng.for_images(["b"]).randn_like(torch.zeros(1, 3, dtype=torch.complex64))
    assert torch.equal(whole[1:], alone)
    assert Rng.for_images(["a"]).randn_like(torch.zeros(1, 3, dtype=torch.complex128)).dtype == torch.complex128


def test_poisson_noise_is_refused() -> None:
    A = Fourier(SHAPE)
    with pytest.raises(ib.ConfigError, match="got complex measurements; choose Gaussian noise"):
        measured(A, images(), "poisson 1.0")
    with pytest.raises(ib.ConfigError, match=r"task mri: Poisson noise .* Fourier are not: they are complex"):
        parse_noise("poisson 1.0").refuse(A, "mri")


@each_operator
@pytest.mark.parametrize("noise", ["gaussian 0.1 [-1,1]", "uniform 0.02..0.2 [-1,1]"])
def test_the_truth_has_a_consistency_of_one(make: Callable[[], LinearOperator], noise: str) -> None:
    A, x = make(), images(8)
    y, std = measured(A, x, noise)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a cast to real numbers would warn
        result = Consistency()(x, Measurement(tuple("abcdefgh"), x, y, std, ("",) * 8, A))
    m = real_parts(y[0]).numel()
    assert result.mean().item() == pytest.approx(1, abs=4 / math.sqrt(2 * 8 * m))


@each_operator
def test_they_obey_the_laws(make: Callable[[], LinearOperator]) -> None:
    check_operator(make(), tolerance=1e-6)


def test_a_wrong_adjoint_is_found() -> None:
    class Conjugate(HalfFourier):
        def _At(self, y: Tensor) -> Tensor:
            return HalfFourier._At(self, y.conj())

    with pytest.raises(AssertionError, match="differs from <x, A"):
        check_operator(Conjugate(SHAPE))


@each_operator
def test_the_transpose_is_real_and_that_of_both_parts(make: Callable[[], LinearOperator]) -> None:
    A = make()
    H, y = dense(A), measured(A, images())[0].to(torch.complex128)
    expected = real_parts(y).flatten(1) @ H
    torch.testing.assert_close(A.T(y).flatten(1), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(LinearOperator._At(A, y).flatten(1), expected, rtol=0, atol=1e-6)
    with torch.inference_mode():
        assert A.T(y.to(torch.complex64)).dtype == torch.float32


@each_operator
def test_ridge_is_the_dense_formula(make: Callable[[], LinearOperator]) -> None:
    A = make()
    H, r = dense(A), measured(A, images())[0].to(torch.complex128)
    flat = real_parts(r).flatten(1)
    expected = torch.linalg.solve(H.T @ H + 0.1 * torch.eye(H.shape[1]), H.T @ flat.T).T
    for result in (A.ridge(r, 0.1), LinearOperator.ridge(A, r, 0.1)):
        torch.testing.assert_close(result.flatten(1), expected, rtol=0, atol=1e-5)


@each_operator
def test_the_initial_estimate_is_a_real_image_near_the_truth(make: Callable[[], LinearOperator]) -> None:
    A, x = make(), images()
    guess = A.guess(measured(A, x, "gaussian 0.01 [-1,1]")[0])
    assert guess.dtype == torch.float32
    assert (guess - x).square().mean() < (x - x.mean()).square().mean()


def test_the_initial_estimate_of_a_nonlinear_operator_is_a_real_image() -> None:
    class Squared(ib.Operator):
        x_shape = y_shape = SHAPE

        def _A(self, x: Tensor) -> Tensor:
            return torch.fft.fft2(x.square(), norm="ortho")

    A = Squared()
    assert A.guess(A(images())).dtype == torch.float32
    check_operator(A)
    assert A.measures_complex
    assert not ib.Identity(SHAPE).measures_complex


@pytest.mark.parametrize("name", sorted(CATALOG.plugins["solver"]))
@each_operator
def test_a_solver_restores_or_refuses_by_name(name: str, make: Callable[[], LinearOperator]) -> None:
    """Whatever runs gives real images that explain the measurement better than a grey image does."""
    A, x = make(), images()
    y, _ = measured(A, x)
    cls = CATALOG.get("solver", name)
    small = {"dps": {"zeta": 0.1}, "mcg": {"zeta": 0.1}, "daps": {"langevin_steps": 20}}.get(name, {})
    solver = cls(**small, **{key: 50 for key in ("nfe", "steps") if hasattr(cls, key)})
    prior = ib.GmmPrior(ib.patch_mixture(), SHAPE)
    problem = ib.Problem(A, SIGMA, "mri", "gmm", "gmm")
    reason = declared_mismatch(solver, problem) or solver.skip(problem, prior)
    if reason:
        assert (
            name in ("bicubic", "davi", "i2sb", "cddb", "cddb_deep") or "deepinv" in name or isinstance(A, Fourier)
        ), reason
        assert "complex" in reason or "SVDOperator" in reason
        return
    meter, rng = Meter(), Rng.for_images([str(i) for i in range(4)], use="solver")
    metered = ib.Problem(A.metered(meter), SIGMA, "mri", "gmm", "gmm")
    state = solver.prepare(problem, prior)
    with torch.inference_mode(not solver.needs_grad), warnings.catch_warnings():
        warnings.simplefilter("error")
        x_hat = solver.solve(y.clone(), metered, prior.metered(meter), state, rng).detach()
    assert (x_hat.dtype, x_hat.shape) == (torch.float32, x.shape)
    assert x_hat.isfinite().all()
    if name != "ddim":
        misfit, grey = (real_parts(y - A(z)).square().mean() for z in (x_hat, torch.zeros_like(x)))
        assert misfit < 0.5 * grey


def test_the_exact_posterior_sees_both_parts() -> None:
    """Two pixels, y = x_1 + i x_2: as two real measurements of them."""

    class Plane(LinearOperator):
        x_shape, y_shape = (1, 1, 2), (1,)

        def _A(self, x: Tensor) -> Tensor:
            return torch.complex(x[:, 0, 0, :1], x[:, 0, 0, 1:])

    prior = ib.GmmPrior(ib.planar_mixture(), (1, 1, 2))
    y = torch.tensor([[0.3 - 0.1j], [-0.2 + 0.5j]])
    exact = prior.posterior(ib.Problem(Plane(), 0.2, "t", "d"))
    plain = prior.posterior(ib.Problem(ib.Identity((1, 1, 2)), 0.2, "t", "d"))
    assert isinstance(exact, ExactPosterior)
    assert isinstance(plain, ExactPosterior)
    expected = plain.posterior.mean(real_parts(y).flatten(1).double())
    torch.testing.assert_close(exact.posterior.mean(exact.posterior.flat(y)), expected)
    oracle = CATALOG.get("solver", "oracle")(output="mean")
    problem = ib.Problem(Plane(), 0.2, "t", "d")
    x_hat = oracle.solve(y, problem, prior, oracle.prepare(problem, prior), Rng.for_images(["a", "b"]))
    torch.testing.assert_close(x_hat.flatten(1).double(), expected, rtol=0, atol=1e-6)
    samples = torch.stack([x_hat, x_hat + 0.1], 1)
    m = Measurement(("a", "b"), x_hat, y, torch.full((2, 1), 0.2), ("", ""), Plane(), exact)
    gap = CATALOG.get("metric", "gap_range")()
    assert gap(samples, m).isfinite().all()


@dataclass(frozen=True)
class Scan(ib.Task):
    """A plugin's task."""

    name: ClassVar[str] = "scan"
    noise: str = "gaussian 0.1 [-1,1]"

    def operator(self, x_shape: ib.Shape, rng: Rng) -> ib.Operator:
        return HalfFourier(x_shape)


@pytest.mark.parametrize("noise", ["gaussian 0.1 [-1,1]", "uniform 0.05..0.2 [-1,1]"])
def test_a_cell_of_complex_measurements_is_run_scored_and_read(noise: str, tmp_path: Path) -> None:
    parts = (CATALOG.get("dataset", "gmm")(), CATALOG.get("prior", "gmm")(), CATALOG.get("solver", "red_diff")(nfe=100))
    cell = Cell(CATALOG.benchmark("gmm"), Scan(noise), *parts)
    metrics = [CATALOG.get("metric", name)() for name in ("psnr", "consistency")]
    outcome = run_cell(cell, metrics, Options(tmp_path, 3))
    assert outcome.status == "complete", outcome.reason
    (result,) = load_cells(tmp_path)
    values = {metric: [r.value for r in result.rows if r.metric == metric] for metric in ("psnr", "consistency")}
    assert len(set(result.measured.values())) == 3
    assert all(0.1 < value < 1.5 for value in values["consistency"])
    assert min(values["psnr"]) > 10


def test_poisson_noise_on_a_cell_of_complex_measurements_is_refused_by_name(tmp_path: Path) -> None:
    parts = (CATALOG.get("dataset", "gmm")(), CATALOG.get("prior", "gmm")(), CATALOG.get("solver", "red_diff")(nfe=100))
    with pytest.raises(ib.ConfigError, match="task scan: Poisson noise"):
        run_cell(Cell(CATALOG.benchmark("gmm"), Scan("poisson 1.0"), *parts), [], Options(tmp_path, 3))
