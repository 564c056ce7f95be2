"""Scores made after the fact: equal to those of a run, of the same measurements, and never of a solver's work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from msgspec.structs import replace
from running import scored_cell

from invbench import Measurement, Metric
from invbench.analysis.comparable import shared_images
from invbench.analysis.pairs import pairs
from invbench.analysis.tables import build_tables
from invbench.cli import main
from invbench.errors import StoreError
from invbench.harness.rebuild import Remeasure
from invbench.harness.rescore import rescore
from invbench.harness.scoring import Scorer
from invbench.metrics.distortion import PSNR
from invbench.plugins import load_catalog
from invbench.store.writer import CellStore

CATALOG = load_catalog()


class Brightness(Metric):
    """A stranger's metric, installed after the run."""

    name, protocol, unit = "brightness", "brightness/mean", ""

    def __call__(self, x_hat: torch.Tensor, measurement: Measurement) -> torch.Tensor:
        return x_hat.flatten(1).mean(1)


def test_a_new_metric_is_computed_from_stored_reconstructions(out: Path) -> None:
    cell = scored_cell(out)
    assert rescore(cell, Scorer([PSNR(), Brightness()]), Remeasure(cell.run, CATALOG)) == 3
    after = scored_cell(out)
    for image in after.images:
        (row,) = [r for r in after.rows if r.metric == "brightness" and r.image == image]
        assert row.value == pytest.approx(after.reconstructions(image)[0].mean().item(), abs=1e-6)
    assert rescore(after, Scorer([Brightness()]), Remeasure(cell.run, CATALOG)) == 0


def test_recomputed_scores_are_those_of_the_run(out: Path) -> None:
    before = scored_cell(out)
    path = before.folders[0] / "records.jsonl"
    lines = [line for line in path.read_text().splitlines() if json.loads(line)["metric"] not in ("ssim", "haarpsi")]
    path.write_text("\n".join(lines) + "\n")
    CellStore(path.parent).write_checksums()
    result = CliRunner().invoke(main, ["rescore", "solver=wiener", "--out", str(out)], catch_exceptions=False)
    assert "6 new scores of 3 images" in result.output
    was, now = ({(r.image, r.metric, r.sample): r.value for r in c.rows} for c in (before, scored_cell(out)))
    assert was == pytest.approx(now, rel=1e-9)


def test_rows_of_different_images_are_compared_as_the_set_that_all_have(out: Path) -> None:
    arguments = ["solver=wiener", "task=sr4", "n=4", f"out={out}", "references=false"]
    assert CliRunner().invoke(main, ["run", *arguments], catch_exceptions=False).exit_code == 0
    text = CliRunner().invoke(main, ["table", "--out", str(out)], catch_exceptions=False).output
    assert "Of the 3 images on which all rows were scored, as one set of first samples" in text
    (scored_cell(out).folders[0] / "sets.json").unlink()
    CellStore(scored_cell(out).folders[0]).write_checksums()
    assert CliRunner().invoke(main, ["rescore", "--out", str(out)], catch_exceptions=False).exit_code == 0
    assert sorted(len(each.images) for each in scored_cell(out).all_sets().values()) == [3, 4]
    assert CliRunner().invoke(main, ["table", "--out", str(out)], catch_exceptions=False).output == text


def test_a_cell_that_has_grown_is_compared_as_the_largest_set_that_all_were_scored_on(out: Path) -> None:
    """As where the reconstructions of some images are gone: released records that were run on, on another machine."""
    arguments = ["solver=wiener,pinv", "task=sr4", "n=5", f"out={out}", "references=false"]
    assert CliRunner().invoke(main, ["run", *arguments], catch_exceptions=False).exit_code == 0
    path = scored_cell(out).folders[0] / "sets.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if len(v["images"]) == 3}))
    assert len(scored_cell(out).images) == 5
    assert [s.n for s in scored_cell(out).sets] == [3]
    both = [scored_cell(out), scored_cell(out, "pinv")]
    assert len(shared_images(both)) == 5
    assert len(shared_images(both, "psnr", "kid_alex")) == 3
    table = build_tables(both, *CATALOG.for_tables())[0]
    assert any("Of the 3 images on which all rows were scored" in note for note in table.notes)
    assert not any("rows have different images" in note for note in table.notes)
    (score,) = (s for s in scored_cell(out).sets if s.metric == "kid_alex")
    assert f"{score.value:.3f} [" in table.render()
    (pair,) = (p for p in pairs(*both) if p.metric == "kid_alex")
    assert pair.old.tolist() == [score.value]


def test_rows_of_other_images_are_not_to_be_rescored_where_their_reconstructions_are_gone(out: Path) -> None:
    arguments = ["solver=wiener", "task=sr4", "n=4", f"out={out}", "references=false"]
    assert CliRunner().invoke(main, ["run", *arguments], catch_exceptions=False).exit_code == 0
    path = scored_cell(out).folders[0] / "sets.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if len(v["images"]) == 4}))

    def note() -> str:
        cells = [scored_cell(out), scored_cell(out, "pinv")]
        notes = build_tables(cells, *CATALOG.for_tables())[0].notes
        return next(note for note in notes if "rows have different images" in note)

    assert "'invbench rescore' scores kid_alex on those all have" in note()
    for file in scored_cell(out).folders[0].glob("images/*"):
        file.unlink()  # as in released records
    assert "run the others with n=4" in note()
    assert "rescore" not in note()


def test_a_lost_reconstruction_and_another_measurement_are_refused(out: Path) -> None:
    cell = scored_cell(out)
    measure = Remeasure(replace(cell.run, config=replace(cell.run.config, seed=1)), CATALOG)
    with pytest.raises(StoreError, match="another measurement"):
        rescore(cell, Scorer([Brightness()]), measure)
    path = cell.image_path(cell.images[0])
    assert path is not None
    path.unlink()
    with pytest.raises(StoreError, match="missing"):
        rescore(scored_cell(out), Scorer([Brightness()]), Remeasure(cell.run, CATALOG))


def test_a_cell_that_cannot_be_scored_is_reported_and_the_others_are_scored(out: Path) -> None:
    first, last = sorted(("pinv", "wiener"), key=lambda solver: str(scored_cell(out, solver).folders[0]))
    lost = scored_cell(out, first).image_path(scored_cell(out, first).images[0])
    assert lost is not None
    lost.unlink()
    for solver in (first, last):
        (scored_cell(out, solver).folders[0] / "sets.json").unlink()
        CellStore(scored_cell(out, solver).folders[0]).write_checksums()
    result = CliRunner().invoke(main, ["rescore", "--out", str(out)])
    assert result.exit_code == 2
    assert f"photos/sr4/{first}-" in result.output
    assert "is missing from" in result.output
    assert "1 cell could not be scored" in result.output
    assert scored_cell(out, last).sets


def test_what_is_scored_already_needs_no_reconstruction(out: Path) -> None:
    for path in out.rglob("images/*.safetensors"):
        path.unlink()
    for path in out.rglob("checksums.json"):
        CellStore(path.parent).write_checksums()
    metrics = [p.cls() for p in CATALOG.plugins["metric"].values()]
    cell = scored_cell(out)
    assert rescore(cell, Scorer(metrics), Remeasure(cell.run, CATALOG)) == 0
    with pytest.raises(StoreError, match=r"the reconstruction of .* is missing"):
        rescore(cell, Scorer([Brightness()]), Remeasure(cell.run, CATALOG))


@pytest.mark.parametrize("command", [["rescore"], ["run", "solver=wiener", "task=sr4", "n=4", "references=false"]])
def test_changed_files_never_get_new_checksums(out: Path, command: list[str]) -> None:
    path = scored_cell(out).folders[0] / "records.jsonl"
    path.write_text(path.read_text().replace('"metric": "haarpsi", ', '"metric": "other", '))
    where = ["--out", str(out)] if command == ["rescore"] else [f"out={out}"]
    result = CliRunner().invoke(main, [*command, *where])
    assert result.exit_code != 0
    assert "was changed since its run was complete: records.jsonl has changed" in result.output
    assert CellStore(path.parent).damage() == ["records.jsonl has changed"]
    again = ["run", "solver=wiener", "task=sr4", "n=3", "references=false", "overwrite=true", f"out={out}"]
    assert CliRunner().invoke(main, again).exit_code == 0
    assert CellStore(path.parent).damage() == []


def test_damaged_scores_of_a_set_are_reported_with_advice(out: Path) -> None:
    (scored_cell(out).folders[0] / "sets.json").write_text("{")
    with pytest.warns(UserWarning, match=r"sets\.json cannot be read .* delete it and run 'invbench rescore'"):
        assert scored_cell(out).sets == []
