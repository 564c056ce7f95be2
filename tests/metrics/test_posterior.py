"""The exact-posterior scores: exact samples score their floor; every fault shows in the score named for it."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from exact_setting import SHAPE, B, K, Setting
from torch import Tensor

import invbench as ib
from invbench.cli import main
from invbench.harness.cell import Cell, Options
from invbench.harness.rebuild import Remeasure
from invbench.harness.runner import run_cell
from invbench.plugins import load_catalog
from invbench.priors.exact import ExactPosterior
from invbench.store.files import Record
from invbench.store.reader import load_cells

CATALOG = load_catalog()
METRICS = {name: plugin.cls for name, plugin in CATALOG.plugins["metric"].items()}

PARTS = ("range", "null")


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
