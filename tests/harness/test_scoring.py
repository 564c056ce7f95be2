"""Scores made after the fact: equal to those of a run, of the same measurements, and never of a solver's work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from msgspec.structs import replace

from invbench import Measurement, Metric, SetMetric
from invbench.analysis.comparable import shared_images
from invbench.analysis.pairs import pairs
from invbench.analysis.tables import build_tables
from invbench.cli import main
from invbench.errors import StoreError
from invbench.harness.rebuild import Remeasure
from invbench.harness.rescore import rescore, score_set
from invbench.harness.scoring import Scorer
from invbench.metrics.distortion import PSNR
from invbench.metrics.kernel import KidAlex
from invbench.plugins import load_catalog
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.writer import CellStore

CATALOG = load_catalog()


@pytest.fixture(scope="module")
def recorded_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images restored by the pseudo-inverse and Wiener's filter."""
    out = tmp_path_factory.mktemp("scoring")
    arguments = ["run", "solver=wiener", "task=sr4", "n=3", f"out={out}"]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    return out


@pytest.fixture
def out(recorded_store: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded_store, tmp_path / "runs")
    return tmp_path / "runs"


def cell_of(out: Path, solver: str = "wiener") -> LoadedCell:
    return load_cells(out, solver=solver)[0]


class Brightness(Metric):
    """A stranger's metric, installed after the run."""

    name, protocol, unit = "brightness", "brightness/mean", ""

    def __call__(self, x_hat: torch.Tensor, measurement: Measurement) -> torch.Tensor:
        return x_hat.flatten(1).mean(1)


class Shift(SetMetric):
    """Distance of mean brightness."""

    name, protocol, higher_is_better = "shift", "shift/mean", False

    def __call__(self, x_hat: torch.Tensor, measurement: Measurement) -> torch.Tensor:
        return x_hat.flatten(1).mean(1)

    def distance(self, truth: torch.Tensor, restored: torch.Tensor) -> float:
        return float((truth.mean() - restored.mean()).abs())


def test_a_new_metric_is_computed_from_stored_reconstructions(out: Path) -> None:
    cell = cell_of(out)
    assert rescore(cell, Scorer([PSNR(), Brightness()]), Remeasure(cell.run, CATALOG)) == 3
    after = cell_of(out)
    for image in after.images:
        (row,) = [r for r in after.rows if r.metric == "brightness" and r.image == image]
        assert row.value == pytest.approx(after.reconstructions(image)[0].mean().item(), abs=1e-6)
    assert rescore(after, Scorer([Brightness()]), Remeasure(cell.run, CATALOG)) == 0


def test_recomputed_scores_are_those_of_the_run(out: Path) -> None:
    before = cell_of(out)
    path = before.folders[0] / "records.jsonl"
    lines = [line for line in path.read_text().splitlines() if json.loads(line)["metric"] not in ("ssim", "haarpsi")]
    path.write_text("\n".join(lines) + "\n")
    CellStore(path.parent).write_checksums()
    result = CliRunner().invoke(main, ["rescore", "solver=wiener", "--out", str(out)], catch_exceptions=False)
    assert "6 new scores of 3 images" in result.output
    was, now = ({(r.image, r.metric, r.sample): r.value for r in c.rows} for c in (before, cell_of(out)))
    assert was == pytest.approx(now, rel=1e-9)


def test_a_run_scores_its_images_as_a_set_and_a_table_prints_it(out: Path) -> None:
    (score,) = [s for s in cell_of(out).sets if s.metric == "kid_alex"]
    assert score.n == 3
    assert score.low < score.value < score.high
    text = CliRunner().invoke(main, ["table", "--out", str(out)], catch_exceptions=False).output
    assert f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]" in text


def test_the_set_is_scored_by_the_metrics_definition(out: Path) -> None:
    cell = cell_of(out)
    measure = Remeasure(cell.run, CATALOG)
    score_set(cell, Scorer([Shift()]), measure)
    x_hat = torch.stack([cell.reconstructions(i)[0] for i in cell.images])
    expected = float((measure(cell.images).x.mean() - x_hat.mean()).abs())
    (score,) = [s for s in cell_of(out).sets if s.metric == "shift"]
    assert score.value == pytest.approx(expected, rel=1e-5)


def test_scores_of_a_set_are_not_shown_once_it_has_grown(out: Path) -> None:
    assert cell_of(out).sets
    arguments = ["run", "solver=wiener", "task=sr4", "n=4", f"out={out}", "references=false"]
    grown = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert grown.exit_code == 0
    assert cell_of(out).sets[0].n == 4
    assert cell_of(out, "pinv").sets[0].n == 3
    assert cell_of(out).set_scores(cell_of(out, "pinv").images)[0].n == 3, "the smaller set keeps its score"


def test_rows_of_different_images_are_compared_as_the_set_that_all_have(out: Path) -> None:
    arguments = ["solver=wiener", "task=sr4", "n=4", f"out={out}", "references=false"]
    assert CliRunner().invoke(main, ["run", *arguments], catch_exceptions=False).exit_code == 0
    text = CliRunner().invoke(main, ["table", "--out", str(out)], catch_exceptions=False).output
    assert "Of the 3 images on which all rows were scored, as one set of first samples" in text
    (cell_of(out).folders[0] / "sets.json").unlink()
    CellStore(cell_of(out).folders[0]).write_checksums()
    assert CliRunner().invoke(main, ["rescore", "--out", str(out)], catch_exceptions=False).exit_code == 0
    assert sorted(len(each.images) for each in cell_of(out).all_sets().values()) == [3, 4]
    assert CliRunner().invoke(main, ["table", "--out", str(out)], catch_exceptions=False).output == text


def test_a_cell_that_has_grown_is_compared_as_the_largest_set_that_all_were_scored_on(out: Path) -> None:
    """As where the reconstructions of some images are gone: released records that were run on, on another machine."""
    arguments = ["solver=wiener,pinv", "task=sr4", "n=5", f"out={out}", "references=false"]
    assert CliRunner().invoke(main, ["run", *arguments], catch_exceptions=False).exit_code == 0
    path = cell_of(out).folders[0] / "sets.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if len(v["images"]) == 3}))
    assert len(cell_of(out).images) == 5
    assert [s.n for s in cell_of(out).sets] == [3]
    both = [cell_of(out), cell_of(out, "pinv")]
    assert len(shared_images(both)) == 5
    assert len(shared_images(both, "psnr", "kid_alex")) == 3
    table = build_tables(both, *CATALOG.for_tables())[0]
    assert any("Of the 3 images on which all rows were scored" in note for note in table.notes)
    assert not any("rows have different images" in note for note in table.notes)
    (score,) = (s for s in cell_of(out).sets if s.metric == "kid_alex")
    assert f"{score.value:.3f} [" in table.render()
    (pair,) = (p for p in pairs(*both) if p.metric == "kid_alex")
    assert pair.old.tolist() == [score.value]


def test_a_cell_that_is_run_again_forgets_the_scores_of_its_sets(out: Path) -> None:
    path = cell_of(out).folders[0] / "sets.json"
    path.write_text(path.read_text().replace('"value": ', '"value": 1'))
    arguments = ["run", "solver=wiener", "task=sr4", "n=3", f"out={out}", "references=false", "overwrite=true"]
    assert CliRunner().invoke(main, arguments, catch_exceptions=False).exit_code == 0
    (score,) = [s for s in cell_of(out).sets if s.metric == "kid_alex"]
    assert score.value < 10


def test_a_lost_reconstruction_and_another_measurement_are_refused(out: Path) -> None:
    cell = cell_of(out)
    measure = Remeasure(replace(cell.run, config=replace(cell.run.config, seed=1)), CATALOG)
    with pytest.raises(StoreError, match="another measurement"):
        rescore(cell, Scorer([Brightness()]), measure)
    path = cell.image_path(cell.images[0])
    assert path is not None
    path.unlink()
    with pytest.raises(StoreError, match="missing"):
        rescore(cell_of(out), Scorer([Brightness()]), Remeasure(cell.run, CATALOG))


def test_a_cell_that_cannot_be_scored_is_reported_and_the_others_are_scored(out: Path) -> None:
    first, last = sorted(("pinv", "wiener"), key=lambda solver: str(cell_of(out, solver).folders[0]))
    lost = cell_of(out, first).image_path(cell_of(out, first).images[0])
    assert lost is not None
    lost.unlink()
    for solver in (first, last):
        (cell_of(out, solver).folders[0] / "sets.json").unlink()
        CellStore(cell_of(out, solver).folders[0]).write_checksums()
    result = CliRunner().invoke(main, ["rescore", "--out", str(out)])
    assert result.exit_code == 2
    assert f"photos/sr4/{first}-" in result.output
    assert "is missing from" in result.output
    assert "1 cell could not be scored" in result.output
    assert cell_of(out, last).sets


def test_what_is_scored_already_needs_no_reconstruction(out: Path) -> None:
    for path in out.rglob("images/*.safetensors"):
        path.unlink()
    for path in out.rglob("checksums.json"):
        CellStore(path.parent).write_checksums()
    metrics = [p.cls() for p in CATALOG.plugins["metric"].values()]
    cell = cell_of(out)
    assert rescore(cell, Scorer(metrics), Remeasure(cell.run, CATALOG)) == 0
    with pytest.raises(StoreError, match=r"the reconstruction of .* is missing"):
        rescore(cell, Scorer([Brightness()]), Remeasure(cell.run, CATALOG))


@pytest.mark.parametrize("command", [["rescore"], ["run", "solver=wiener", "task=sr4", "n=4", "references=false"]])
def test_changed_files_never_get_new_checksums(out: Path, command: list[str]) -> None:
    path = cell_of(out).folders[0] / "records.jsonl"
    path.write_text(path.read_text().replace('"metric": "haarpsi", ', '"metric": "other", '))
    where = ["--out", str(out)] if command == ["rescore"] else [f"out={out}"]
    result = CliRunner().invoke(main, [*command, *where])
    assert result.exit_code != 0
    assert "was changed since its run was complete: records.jsonl has changed" in result.output
    assert CellStore(path.parent).damage() == ["records.jsonl has changed"]
    again = ["run", "solver=wiener", "task=sr4", "n=3", "references=false", "overwrite=true", f"out={out}"]
    assert CliRunner().invoke(main, again).exit_code == 0
    assert CellStore(path.parent).damage() == []


def test_a_single_image_is_no_set(out: Path) -> None:
    cell = cell_of(out)
    one = LoadedCell(cell.id, cell.run, [r for r in cell.rows if r.image == cell.images[0]], cell.folders, 0)
    (cell.folders[0] / "sets.json").unlink()
    score_set(one, Scorer([KidAlex()]), Remeasure(cell.run, CATALOG))
    assert cell_of(out).sets == []


def test_damaged_scores_of_a_set_are_reported_with_advice(out: Path) -> None:
    (cell_of(out).folders[0] / "sets.json").write_text("{")
    with pytest.warns(UserWarning, match=r"sets\.json cannot be read .* delete it and run 'invbench rescore'"):
        assert cell_of(out).sets == []
