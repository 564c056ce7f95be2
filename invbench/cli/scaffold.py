"""``invbench new solver NAME``: a new distribution with a solver that runs."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from invbench.errors import ConfigError, StoreError
from invbench.plugins import Catalog

MODULE = '''"""One sentence: what the method does. Paper, authors, year, algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from invbench import SVDOperator, Solver, hookimpl


@dataclass(frozen=True)
class {cls}(Solver):
    """Its fields are its options: ``solver.gain=2`` on the command line."""

    name: ClassVar[str] = "{name}"
    summary: ClassVar[str] = "Tweedie's estimate from the pseudo-inverse, to be replaced by yours"
    operator_type: ClassVar[type] = SVDOperator  # or Operator, differentiable; LinearOperator, with .T
    needs_sigma: ClassVar[bool] = True  # reads problem.sigma, the noise level on [-1, 1]
    gain: float = 1.0

    def prepare(self, problem, prior):
        """Once a cell, untimed: the step at which the prior's noise is that of the measurement."""
        sigma_t = ((1 - prior.abar) / prior.abar).sqrt()
        return int((sigma_t - self.gain * problem.sigma).abs().argmin())

    def solve(self, y, problem, prior, state, rng, on_step=None):
        """y (B, *y_shape) -> x_hat (B, C, H, W) in [-1, 1]; this is timed, and draws from rng alone."""
        t = state
        x_t = prior.alpha_bar(t) ** 0.5 * problem.A.pinv(y)
        return prior.x0(x_t, t)  # also prior.eps(x_t, t)


@hookimpl
def invbench_register_solvers():
    return [{cls}]
'''
PROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "invbench-{dashed}"
version = "0.1.0"
dependencies = ["invbench"]

[project.entry-points.invbench]
solver_{name} = "invbench_{name}"

[tool.setuptools]
py-modules = ["invbench_{name}"]
"""
NEXT = """{folder}/invbench_{name}.py holds the solver. Next:

  pip install --editable {folder}
  invbench check {name}
  invbench run solver={name},ddrm task=denoise"""


def new_solver(name: str, where: Path, catalog: Catalog) -> str:
    """Write ``where``/invbench-NAME; returns what to do next.

    Raises ConfigError for an invalid name, or one that a solver has, StoreError if nothing can be written.
    """
    if keyword.iskeyword(name):
        raise ConfigError(f"{name!r} is a Python keyword; choose another name for the solver")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"a solver's name has small letters, digits and _, as my_solver; got {name!r}")
    if name in catalog.plugins["solver"]:
        existing_plugin = catalog.plugin("solver", name)
        raise ConfigError(f"{existing_plugin.distribution} has a solver {name!r} already; choose another name")
    folder = where / f"invbench-{name.replace('_', '-')}"
    words = {"name": name, "dashed": name.replace("_", "-"), "cls": name.title().replace("_", "")}
    try:
        folder.mkdir(parents=True)
        (folder / f"invbench_{name}.py").write_text(MODULE.format(**words), encoding="utf-8")
        (folder / "pyproject.toml").write_text(PROJECT.format(**words), encoding="utf-8")
    except FileExistsError:
        raise StoreError(f"{folder} exists already; choose another name, or remove it") from None
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror or error}") from None
    return NEXT.format(folder=folder, name=name)
