"""From the user's options to a cell: plugins, presets, settings.

A plugin's dataclass is its Hydra node; there are no YAML files. The value of a field of a task or solver is, in this
order of precedence, the user's, the benchmark preset's (for a solver, from the TOML file beside it), or the default.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import yaml
from omegaconf import DictConfig, OmegaConf

from invbench.dataset import Benchmark, Dataset
from invbench.errors import ConfigError
from invbench.guard import contained
from invbench.harness.nodes import defaults_of, field_names, make, typed_settings
from invbench.harness.options import GROUPS, HYDRAS, RunConfig
from invbench.harness.overrides import decoded
from invbench.harness.places import folder
from invbench.noise import Sigma, canonical, origin_of
from invbench.numbers import numbers_of
from invbench.plugins import Catalog, Plugin
from invbench.prior import PriorSource
from invbench.settings import Settings, origins, settings
from invbench.solver import Solver
from invbench.task import Task

if TYPE_CHECKING:
    from invbench.harness.cell import Cell, Options

EFFECTIVE = "effective"  # of assume: the level that the noise has on average


@dataclass(frozen=True)
class Choice:
    """One job of ``invbench run``: plugin names, the composed configuration, and the keys the user wrote."""

    names: Mapping[str, str]
    config: SimpleNamespace  # the fields of RunConfig, of each plugin a mapping of its fields
    written: frozenset[str]

    @classmethod
    def of(cls, names: Mapping[str, str], config: DictConfig, written: frozenset[str]) -> Choice:
        """The job of Hydra's configuration, whose texts are percent-encoded."""
        keys = [f.name for f in dataclasses.fields(RunConfig) if f.name not in (*HYDRAS, "benchmark")]
        nodes = {key: config[key] for key in keys}
        plain = {k: OmegaConf.to_container(v) if isinstance(v, DictConfig) else v for k, v in nodes.items()}
        values = {key: decoded(value) for key, value in plain.items()}
        return cls(names, SimpleNamespace(**values | {"out": str(folder(str(values["out"])))}), written)

    @classmethod
    def of_job(cls, config: DictConfig) -> Choice:
        """The running Hydra job."""
        from hydra.core.hydra_config import HydraConfig

        hydra = HydraConfig.get()
        names = {k: hydra.runtime.choices[k] for k in ("benchmark", *GROUPS)}
        return cls.of(names, config, frozenset(text.partition("=")[0] for text in hydra.overrides.task))


def build(choice: Choice, catalog: Catalog, solver: str | None = None) -> Cell:
    """The cell of a choice, or that of a reference solver on the same measurements."""
    cell = composed(choice, catalog, solver)
    refuse_misfit(cell.source, cell.dataset)
    return cell


def composed(choice: Choice, catalog: Catalog, solver: str | None = None) -> Cell:
    """The cell, without checking that the prior takes the dataset's images."""
    from invbench.harness.cell import Cell

    config, benchmark = choice.config, catalog.benchmark(choice.names["benchmark"])
    parts = _plugins(choice, catalog, solver)
    values = _fields(choice, catalog, solver)
    instances = {kind: make(plugin.cls, values[kind], kind) for kind, plugin in parts.items()}
    for key, least in {"n": 0, "samples": 1, "batch_size": 1, "shards": 1, "seed": 0}.items():
        if getattr(config, key) < least:
            raise ConfigError(f"{key} must be at least {least}; got {getattr(config, key)}")
    chosen, written = _settings(choice, catalog, solver)
    came_with = {(p.distribution, p.version) for p in parts.values()} | origin_of(instances["task"].noise_model)
    return Cell(
        benchmark=benchmark,
        task=instances["task"],
        dataset=instances["dataset"],
        source=instances["prior"],
        solver=instances["solver"],
        seed=config.seed,
        samples=1 if solver and solver != benchmark.floor else config.samples,  # other references are deterministic
        assumed=assumed_level(config.assume, instances["task"], instances["solver"]),
        origins=origins(parts["solver"].cls, chosen, written),
        plugins=tuple(sorted({numbers_of(*origin) for origin in came_with})),
    )


def described(choice: Choice, catalog: Catalog) -> str:
    """A job as YAML: every field of its plugins, presets and tuned settings included, and the other options."""
    benchmark = catalog.benchmark(choice.names["benchmark"])
    plugins, values = _plugins(choice, catalog), _fields(choice, catalog)
    fields = {kind: {"name": plugin.name, **values[kind]} for kind, plugin in plugins.items()}
    rest = {key: value for key, value in vars(choice.config).items() if key not in GROUPS}
    rest["n"] = rest["n"] or benchmark.n
    return yaml.safe_dump({"benchmark": benchmark.name, **fields, **rest}, sort_keys=False, allow_unicode=True).rstrip()


def _plugins(choice: Choice, catalog: Catalog, solver: str | None = None) -> dict[str, Plugin]:
    """The plugin of each kind."""
    benchmark, prior = catalog.benchmark(choice.names["benchmark"]), choice.names["prior"]
    names = {
        "task": choice.names["task"],
        "dataset": choice.names["dataset"],
        "prior": benchmark.prior if prior == benchmark.name else prior,
        "solver": solver or choice.names["solver"],
    }
    return {kind: catalog.plugin(kind, name) for kind, name in names.items()}


def _fields(choice: Choice, catalog: Catalog, solver: str | None = None) -> dict[str, dict[str, object]]:
    """The fields of each plugin, with values of presets and settings where the user gave none."""
    benchmark, task = catalog.benchmark(choice.names["benchmark"]), choice.names["task"]
    values: dict[str, dict[str, object]] = {kind: dict(getattr(choice.config, kind)) for kind in GROUPS}
    preset = {k: v for k, v in benchmark.tasks.get(task, {}).items() if f"task.{k}" not in choice.written}
    values["task"] |= preset
    if "dataset.side" not in choice.written:
        values["dataset"] |= preset_size(catalog.get("dataset", choice.names["dataset"]), benchmark, catalog)
    values["task"]["noise"] = canonical(str(values["task"]["noise"]))
    cls = catalog.get("solver", solver or choice.names["solver"])
    if solver:
        values["solver"] = defaults_of(cls)
    chosen, written = _settings(choice, catalog, solver)
    values["solver"] |= typed_settings(cls, {k: v for k, v in chosen.values.items() if k not in written}, chosen.origin)
    return values


def preset_size(dataset: type[Dataset], benchmark: Benchmark, catalog: Catalog) -> dict[str, int]:
    """The field ``side`` of a dataset other than the preset's own, set to the side of the preset's square images.

    Empty if the dataset has no such field, or the preset's images are not square.
    """
    if dataset.name == benchmark.name or "side" not in field_names(dataset):
        return {}
    own = catalog.get("dataset", benchmark.name)
    with contained(f"dataset {own.name}"):
        _, height, width = make(own, {}, "dataset").x_shape
    return {"side": height} if height == width else {}


def refuse_misfit(source: PriorSource, dataset: Dataset) -> None:
    """Raise ConfigError if the prior does not take images of the dataset's shape."""
    try:
        with contained(f"prior {source.name} on dataset {dataset.name}"):
            source.refuse(dataset.x_shape)
    except ConfigError as error:
        raise ConfigError(f"prior {source.name} and dataset {dataset.name} do not fit: {error}") from None


def _settings(choice: Choice, catalog: Catalog, solver: str | None = None) -> tuple[Settings, frozenset[str]]:
    """The solver's hyper-parameters for the preset and task, and the fields that the user wrote."""
    cls = catalog.get("solver", solver or choice.names["solver"])
    own = () if solver else choice.written
    written = frozenset(key.removeprefix("solver.") for key in own if key.startswith("solver."))
    name = "" if solver else choice.config.settings
    return settings(cls, catalog.benchmark(choice.names["benchmark"]).name, choice.names["task"], name), written


def assumed_level(text: str, task: Task, solver: Solver) -> str:
    """The level that a solver is given if the noise hides its own; "" for solvers that need none."""
    if not text:
        return ""
    if task.noise_model.sigma_y is not None:
        raise ConfigError(
            f"assume={text}: the noise of task {task.name!r} ({task.noise}) states its level. "
            "Leave assume out, or choose 'uniform 0.01..0.1 [-1,1]' or 'poisson 1.0' as task.noise"
        )
    level = task.noise_model.effective if text == EFFECTIVE else Sigma.parse(text).on_pm1()
    return str(level) if solver.needs_sigma else ""


def options(choice: Choice, cell: Cell, command: str) -> Options:
    """The options of running a cell."""
    from invbench.device import choose_device, refuse_precision
    from invbench.harness.cell import Options

    config, shard = choice.config, parse_shard(choice.config.shard)
    device = choose_device(config.device, shard[0] if config.shards > 1 else None)
    refuse_precision(cell.source.precision, device)
    return Options(
        out=folder(config.out),
        n=config.n or cell.benchmark.n,
        batch_size=config.batch_size,
        device=device,
        shard=shard,
        joined=config.shards > 1,
        overwrite=config.overwrite,
        command=command,
        compile=parse_compile(config.compile),
    )


def limits(config: SimpleNamespace) -> tuple[bool | None, float]:
    """Whether each cell runs in its own process (None: if needed), and its time limit in seconds (0: none)."""
    isolate, choices = str(config.isolate).lower(), {"true": True, "false": False, "auto": None}
    if isolate not in choices:
        raise ConfigError(f"isolate must be true, false or auto; got {config.isolate!r}")
    if not (math.isfinite(config.timeout) and config.timeout >= 0):
        raise ConfigError(f"timeout must be a number of seconds, or 0 for none; got {config.timeout!r}")
    if config.timeout and isolate == "false":
        raise ConfigError("timeout needs a process for each cell; leave isolate=false out")
    return choices[isolate], float(config.timeout)


def parse_compile(value: object) -> bool | None:
    """Whether the network is compiled; None for ``auto``."""
    choices = {"auto": None, "true": True, "false": False}
    if (text := str(value).lower()) not in choices:
        raise ConfigError(f"compile must be true, false or auto; got {value!r}")
    return choices[text]


def parse_shard(text: str) -> tuple[int, int]:
    """``i/k`` with 0 <= i < k.

    >>> parse_shard("1/4")
    (1, 4)
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or not int(match[1]) < int(match[2]):
        raise ConfigError(f"shard must be i/k with 0 <= i < k, for example 0/4; got {text!r}")
    return int(match[1]), int(match[2])
