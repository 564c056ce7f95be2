"""The samplers: what they cost, that rows do not interact, and limits with a known answer."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

import invbench as ib
from invbench.meter import Meter
from invbench.plugins import load_catalog
from invbench.priors.gmm import Covariance, GaussianMixture

CATALOG = load_catalog()
SHAPE = (1, 1, 2)
COSTS = {  # network evaluations per image, forward and backward, at the defaults or the options given
    ("ddim", ()): (100, 0),
    ("ddrm", ()): (20, 0),
    ("ddnm", ()): (100, 0),
    ("ddnm_plus", ()): (100, 0),
    ("ddnm_plus", (("steps", 50), ("travel_repeat", 2))): (99, 0),
    ("ddnm", (("travel_length", 10), ("travel_repeat", 3))): (280, 0),
    ("pigdm", ()): (100, 100),
    ("diffpir", ()): (100, 0),
    ("dps", ()): (1000, 1000),
    ("mcg", ()): (1000, 1000),
    ("red_diff", ()): (1000, 0),
    ("fps", ()): (999, 0),
    ("fps", (("particles", 3),)): (2997, 0),
}
SAMPLERS = sorted({name for name, _ in COSTS})
SHORT: dict[str, dict[str, Any]] = {"dps": {"nfe": 50}, "mcg": {"nfe": 50}, "red_diff": {"nfe": 50}}


def gaussian(tau: float = 0.5) -> GaussianMixture:
    covariance = Covariance.diagonal(torch.full((2,), tau**2, dtype=torch.float64))
    return GaussianMixture(torch.ones(1).double(), torch.zeros(1, 2).double(), (covariance,))


def restore(
    solver: ib.Solver, y: Tensor, A: ib.Operator, sigma: float, mixture: GaussianMixture | None = None
) -> tuple[Tensor, Meter]:
    """Solve with the planar prior (or another); generators are named by row."""
    prior, meter = ib.GmmPrior(mixture or ib.planar_mixture(), A.x_shape), Meter()
    problem = ib.Problem(A, sigma, "task", "dataset")
    rng = ib.Rng.for_images([str(i) for i in range(len(y))], use="solver")
    with torch.inference_mode(not solver.needs_grad):
        return solver.solve(y, problem, prior.metered(meter), solver.prepare(problem, prior), rng).detach(), meter


def make(name: str, **options: Any) -> ib.Solver:
    return CATALOG.get("solver", name)(**options)


def first_pixel() -> ib.Selection:
    return ib.Selection(SHAPE, torch.tensor([0]))


@pytest.mark.parametrize(("name", "options"), COSTS, ids=str)
def test_network_calls_are_the_closed_form(name: str, options: tuple[tuple[str, Any], ...]) -> None:
    _, meter = restore(make(name, **dict(options)), torch.zeros(2, 1, 1), first_pixel(), 0.1)
    assert (meter.forward / 2, meter.backward / 2) == COSTS[name, options]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_row_does_not_depend_on_the_batch(name: str) -> None:
    y = torch.tensor([0.3, -0.5, 0.3]).double().reshape(3, 1, 1)
    solver = make(name, **SHORT.get(name, {}))
    together, _ = restore(solver, y, first_pixel(), 0.1)
    alone, _ = restore(solver, y[:1], first_pixel(), 0.1)
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-7)
    assert together.isfinite().all()


@pytest.mark.parametrize(
    ("sizes", "calls"), [((100, 1, 2), 199), ((100, 10, 2), 190), ((50, 10, 2), 90), ((25, 1, 4), 97)]
)
def test_time_travel_costs_its_closed_form(sizes: tuple[int, int, int], calls: int) -> None:
    walk = ib.travel_walk(*sizes)
    assert sum(b < a for a, b in itertools.pairwise(walk)) == calls
    assert (walk[0], walk[-1]) == (sizes[0] - 1, -1)


def test_ddnm_returns_a_clean_measurement_of_everything() -> None:
    y = torch.tensor([[0.3, -0.5], [0.1, 0.2]]).reshape(2, *SHAPE)
    x_hat, _ = restore(make("ddnm"), y, ib.Identity(SHAPE), 0.0)
    torch.testing.assert_close(x_hat, y, rtol=0, atol=1e-6)


def test_ddnm_plus_without_noise_is_ddnm() -> None:
    y = torch.tensor([0.3, -0.5]).double().reshape(2, 1, 1)
    plain, _ = restore(make("ddnm"), y, first_pixel(), 0.0)
    plus, _ = restore(make("ddnm_plus"), y, first_pixel(), 0.0)
    torch.testing.assert_close(plus, plain, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["ddnm", "ddnm_plus", "diffpir", "pigdm", "dps", "mcg", "fps"])
def test_a_precise_measurement_is_met(name: str) -> None:
    """DPS steps by zeta along a unit vector here, one pixel being measured, so its step must be small."""
    y = torch.full((8, 1, 1), 0.3)
    options = {"zeta": 0.03} if name in ("dps", "mcg") else {}
    x_hat, _ = restore(make(name, **options), y, first_pixel(), 0.01)
    assert (x_hat[:, 0, 0, 0] - 0.3).abs().max() < 0.06


@pytest.mark.parametrize("calls", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("name", "key"),
    [
        *((name, "nfe") for name in ("ddrm", "diffpir", "pigdm", "dps", "mcg", "red_diff")),
        ("ddnm", "steps"),
        ("ddnm_plus", "steps"),
    ],
)
def test_few_calls_use_the_measurement_or_are_refused(name: str, key: str, calls: int) -> None:
    """Super-resolution of a bright and a dark patch, swapped: what does not change was made of noise alone."""
    try:
        solver = make(name, **{key: calls})
    except ib.ConfigError:
        assert calls == 1
        return
    A = ib.BlockMean((3, 16, 16), 4)
    y = A(torch.stack([torch.full((3, 16, 16), level) for level in (0.5, -0.5)]))
    bright, _ = restore(solver, y, A, 0.05, ib.patch_mixture())
    dark, _ = restore(solver, y.flip(0), A, 0.05, ib.patch_mixture())
    assert float((bright - dark).mean((1, 2, 3)).abs().min()) > 0.1


def test_ddim_samples_the_prior_whatever_the_measurement() -> None:
    a, _ = restore(make("ddim"), torch.zeros(2000, 1, 1), first_pixel(), 0.1, gaussian(0.5))
    b, _ = restore(make("ddim"), torch.ones(2000, 1, 1), first_pixel(), 0.1, gaussian(0.5))
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert abs(float(a.mean())) < 0.03, "4000 draws of standard deviation 0.5: four standard errors"
    assert float(a.std()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("particles", "weights", "mean", "std"),
    [(1, "published", 0.350, 0.131), (8, "published", 0.392, 0.075), (8, "ratio", 0.348, 0.132)],
)
def test_fps_draws_what_its_docstring_says(particles: int, weights: str, mean: float, std: float) -> None:
    """x ~ N(0, 0.5^2), y = x + 0.2 n, y = 0.4: the posterior has mean 0.345 and standard deviation 0.186."""
    y = torch.full((600, *SHAPE), 0.4)
    fps = make("fps", particles=particles, weights=weights, clip=False)
    x_hat, _ = restore(fps, y, ib.Identity(SHAPE), 0.2, gaussian(0.5))
    assert float(x_hat.mean()) == pytest.approx(mean, abs=0.015), "four standard errors of 1200 draws"
    assert float(x_hat.std()) == pytest.approx(std, abs=0.015)


@pytest.mark.parametrize("name", ["pigdm", "diffpir"])
def test_a_linear_operator_without_an_svd_gives_the_same_image(name: str) -> None:
    class Plain(ib.LinearOperator):
        """The same map with its decomposition hidden."""

        def __init__(self, A: ib.SVDOperator) -> None:
            self.inner, self.x_shape, self.y_shape = A, A.x_shape, A.y_shape

        def _A(self, x: Tensor) -> Tensor:
            return self.inner(x)

    A = ib.BlockMean((3, 16, 16), 4)
    y = A(ib.patch_mixture().sample(ib.Rng.for_images(["a", "b"])).float().reshape(2, 3, 16, 16))
    solver = make(name, nfe=10)
    fast, _ = restore(solver, y, A, 0.05, ib.patch_mixture())
    slow, _ = restore(solver, y, Plain(A), 0.05, ib.patch_mixture())
    assert (fast - slow).square().mean().sqrt() < 0.02, "they start from slightly different images"


def test_ridge_is_the_dense_formula_by_either_way() -> None:
    A = ib.Separable((1, 6, 6), torch.rand(3, 6, dtype=torch.float64), torch.rand(3, 6, dtype=torch.float64))
    H = A(torch.eye(36).double().reshape(36, 1, 6, 6)).reshape(36, 9).T
    r = torch.linspace(-1, 1, 18, dtype=torch.float64).reshape(2, 1, 3, 3)
    expected = (H.T @ torch.linalg.solve(H @ H.T + 0.1 * torch.eye(9), r.reshape(2, 9).T)).T.reshape(2, 1, 6, 6)
    torch.testing.assert_close(A.ridge(r, 0.1), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(ib.LinearOperator.ridge(A, r, 0.1), expected, rtol=0, atol=1e-5)


def test_dps_holds_no_graph_between_steps() -> None:
    """Each step starts from a leaf: an image of the last step needs nothing of the first."""
    seen: list[Tensor] = []
    prior = ib.GmmPrior(ib.planar_mixture(), SHAPE)
    problem = ib.Problem(first_pixel(), 0.1, "task", "dataset")
    solver, rng = make("dps", nfe=5), ib.Rng.for_images(["0"])
    x_hat = solver.solve(torch.zeros(1, 1, 1), problem, prior, None, rng, lambda step: seen.append(step["x0"]))
    assert len(seen) == 5
    assert not any(x.requires_grad for x in [*seen, x_hat])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ddim", {"nfe": 0}, "between 1 and 1000 steps"),
        ("ddnm", {"eta": 2.0}, r"eta must lie in \[0, 1\]"),
        ("ddnm_plus", {"travel_length": 0}, "at least 1"),
        ("dps", {"zeta": -1.0}, "zeta must not be negative"),
        ("pigdm", {"eta": -1.0}, "eta must not be negative"),
        ("diffpir", {"zeta": 2.0}, "zeta in"),
        ("red_diff", {"weight": "sqare"}, "did you mean 'square'"),
        *((name, {"nfe": 1}, "needs nfe of at least 2; got 1") for name in ("ddrm", "diffpir", "pigdm", "dps", "mcg")),
        ("ddnm_plus", {"steps": 1}, "needs steps of at least 2; got 1"),
        ("fps", {"particles": 0}, "particles >= 1"),
        ("fps", {"weights": "none"}, "'published' or 'ratio'"),
        ("mcg", {"zeta": -1.0}, "zeta must not be negative"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ib.ConfigError, match=message):
        make(name, **options)
