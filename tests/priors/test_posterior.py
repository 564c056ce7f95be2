"""The exact-posterior scores: exact samples score their floor; every fault shows in the score named for it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

import invbench as ib
from invbench.cli import main
from invbench.harness.cell import Cell, Options
from invbench.harness.rebuild import Remeasure
from invbench.harness.runner import run_cell
from invbench.metrics import posterior as scores
from invbench.metrics.samples import CRPS, Coverage, DiversityNull, DiversityRange, Spread
from invbench.plugins import load_catalog
from invbench.priors.exact import ExactPosterior, _cdf, _quantile
from invbench.priors.gmm import Covariance, GaussianMixture
from invbench.store.files import Record
from invbench.store.reader import load_cells

CATALOG = load_catalog()
METRICS = {name: plugin.cls for name, plugin in CATALOG.plugins["metric"].items()}

SIGMA, K, B = 0.1, 200, 6
SHAPE = (1, 2, 4)
PARTS = ("range", "null")


def mixture() -> GaussianMixture:
    """Two overlapping Gaussians over eight pixels with correlated covariances."""
    rng = ib.Rng.single(use="mixture")
    factors = [rng.randn((8, 8))[0].double() * 0.15 for _ in range(2)]
    covariances = tuple(Covariance.full(f @ f.T + 0.01 * torch.eye(8)) for f in factors)
    means = torch.stack([torch.full((8,), v, dtype=torch.float64) for v in (-0.3, 0.3)])
    return GaussianMixture(torch.tensor([0.3, 0.7], dtype=torch.float64), means, covariances)


class Setting:
    """Measurements of block means, the exact posterior, and K exact samples of each."""

    def __init__(self, A: ib.LinearOperator | None = None) -> None:
        self.A = A or ib.BlockMean(SHAPE, 2)
        names = [str(b) for b in range(B)]
        x = mixture().sample(ib.Rng.for_images(names, use="truth"))
        self.x = x.reshape(B, *SHAPE)
        y = self.A(self.x)
        self.y = y + SIGMA * ib.Rng.for_images(names, use="noise").randn_like(y)
        problem = ib.Problem(self.A, SIGMA, "task", "dataset")
        exact = ib.GmmPrior(mixture(), SHAPE).posterior(problem)
        assert isinstance(exact, ExactPosterior)
        self.exact = exact
        self.samples = self.draw("samples")

    def draw(self, use: str) -> Tensor:
        rng = ib.Rng.for_images([f"{b}-{k}" for b in range(B) for k in range(K)], use=use)
        flat = self.y.flatten(1).repeat_interleave(K, 0)
        return self.exact.posterior.sample(flat, rng).reshape(B, K, -1)

    def scored(self, x: Tensor) -> dict[str, float]:
        """Mean over images of every score."""
        m = ib.Measurement(
            tuple(map(str, range(B))), self.x, self.y, torch.tensor(SIGMA), ("",) * B, self.A, self.exact
        )
        metrics = [cls() for cls in scores.invbench_register_metrics()]
        usable = [metric for metric in metrics if metric.unavailable(m) is None]
        return {metric.name: float(metric(x.reshape(B, K, *SHAPE), m).mean()) for metric in usable}


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting()


def about_mean(x: Tensor, factor: float) -> Tensor:
    """Samples shrunken (factor < 1) or inflated about their mean."""
    mean = x.mean(1, keepdim=True)
    return mean + factor * (x - mean)


def test_exact_samples_score_what_chance_allows(setting: Setting) -> None:
    """B K = 1200 draws: coverage within 4 * 0.3 / sqrt(1200) = 0.035, the mean's gap near 1 / sqrt(K) = 0.071."""
    scores = setting.scored(setting.samples)
    for part in PARTS:
        assert scores[f"cover_{part}"] == pytest.approx(0.9, abs=0.035)
        assert scores[f"std_{part}"] == pytest.approx(1, abs=0.05)
        assert 0.03 < scores[f"gap_{part}"] < 0.12
        assert 0.03 < scores[f"swd_{part}"] < 0.2
    assert scores["modes"] < 0.06


@pytest.mark.parametrize(("factor", "std", "cover"), [(0.7, 0.7, 0.98), (1.4, 1.4, 0.76)])
def test_a_shrunken_and_an_inflated_oracle_are_flagged(
    setting: Setting, factor: float, std: float, cover: float
) -> None:
    scores, floor = setting.scored(about_mean(setting.samples, factor)), setting.scored(setting.samples)
    for part in PARTS:
        assert scores[f"std_{part}"] == pytest.approx(std, abs=0.04)
        assert scores[f"cover_{part}"] == pytest.approx(cover, abs=0.03)
        assert scores[f"swd_{part}"] > 2 * floor[f"swd_{part}"]
        assert scores[f"gap_{part}"] == pytest.approx(floor[f"gap_{part}"]), "the mean was kept"


def test_a_bias_in_one_part_shows_in_that_part(setting: Setting) -> None:
    A = setting.A
    assert isinstance(A, ib.SVDOperator)
    ones = torch.ones(1, *SHAPE).double()
    in_range = 0.1 * A.pinv(A(ones)).flatten()
    pattern = torch.tensor([1.0, -1, 1, -1, -1, 1, -1, 1]).double() * 0.1
    assert A(pattern.reshape(1, *SHAPE)).abs().max() < 1e-7
    floor = setting.scored(setting.samples)
    for part, other, shift in (("range", "null", in_range), ("null", "range", pattern)):
        scores = setting.scored(setting.samples + shift)
        for score in ("gap", "swd"):
            assert scores[f"{score}_{part}"] > 2 * floor[f"{score}_{part}"]
            assert scores[f"{score}_{other}"] == pytest.approx(floor[f"{score}_{other}"])


def test_samples_of_one_component_are_flagged_by_the_weights(setting: Setting) -> None:
    posterior = setting.exact.posterior
    weights = posterior.weights(setting.y.flatten(1))
    only = (posterior.means(setting.y.flatten(1))[:, :1]).expand(B, K, -1)
    assert setting.scored(only)["modes"] == pytest.approx(float(weights[:, 1].mean()), abs=0.02)


def test_without_a_null_space_there_is_no_score_of_it() -> None:
    setting = Setting(ib.Identity(SHAPE))
    assert setting.exact.dimension("range") == 8
    scores = setting.scored(setting.samples)
    assert not [name for name in scores if name.endswith("null")]
    assert "swd_range" in scores


def test_the_posterior_is_known_for_mixtures_and_linear_operators_with_gaussian_noise() -> None:
    class Square(ib.Operator):
        x_shape = y_shape = SHAPE

        def _A(self, x: Tensor) -> Tensor:
            return x.square()

    prior, linear = ib.GmmPrior(mixture(), SHAPE), ib.Identity(SHAPE)
    assert prior.posterior(ib.Problem(linear, None, "t", "d")) is None
    assert prior.posterior(ib.Problem(linear, 0.0, "t", "d")) is None
    assert prior.posterior(ib.Problem(Square(), 0.1, "t", "d")) is None


def test_range_and_null_space_are_those_of_the_operator(setting: Setting) -> None:
    assert setting.exact.dimension("null") == 6
    for inside in (setting.exact.bases["null"], setting.exact.directions("null")):
        assert setting.A(inside.T.reshape(-1, *SHAPE)).abs().max() < 1e-6


def test_variances_are_those_of_many_samples(setting: Setting) -> None:
    y = setting.y.flatten(1)
    directions = setting.exact.directions("range")
    z = setting.samples @ directions
    weights, means, variances = setting.exact._along(y, directions)
    mean = (weights[:, :, None] * means).sum(1)
    variance = (weights[:, :, None] * (variances + (means - mean[:, None]) ** 2)).sum(1)
    torch.testing.assert_close(z.mean(1), mean, rtol=0, atol=0.06)
    torch.testing.assert_close(z.var(1), variance, rtol=0.5, atol=0)
    for part in PARTS:
        scores = (setting.samples @ setting.exact.bases[part]).var(1).sum(1)
        torch.testing.assert_close(scores, setting.exact.variance(y, part), rtol=0.3, atol=0)


def turned(exact: ExactPosterior) -> ExactPosterior:
    """The same posterior, its parts spanned by other orthonormal vectors: what another processor may find."""
    other = copy(exact)
    other.bases = {}
    for part, V in exact.bases.items():
        d = V.shape[1]
        rotation, _ = torch.linalg.qr(ib.Rng.single(turn=part).randn((max(d, 1), max(d, 1)))[0].double())
        other.bases[part] = V @ rotation[:d, :d]
    return other


def test_no_score_depends_on_the_basis_of_a_part(setting: Setting) -> None:
    """Block means have equal singular values, so that a decomposition may return any basis of either part."""
    other = copy(setting)
    other.exact = turned(setting.exact)
    for part in PARTS:
        assert not torch.allclose(other.exact.bases[part], setting.exact.bases[part], atol=0.1)
    scores, expected = other.scored(setting.samples), setting.scored(setting.samples)
    assert scores == pytest.approx(expected, rel=1e-9)


def test_a_quantile_inverts_the_distribution_function(setting: Setting) -> None:
    along = setting.exact._along(setting.y.flatten(1), setting.exact.directions("null"))
    levels = torch.tensor([0.01, 0.3, 0.5, 0.97], dtype=torch.float64)[None, :, None]
    scores = _cdf(_quantile(levels, *along), *along)
    torch.testing.assert_close(scores, levels.expand_as(scores), rtol=0, atol=1e-8)


def ensemble(K: int, spread: float, names: int = 400) -> tuple[Tensor, ib.Measurement]:
    """Truth ~ N(0, 1) per pixel and K samples ~ N(0, spread^2): exchangeable where spread is 1."""
    ids = tuple(str(i) for i in range(names))
    x = ib.Rng.for_images(ids, use="truth").randn(SHAPE)
    samples = spread * ib.Rng.for_images(ids, use="samples").randn((K, *SHAPE))
    A = ib.BlockMean(SHAPE, 2)
    return samples, ib.Measurement(ids, x, A(x), torch.tensor(1.0), ("",) * names, A)


@pytest.mark.parametrize("K", [4, 16, 64])
def test_coverage_is_nominal_for_exchangeable_samples(K: int) -> None:
    samples, m = ensemble(K, 1.0)
    scores = Coverage()(samples, m)
    assert float(scores.mean()) == pytest.approx(0, abs=0.03), "3200 pixels: four standard errors of at most 0.5"
    narrow, _ = ensemble(K, 0.5)
    assert float(Coverage()(narrow, m).mean()) < -0.1


def test_crps_is_its_double_sum_and_prefers_the_right_spread() -> None:
    samples, m = ensemble(8, 1.0)
    x, truth = samples.double(), m.x.double()
    pairs = (x[:, :, None] - x[:, None]).abs().flatten(3).mean(3).sum((1, 2)) / (8 * 7)
    expected = (x - truth[:, None]).abs().flatten(2).mean((1, 2)) - pairs / 2
    torch.testing.assert_close(CRPS()(samples, m), expected)
    right = float(CRPS()(samples, m).mean())
    assert right < min(float(CRPS()(ensemble(8, s)[0], m).mean()) for s in (0.3, 3.0))
    assert right == pytest.approx(0.5642, abs=0.05), "1 / sqrt(pi) for a standard normal"


def test_diversity_splits_the_spread() -> None:
    samples, m = ensemble(16, 0.5)
    total, inside, outside = (metric(samples, m) for metric in (Spread(), DiversityRange(), DiversityNull()))
    torch.testing.assert_close(inside**2 + outside**2, total**2)
    assert float(total.mean()) == pytest.approx(0.5, abs=0.03)
    assert float((inside**2).mean() / (total**2).mean()) == pytest.approx(2 / 8, abs=0.03), "two of eight directions"


HIDDEN = ["benchmark=gmm2d", "task=denoise", "task.noise='uniform 0.1..0.3 [-1,1]'", "assume='0.2 [-1,1]'"]


def of_the_posterior(out: Path) -> list[Record]:
    names = {name for name, each in METRICS.items() if each.table == "posterior"}
    return [row for cell in load_cells(out) for row in cell.rows if row.metric in names]


def test_a_level_that_is_assumed_makes_no_posterior_known(tmp_path: Path) -> None:
    """The measurements' own level is hidden: samples are scored by none, in a run and after it."""
    words = ["run", "solver=ddrm", *HIDDEN, "n=2", "samples=8", "references=false", f"out={tmp_path}"]
    ran = CliRunner().invoke(main, words, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    (cell,) = load_cells(tmp_path)
    assert "crps" in {row.metric for row in cell.rows}
    assert of_the_posterior(tmp_path) == []
    assert CliRunner().invoke(main, ["rescore", "--out", str(tmp_path)], catch_exceptions=False).exit_code == 0
    assert of_the_posterior(tmp_path) == []
    assert Remeasure(cell.run, CATALOG)(cell.images).posterior is None


def test_samples_are_scored_by_the_posterior_of_the_true_level_whatever_the_solver_is_given(tmp_path: Path) -> None:
    """The exact sampler is told 0.05 where the noise is 0.2: it is over-confident, and must look so."""
    preset = CATALOG.benchmark("gmm2d")
    task = CATALOG.get("task", "denoise")(noise="gaussian 0.2 [-1,1]")
    source, solver = CATALOG.get("prior", "gmm2d")(), CATALOG.get("solver", "oracle")()
    cell = Cell(preset, task, CATALOG.get("dataset", "gmm2d")(), source, solver, samples=32, assumed="0.05 [-1,1]")
    metrics = [each() for each in METRICS.values() if each.table == "posterior"]
    assert run_cell(cell, metrics, Options(tmp_path, 4)).status == "complete"
    (scores,) = load_cells(tmp_path)
    measured = Remeasure(scores.run, CATALOG)(scores.images)
    exact = source.load((1, 1, 2), "cpu").posterior(ib.Problem(measured.A, 0.2, "denoise", "gmm2d"))
    assert measured.posterior is not None
    assert exact is not None
    samples = torch.stack([scores.reconstructions(image) for image in scores.images])
    recorded = {(r.image, r.metric): r.value for r in scores.rows}
    ratio = METRICS["std_range"]()
    for posterior in (exact, measured.posterior):
        values = ratio(samples, replace(measured, posterior=posterior))
        assert [recorded[image, "std_range"] for image in scores.images] == pytest.approx(values.tolist(), rel=1e-6)
    assert values.mean() < 0.5
