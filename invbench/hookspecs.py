"""The seven hooks. A plugin module implements those it needs with ``@hookimpl`` and returns classes."""

from __future__ import annotations

import pluggy

from invbench.dataset import Dataset
from invbench.metric import Metric
from invbench.noise import Noise
from invbench.prior import PriorSource
from invbench.solver import Solver
from invbench.task import Task
from invbench.tracker import Tracker

hookspec = pluggy.HookspecMarker("invbench")
hookimpl = pluggy.HookimplMarker("invbench")


@hookspec
def invbench_register_solvers() -> list[type[Solver]]:  # type: ignore[empty-body]
    """Return the Solver classes this plugin offers."""


@hookspec
def invbench_register_tasks() -> list[type[Task]]:  # type: ignore[empty-body]
    """Return the Task classes this plugin offers."""


@hookspec
def invbench_register_datasets() -> list[type[Dataset]]:  # type: ignore[empty-body]
    """Return the Dataset classes this plugin offers."""


@hookspec
def invbench_register_priors() -> list[type[PriorSource]]:  # type: ignore[empty-body]
    """Return the PriorSource classes this plugin offers."""


@hookspec
def invbench_register_metrics() -> list[type[Metric]]:  # type: ignore[empty-body]
    """Return the Metric classes this plugin offers."""


@hookspec
def invbench_register_noises() -> list[type[Noise]]:  # type: ignore[empty-body]
    """Return the Noise classes this plugin offers; its entry point must be called ``noise_...``."""


@hookspec
def invbench_register_trackers() -> list[type[Tracker]]:  # type: ignore[empty-body]
    """Return the Tracker classes this plugin offers."""
