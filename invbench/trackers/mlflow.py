"""MLflow: a run for each cell and training, tagged with the key, by which a repeated cell finds its run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from invbench import ConfigError, Tracker, hookimpl

if TYPE_CHECKING:
    from PIL.Image import Image

KEY = "invbench.key"
STATUS = {"interrupted": "KILLED", "failed": "FAILED"}  # MLflow's statuses; all others are FINISHED


class MlflowTracker(Tracker):
    """Runs of MLflow at MLFLOW_TRACKING_URI, in the experiment MLFLOW_EXPERIMENT_NAME, or ``invbench``."""

    name: ClassVar[str] = "mlflow"
    summary: ClassVar[str] = "MLflow (needs the extra mlflow)"

    def __init__(self) -> None:
        try:
            import mlflow
        except ImportError:
            raise ConfigError("track=mlflow needs the package mlflow: pip install 'invbench[mlflow]'") from None
        self.mlflow = mlflow

    def begin(self, kind: str, name: str, key: str, config: Mapping[str, Any]) -> None:
        self.client = self.mlflow.MlflowClient()
        title = os.environ.get("MLFLOW_EXPERIMENT_NAME", "invbench")
        there = self.client.get_experiment_by_name(title)
        experiment = there.experiment_id if there else self.client.create_experiment(title)
        known = self.client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", max_results=1)
        run = known[0] if known else self.client.create_run(experiment, run_name=name, tags={KEY: key, "kind": kind})
        self.run_id = run.info.run_id
        self.client.update_run(self.run_id, status="RUNNING")
        self.mlflow.log_params({**config}, run_id=self.run_id)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.mlflow.log_metrics({**values}, step=step, run_id=self.run_id)

    def end(self, status: str, values: Mapping[str, float], picture: Image | None) -> None:
        self.mlflow.log_metrics({**values}, run_id=self.run_id)
        self.client.set_tag(self.run_id, "status", status)
        if picture:
            self.client.log_image(self.run_id, picture, artifact_file="picture.png")
        self.client.set_terminated(self.run_id, STATUS.get(status, "FINISHED"))


@hookimpl
def invbench_register_trackers() -> list[type[Tracker]]:
    return [MlflowTracker]
