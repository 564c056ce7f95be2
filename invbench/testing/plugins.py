"""Every check of every kind of plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from invbench.plugins import Plugin
from invbench.testing import data, metrics, solvers, tasks
from invbench.testing.findings import Check, Finding, judge
from invbench.testing.solver_lab import SolverLab


@dataclass(frozen=True)
class Kit:
    """How a class of one kind is set up for examination, and its checks by name."""

    lab: Callable[[Any], Any]
    checks: Mapping[str, Check]


KITS = {
    "solver": Kit(SolverLab, solvers.CHECKS),
    "task": Kit(tasks.TaskLab, tasks.CHECKS),
    "dataset": Kit(data.DatasetLab, data.DATASET_CHECKS),
    "prior": Kit(data.PriorLab, data.PRIOR_CHECKS),
    "metric": Kit(metrics.MetricLab, metrics.CHECKS),
}


def check_plugin(plugin: Plugin) -> list[Finding]:
    """Run the conformance tests on a plugin. Exceptions of the plugin become findings.

    >>> from invbench.plugins import Plugin
    >>> from invbench.metrics.distortion import PSNR
    >>> [finding.status for finding in check_plugin(Plugin("metric", "psnr", PSNR, "invbench", "0"))]
    ['pass', 'pass', 'pass', 'pass', 'pass', 'pass', 'pass']
    """
    kit = KITS[plugin.kind]
    lab = cache(lambda: kit.lab(plugin.cls))
    return [judge(name, check, lab) for name, check in kit.checks.items()]
