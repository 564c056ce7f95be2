"""Checks of what a plugin class must declare."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Collection
from typing import Any

from invbench.dataset import Benchmark, Dataset
from invbench.errors import PluginError
from invbench.metric import Metric
from invbench.operator import PRECISIONS
from invbench.prior import PriorSource
from invbench.solver import Solver
from invbench.task import Task
from invbench.tracker import Tracker

KINDS: dict[str, type] = {
    "solver": Solver,
    "task": Task,
    "dataset": Dataset,
    "prior": PriorSource,
    "metric": Metric,
    "tracker": Tracker,
}


LONGEST = 64


NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST - 1}}}", re.ASCII)  # of folders, options and tables


def check(cls: Any, kind: str, interface: type) -> None:
    if not (isinstance(cls, type) and interface in cls.__mro__):
        raise PluginError(f"expected a subclass of invbench.{interface.__name__} for a {kind}; got {cls!r}")
    _check_class(cls, kind)


def _check_class(cls: Any, kind: str) -> None:
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise PluginError(f"{kind} {cls.__name__} does not define: {missing}")
    name = getattr(cls, "name", None)
    if not isinstance(name, str):
        raise PluginError(f"{kind} {cls.__name__} needs a class attribute 'name'")
    if not NAME.fullmatch(name):
        raise PluginError(
            f"{kind} {cls.__name__}: its name must be of letters, digits, _ and -, begin with a letter or digit and be "
            f"at most {LONGEST} characters long; got {name[:80]!r}"
        )
    if kind == "metric":
        _check_metric(cls)
    elif kind != "tracker":  # which has no options
        _check_options(cls, kind)
    if kind == "solver":
        _check_solve(cls)
    if kind in ("solver", "task"):
        _check_precisions(cls, kind)
    if kind == "dataset" and cls.benchmark is not None:
        _check_benchmark(cls)


def _check_benchmark(cls: Any) -> None:
    """A preset, of the dataset's name."""
    if not isinstance(cls.benchmark, Benchmark):
        raise PluginError(f"dataset {cls.name}: expected an invbench.Benchmark as benchmark; got {cls.benchmark!r}")
    if cls.benchmark.name != cls.name:
        raise PluginError(f"dataset {cls.name}: its benchmark must have its name; got {cls.benchmark.name!r}")


def _check_metric(cls: Any) -> None:
    """The texts and numbers by which a table shows a metric."""
    for name in ("protocol", "unit", "digits", "table"):
        if not isinstance(getattr(cls, name, None), str):
            raise PluginError(f"metric {cls.name}: expected a text as class attribute {name!r}")
    if not cls.protocol:
        raise PluginError(f"metric {cls.name}: its protocol is empty; say what the number depends on")
    if getattr(cls, "higher_is_better", 0) not in (True, False, None):
        raise PluginError(f"metric {cls.name} needs higher_is_better: True, False, or None (nearest to target is best)")
    if cls.target is not None and not isinstance(cls.target, int | float):
        raise PluginError(f"metric {cls.name}: expected a number or None as target; got {cls.target!r}")
    if not isinstance(cls.order, int) or not isinstance(cls.headline, bool):
        raise PluginError(
            f"metric {cls.name}: expected a whole number as order, True or False as headline; got {cls.order!r}, "
            f"{cls.headline!r}"
        )
    try:
        format(0.0, cls.digits)
    except ValueError:
        raise PluginError(
            f"metric {cls.name}: digits must be a number format such as '.3f'; got {cls.digits!r}"
        ) from None


def _check_options(cls: Any, kind: str) -> None:
    """The options are the fields of a frozen dataclass, each with a default; nothing else may look like an option."""
    params = vars(cls).get("__dataclass_params__")
    if params is None or not params.frozen:
        raise PluginError(f"{kind} {cls.__name__} must be a frozen dataclass: its fields are its options")
    declared = {
        name: str(note) for base in cls.__mro__[1:] for name, note in vars(base).get("__annotations__", {}).items()
    }
    for f in dataclasses.fields(cls):
        if "ClassVar" in declared.get(f.name, ""):
            raise PluginError(f"{kind} {cls.__name__}: {f.name} is not an option; write {f.name}: {declared[f.name]} =")
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise PluginError(f"{kind} {cls.__name__}: option {f.name} needs a default")
    _check_annotated(cls, kind, declared | vars(cls).get("__annotations__", {}))


def _check_annotated(cls: Any, kind: str, declared: Collection[str]) -> None:
    """Raise PluginError for class attributes without annotation, which look like options but are not."""
    for name, value in vars(cls).items():
        if isinstance(value, bool | int | float | str) and not name.startswith("_") and name not in declared:
            raise PluginError(
                f"{kind} {cls.__name__}: {name} = {value!r} has no annotation; write "
                f"{name}: {type(value).__name__} for an option, {name}: ClassVar[...] otherwise"
            )


def _check_precisions(cls: Any, kind: str) -> None:
    """The precisions that it claims are known ones, float32 among them, in which runs are."""
    claimed = cls.precisions
    if not isinstance(claimed, tuple) or "float32" not in claimed or not set(claimed) <= set(PRECISIONS):
        raise PluginError(
            f"{kind} {cls.name}: expected precisions of {', '.join(map(repr, PRECISIONS))}, a tuple with 'float32', in "
            f"which runs are; got {claimed!r}"
        )


def _check_solve(cls: Any) -> None:
    """``solve`` takes the arguments that the runner passes."""
    try:
        inspect.signature(cls.solve).bind("self", "y", "problem", "prior", "state", "rng")
    except TypeError as error:
        expected = "solve(self, y, problem, prior, state, rng, on_step=None)"
        raise PluginError(f"solver {cls.__name__}: expected {expected}; got another signature ({error})") from None
