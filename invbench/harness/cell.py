"""A cell, which is the unit of running, and the options of running it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path

import torch

from invbench.artifacts import weights_sha256
from invbench.dataset import Benchmark, Dataset
from invbench.errors import ConfigError, DataError, PluginError
from invbench.harness.bank import MeasurementBank
from invbench.harness.outcome import OnProgress
from invbench.harness.scoring import OnStage
from invbench.noise import Sigma
from invbench.plugins import source_sha256
from invbench.prior import PriorSource
from invbench.problem import Problem
from invbench.solver import Solver, Trainable, declared_mismatch
from invbench.store.schema import JSON, Config, Part, Preset, Run
from invbench.task import Task


@dataclass(frozen=True)
class Cell:
    """A solver on a task of a benchmark with one seed: everything that determines its numbers."""

    benchmark: Benchmark
    task: Task
    dataset: Dataset
    source: PriorSource
    solver: Solver
    seed: int = 0
    samples: int = 1
    assumed: str = ""  # the noise level that the solver is given if the noise hides its own
    plugins: tuple[tuple[str, str], ...] = ()  # distributions and versions the parts came with
    origins: Mapping[str, str] = field(default_factory=dict)  # where each of the solver's values comes from

    def config(self) -> Config:
        """Everything that determines its numbers: two cells with equal configurations are the same cell."""
        placed = self._placed()
        weights = self._weights(self.solver) if isinstance(self.solver, Trainable) else None
        hashes = {"prior": _text("prior", self.source), "dataset": _text("dataset", self.dataset) or None}
        hashes |= {"solver": weights, "task": _text("task", self.task) or None}
        parts = {
            kind: Part(part.name, {k: v for k, v in _options(part).items() if k not in placed[kind]}, hashes.get(kind))
            for kind, part in self._parts().items()
        }
        preset = Preset(self.benchmark.name, self.benchmark.version)
        return Config(
            preset, **parts, seed=self.seed, samples=self.samples, plugins=dict(self.plugins), assumed=self.assumed
        )

    def places(self) -> dict[str, str]:
        """Where its files were found, by option; not part of its identity, which has the hashes of the files."""
        placed, parts = self._placed(), {kind: _options(part) for kind, part in self._parts().items()}
        by_option = {f"{kind}.{key}": str(parts[kind][key]) for kind, keys in placed.items() for key in keys}
        return {option: place for option, place in by_option.items() if place}

    def _weights(self, solver: Trainable) -> str:
        """The hash of a solver's weights.

        Raises DataError if there are none, ConfigError if in addition no training could make them.
        """
        try:
            return weights_sha256(solver.checkpoint(self.benchmark.name, self.task.name))
        except DataError:
            bank = MeasurementBank.open(self.benchmark, self.dataset, self.task, self.seed)
            if reason := declared_mismatch(solver, self.as_given(bank.problem())):
                raise ConfigError(f"solver {solver.name} {reason}") from None
            raise

    def _parts(self) -> dict[str, Task | Dataset | PriorSource | Solver]:
        return {"task": self.task, "dataset": self.dataset, "prior": self.source, "solver": self.solver}

    def _placed(self) -> dict[str, tuple[str, ...]]:
        """The options that only say where files lie, by kind."""
        files = {"prior": self.source, **({"solver": self.solver} if isinstance(self.solver, Trainable) else {})}
        weights = {kind: ("weights",) for kind, part in files.items() if hasattr(part, "weights")}
        return {"task": self.task.places, "dataset": self.dataset.places, "prior": (), "solver": (), **weights}

    def as_given(self, problem: Problem) -> Problem:
        """The problem in the form that the solver is given."""
        return replace(problem, sigma_y=Sigma.parse(self.assumed).pm1) if self.assumed else problem

    def code(self) -> dict[str, str]:
        """Hashes of the plugins' source, which are recorded but are not part of the cell's identity."""
        return {"solver": source_sha256(type(self.solver)), "task": source_sha256(type(self.task))}


@dataclass(frozen=True)
class Options:
    """How a cell is run; nothing here changes its numbers."""

    out: Path
    n: int
    batch_size: int = 16
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    shard: tuple[int, int] = (0, 1)
    overwrite: bool = False
    command: str = ""
    command_id: str = ""  # identifies the command, which overwrites a cell only once
    joined: bool = False  # whether its command runs all shards
    compile: bool | None = False  # None: where the planned calls repay it


@dataclass(frozen=True)
class Watch:
    """Callbacks of a running cell: its folder and run.json, once; the images done; the metric that is computed."""

    on_begin: Callable[[Path, Run], None] = lambda folder, run: None
    on_progress: OnProgress = lambda done, total: None
    on_stage: OnStage = lambda name: None


def _options(part: object) -> dict[str, JSON]:
    """The fields of a plugin, which is a dataclass."""
    assert is_dataclass(part)
    assert not isinstance(part, type)
    return asdict(part)


def _text(kind: str, part: PriorSource | Dataset | Task) -> str:
    """A part's fingerprint. Raises PluginError if it is no text."""
    value: object = part.fingerprint()
    if not isinstance(value, str):
        raise PluginError(f"{kind} {part.name}: expected a text as fingerprint; got a {type(value).__name__}")
    return value
