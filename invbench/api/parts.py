"""The parts of a restoration: plugins by name, with their presets, or the user's own objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from invbench.api.words import words_of
from invbench.errors import ConfigError, unknown
from invbench.harness.choices import choices
from invbench.harness.config import Choice, assumed_level, composed
from invbench.noise import Sigma
from invbench.operator import Operator, Shape
from invbench.plugins import Catalog, load_catalog
from invbench.prior import Prior, PriorSource, picture_channels
from invbench.problem import Problem
from invbench.rng import Rng
from invbench.solver import Solver
from invbench.task import Task

COMPOSED = ("assume", "settings")  # options of a run that are options of restore, too
OBJECTS: tuple[tuple[str, type, str], ...] = (
    ("solver", Solver, "a class is called first, as invbench.plugin('solver', 'ddrm')()"),
    ("A", Operator, "operator_from(function, (C, H, W)) makes one of a function"),
    ("prior", Prior, "prior_from(network, (C, H, W)) makes one of a network, and load((C, H, W), device) of a source"),
)
TAKEN = (
    *COMPOSED,
    "solver",
    "task",
    "prior",
    "benchmark",
    "sigma",
    "samples",
    "seed",
    "tile",
    "size",
    "device",
    "batch_size",
)


@dataclass(frozen=True)
class Parts:
    """A solver with the noise level ``sigma`` that it is given, a task or an operator, and a prior or its source."""

    solver: Solver
    task: Task
    source: PriorSource
    benchmark: str
    sigma: float | None  # on [-1, 1]
    own_operator: Operator | None = None
    own_prior: Prior | None = None

    def operator(self, x_shape: Shape) -> Operator:
        """A for images of this shape. Raises ConfigError if A takes images of another shape."""
        if self.own_operator is None:
            return self.task.operator(x_shape, Rng.single(purpose="operator", task=self.task.name, use="restore"))
        if tuple(self.own_operator.x_shape) != tuple(x_shape):
            shape = tuple(self.own_operator.x_shape)
            raise ConfigError(f"the operator is for images of shape {shape}; this one has {tuple(x_shape)}")
        return self.own_operator

    def prior(self, x_shape: Shape, device: torch.device) -> Prior:
        """The prior for images of this shape. Raises ConfigError or DataError."""
        return self.own_prior or self.source.load(x_shape, device)

    @property
    def channels(self) -> int:
        """Channels of the pictures that the prior takes: 1 if it takes only grey ones, else 3."""
        if self.own_prior is not None:
            return 1 if self.own_prior.x_shape[0] == 1 else 3
        return picture_channels(self.source)

    def refuse(self, x_shape: Shape) -> None:
        """Raise ConfigError if the prior takes no images of this shape."""
        if self.own_prior is None:
            self.source.refuse(x_shape)

    def problem(self, A: Operator) -> Problem:
        """The problem that the solver is given."""
        options = {key: value for key, value in asdict(self.task).items() if key != "noise"}
        name = self.task.name if self.own_operator is None else "own"
        return Problem(A, self.sigma, name, "own", self.benchmark, options)


def parts_of(
    solver: str | Solver,
    A: str | Operator,
    sigma: str | Sigma | None,
    prior: str | Prior,
    benchmark: str,
    options: Mapping[str, Any],
) -> Parts:
    """The plugins and objects. Raises ConfigError or PluginError for unknown names and options, or without a level."""
    refuse_others(options)
    _refuse_unlike(solver, A, prior)
    noise = {} if sigma is None else {"task__noise": f"gaussian {Sigma.parse(str(sigma))}"}
    named = {**_names(solver, A, prior, benchmark), **noise}
    if both := named.keys() & options.keys():
        raise ConfigError(f"{', '.join(both)} is given twice; give sigma, or the task's noise")
    catalog = load_catalog()
    choice = _one_job(words_of({**named, **options}), catalog)
    cell = composed(choice, catalog)
    own = solver if isinstance(solver, Solver) else cell.solver
    stated = "task__noise" in {**noise, **options}
    if own.needs_sigma and not stated:
        raise ConfigError(f"solver {own.name} needs the level of the noise: sigma='0.02 [0,1]'")
    return Parts(
        own,
        cell.task,
        cell.source,
        benchmark,
        _level(cell.task, own, choice.config.assume) if stated else None,
        A if isinstance(A, Operator) else None,
        prior if isinstance(prior, Prior) else None,
    )


def _refuse_unlike(*given: object) -> None:
    """Raise ConfigError for a solver, an operator or a prior that is neither a name nor an object of its kind."""
    for (what, cls, advice), each in zip(OBJECTS, given, strict=True):
        if not isinstance(each, str | cls):
            kind = getattr(each, "__name__", type(each).__name__)
            raise ConfigError(f"{what}: expected a name or an object of {cls.__name__}, got {kind}; {advice}")


def _one_job(words: list[str], catalog: Catalog) -> Choice:
    """The job of the words. Raises ConfigError where they make several."""
    jobs = list(choices(words, catalog))
    if len(jobs) != 1:
        raise ConfigError(f"expected one value of each option; these make {len(jobs)} jobs")
    return jobs[0]


def refuse_others(options: Mapping[str, Any]) -> None:
    """Raise ConfigError for an option that restore does not take, as those of a run that records something."""
    for key in options:
        if key not in COMPOSED and key.partition("__")[0] not in ("solver", "task", "prior"):
            raise ConfigError(unknown("option of restore", key.replace("__", "."), TAKEN))


def _names(solver: str | Solver, A: str | Operator, prior: str | Prior, benchmark: str) -> dict[str, str]:
    """The names, with stand-ins for parts that are given as objects."""
    names = {"benchmark": benchmark, "solver": "pinv", "task": "denoise"}
    parts = {"solver": solver, "task": A, "prior": prior}
    return names | {kind: each for kind, each in parts.items() if isinstance(each, str) and each}


def _level(task: Task, solver: Solver, assume: str) -> float | None:
    """The level that a solver is given, on [-1, 1]: the noise's own or, if it has none, the one to assume."""
    assumed = assumed_level(assume, task, solver)
    return Sigma.parse(assumed).pm1 if assumed else task.noise_model.sigma_y
