"""Every check of every kind of plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from invbench.operator import Shape
from invbench.plugins import Plugin
from invbench.testing import data, metrics, solvers, tasks
from invbench.testing.findings import Check, Finding, judge
from invbench.testing.solver_lab import SolverLab


@dataclass(frozen=True)
class Kit:
    """How a class of one kind is set up for examination, and its checks by name."""

    lab: Callable[..., Any]
    checks: Mapping[str, Check]


KITS = {
    "solver": Kit(SolverLab, solvers.CHECKS),
    "task": Kit(tasks.TaskLab, tasks.CHECKS),
    "dataset": Kit(data.DatasetLab, data.DATASET_CHECKS),
    "prior": Kit(data.PriorLab, data.PRIOR_CHECKS),
    "metric": Kit(metrics.MetricLab, metrics.CHECKS),
}


SIZED = ("task", "prior")  # kinds that are examined for images of a shape


def check_plugin(plugin: Plugin, x_shape: Shape = ()) -> list[Finding]:
    """Run the conformance tests on a plugin. Exceptions of the plugin become findings.

    ``x_shape`` is that of the images of a task or prior, by default those of presets that name it, and others.

    >>> from invbench.plugins import Plugin
    >>> from invbench.metrics.distortion import PSNR
    >>> [finding.status for finding in check_plugin(Plugin("metric", "psnr", PSNR, "invbench", "0"))]
    ['pass', 'pass', 'pass', 'pass', 'pass', 'pass', 'pass']
    """
    kit = KITS[plugin.kind]
    size = {"x_shape": x_shape} if plugin.kind in SIZED else {}
    lab = cache(lambda: kit.lab(plugin.cls, **size))
    return [judge(name, check, lab) for name, check in kit.checks.items()]
