"""Plugins that are broken on purpose, each in one way that the conformance kit must catch, and good ones as controls.

``ZOO`` holds (kind, class, the check that names the fault, what else then fails), ``CONTROLS`` (kind, class).
"""

from zoo import datasets, devices, metrics, priors, solvers, tasks
from zoo.register import CONTROLS, ZOO

__all__ = ["CONTROLS", "ZOO", "datasets", "devices", "metrics", "priors", "solvers", "tasks"]
