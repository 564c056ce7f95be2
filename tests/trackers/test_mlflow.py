"""MLflow without a server: what its local stores hold of a cell and of a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tracking import followed

from invbench.harness.tracking import means

mlflow: Any = pytest.importorskip("mlflow", reason="needs the extra mlflow")


@pytest.mark.long
@pytest.mark.parametrize("store", ["sqlite", "file"])
def test_cells_and_trainings_are_runs_of_mlflow(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"sqlite:///{tmp_path}/mlflow.db" if store == "sqlite" else f"file:{tmp_path}/mlruns"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    cell = followed("mlflow", tmp_path, MLFLOW_TRACKING_URI=place)
    client = mlflow.MlflowClient(place)
    experiment = client.get_experiment_by_name("invbench").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert len(runs) == 2, "a cell that is run again is the same run"

    run = runs["gmm/denoise/ddrm"]
    assert run.info.status == "FINISHED"
    assert {"invbench.key": cell.id, "kind": "cell", "status": "complete"}.items() <= run.data.tags.items()
    assert {"solver.nfe": "3", "benchmark.name": "gmm", "seed": "0"}.items() <= run.data.params.items()
    assert run.data.metrics == pytest.approx(means(cell), nan_ok=True)
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["picture.png"]

    training = runs["gmm2d/denoise/davi"]
    assert training.data.tags["kind"] == "training"
    assert training.data.params["training.steps"] == "20"
    log = [json.loads(line) for line in (tmp_path / "here" / "train.jsonl").read_text().splitlines()]
    lines = [(line["step"], key, value) for line in log for key, value in line.items() if key not in ("step", "time")]
    assert {key for _, key, _ in lines} == set(training.data.metrics)
    for step, key, value in lines:
        history = [(each.step, each.value) for each in client.get_metric_history(training.info.run_id, key)]
        assert (step, pytest.approx(value)) in history
