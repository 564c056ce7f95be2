"""Scores of images and of sets of them, as a run makes them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from running import scored_cell

from invbench import Measurement, SetMetric
from invbench.cli import main
from invbench.harness.rebuild import Remeasure
from invbench.harness.rescore import score_set
from invbench.harness.scoring import Scorer
from invbench.metrics.kernel import KidAlex
from invbench.plugins import load_catalog
from invbench.store.reader import LoadedCell

CATALOG = load_catalog()


class Shift(SetMetric):
    """Distance of mean brightness."""

    name, protocol, higher_is_better = "shift", "shift/mean", False

    def __call__(self, x_hat: torch.Tensor, measurement: Measurement) -> torch.Tensor:
        return x_hat.flatten(1).mean(1)

    def distance(self, truth: torch.Tensor, restored: torch.Tensor) -> float:
        return float((truth.mean() - restored.mean()).abs())


def test_a_run_scores_its_images_as_a_set_and_a_table_prints_it(out: Path) -> None:
    (score,) = [s for s in scored_cell(out).sets if s.metric == "kid_alex"]
    assert score.n == 3
    assert score.low < score.value < score.high
    text = CliRunner().invoke(main, ["table", "--out", str(out)], catch_exceptions=False).output
    assert f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]" in text


def test_the_set_is_scored_by_the_metrics_definition(out: Path) -> None:
    cell = scored_cell(out)
    measure = Remeasure(cell.run, CATALOG)
    score_set(cell, Scorer([Shift()]), measure)
    x_hat = torch.stack([cell.reconstructions(i)[0] for i in cell.images])
    expected = float((measure(cell.images).x.mean() - x_hat.mean()).abs())
    (score,) = [s for s in scored_cell(out).sets if s.metric == "shift"]
    assert score.value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (None, "a NoneType"),
        (torch.zeros(2, 1), "a tensor of shape (2, 1)"),
        (torch.zeros((), dtype=torch.complex64), "a tensor of shape ()"),
    ],
)
def test_features_of_another_form_are_a_fault_of_their_metric(out: Path, value: object, got: str) -> None:
    class Odd(Shift):
        def __call__(self, x_hat: torch.Tensor, measurement: Measurement) -> torch.Tensor:
            return value  # type: ignore[return-value]

    cell = scored_cell(out)
    scorer, measured = Scorer([Odd()]), Remeasure(cell.run, CATALOG)(cell.images)
    assert scorer.features(Odd(), measured.x, measured) is None
    assert scorer.faults["shift"].endswith(f"expected features of 3 images, one row each; got {got}")


def test_scores_of_a_set_are_not_shown_once_it_has_grown(out: Path) -> None:
    assert scored_cell(out).sets
    arguments = ["run", "solver=wiener", "task=sr4", "n=4", f"out={out}", "references=false"]
    grown = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert grown.exit_code == 0
    assert scored_cell(out).sets[0].n == 4
    assert scored_cell(out, "pinv").sets[0].n == 3
    assert scored_cell(out).set_scores(scored_cell(out, "pinv").images)[0].n == 3, "the smaller set keeps its score"


def test_a_cell_that_is_run_again_forgets_the_scores_of_its_sets(out: Path) -> None:
    path = scored_cell(out).folders[0] / "sets.json"
    path.write_text(path.read_text().replace('"value": ', '"value": 1'))
    arguments = ["run", "solver=wiener", "task=sr4", "n=3", f"out={out}", "references=false", "overwrite=true"]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    (score,) = [s for s in scored_cell(out).sets if s.metric == "kid_alex"]
    assert score.value < 10


def test_a_single_image_is_no_set(out: Path) -> None:
    cell = scored_cell(out)
    one = LoadedCell(cell.id, cell.run, [r for r in cell.rows if r.image == cell.images[0]], cell.folders, 0)
    (cell.folders[0] / "sets.json").unlink()
    score_set(one, Scorer([KidAlex()]), Remeasure(cell.run, CATALOG))
    assert scored_cell(out).sets == []
