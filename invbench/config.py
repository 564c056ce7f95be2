"""From what the user wrote to a cell: Hydra's schema, presets, and checks that come before any work.

A plugin's dataclass is its Hydra node; there is no YAML twin. A field of a task or solver takes, in this order, what
the user wrote, what the benchmark preset says (for a solver, the TOML file beside it), and the class's default.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf, ValidationError

from invbench.errors import ConfigError, InvbenchError, PluginError, unknown
from invbench.noise import Sigma, canonical
from invbench.plugins import Catalog
from invbench.settings import origins, settings

LAUNCHERS = {"joblib": "joblib", "submitit_slurm": "submitit", "submitit_local": "submitit", "ray": "ray"}
GROUPS = ("solver", "task", "dataset", "prior")
VALUED_FLAGS = ("--cfg", "-c", "--info", "-i", "--package", "-p")
SWEEP = re.compile(r"(choice|range|interval|glob|shuffle|sort)\(")
HYDRA = {
    "run": {"dir": "."},
    "sweep": {"dir": "${out}", "subdir": "."},
    "output_subdir": None,
    "job": {"name": "invbench"},
}


@dataclass
class RunConfig:
    """Options of ``invbench run`` besides the plugins' own."""

    defaults: list[Any] = field(
        default_factory=lambda: [
            "_self_",
            {"benchmark": "photos"},
            {"dataset": "${benchmark}"},
            {"prior": "${benchmark}"},
            {"solver": MISSING},
            {"task": MISSING},
            {"override hydra/job_logging": "disabled"},
            {"override hydra/hydra_logging": "disabled"},
        ]
    )
    benchmark: Any = MISSING
    solver: Any = MISSING
    task: Any = MISSING
    dataset: Any = MISSING
    prior: Any = MISSING
    hydra: Any = field(default_factory=lambda: dict(HYDRA))
    seed: int = 0
    n: int = 0
    samples: int = 1
    assume: str = ""
    batch_size: int = 16
    device: str = "auto"
    shard: str = "0/1"
    out: str = "results/runs"
    references: bool = True
    overwrite: bool = False
    timeout: float = 0.0
    isolate: str = "auto"


HELP = {
    "seed": "measurement and sampling seed",
    "n": "number of images; 0 is the preset's own",
    "samples": "reconstructions drawn per measurement; their mean is scored besides",
    "assume": "a noise level to tell solvers that need one where the noise hides its own, as '0.05 [-1,1]'",
    "batch_size": "images solved at once; changes no result (of batches of one, the last bits)",
    "device": "auto, cpu, cuda, cuda:1",
    "shard": "i/k: the i-th of k parts of the images, for several processes or machines",
    "out": "results folder",
    "references": "also run the preset's zero-cost solvers",
    "overwrite": "run a cell again that is complete",
    "timeout": "seconds that a cell may take, in a process of its own; 0 is any",
    "isolate": "a process for each cell: true, false, or auto, where plugins of others are in it",
}


def register(catalog: Catalog) -> None:
    """Put every plugin's dataclass into Hydra's store."""
    store = ConfigStore.instance()
    store.store(name="run", node=RunConfig)
    for kind in GROUPS:
        for name, plugin in catalog.plugins[kind].items():
            with suppress(PluginError):  # raised by check_overrides where the plugin is asked for
                store.store(group=kind, name=name, node=node_of(plugin.cls))
    for name, benchmark in catalog.benchmarks.items():
        store.store(group="benchmark", name=name, node={"name": name})
        with suppress(PluginError):
            store.store(group="prior", name=name, node=node_of(catalog.get("prior", benchmark.prior)))


def node_of(cls: type[Any]) -> DictConfig:
    """A plugin's dataclass as a configuration node. Raises PluginError where its annotations cannot be read."""
    try:
        node: DictConfig = OmegaConf.structured(cls)
    except Exception as error:  # omegaconf and typing raise what they please on annotations they cannot read
        reason = str(error).splitlines()[0]
        raise PluginError(
            f"{cls.__module__}.{cls.__name__} cannot be configured: {reason}. Its fields must be of plain types, and "
            "every annotation importable"
        ) from None
    OmegaConf.set_readonly(node, None)  # a frozen dataclass makes its node read-only
    return node


def check_overrides(overrides: Sequence[str], catalog: Catalog) -> list[str]:
    """Overrides ready for Hydra; ``-m`` is added where a value is a list. Raises for unknown names and keys."""
    flags, rest = _split_flags(overrides)
    own = [(key, value) for key, value in rest if not _is_hydras(key)]
    _check_launcher(dict(rest).get("hydra/launcher", ""))
    named = {key: value.split(",") for key, value in own if key in ("benchmark", *GROUPS)}
    chosen = {"benchmark": ["photos"], "solver": [], "task": [], **named}
    _check_names(chosen, catalog)
    for key, value in own:
        _check_option(key, value, chosen, catalog)
    if any(_is_sweep(value) for _, value in own) and not {"-m", "--multirun"}.intersection(flags):
        flags.append("-m")
    swept = {key for key, names in named.items() if len(names) > 1}
    return [*flags, *(f"{key}={_for_hydra(value, key.partition('.')[0] in swept)}" for key, value in rest)]


def _split_flags(overrides: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Hydra's own flags, which its parser wants first, and the overrides as keys and values."""
    flags: list[str] = []
    rest: list[tuple[str, str]] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        if (name := key.removeprefix("--")) != key and name in [f.name for f in dataclasses.fields(RunConfig)]:
            raise ConfigError(f"options are written without dashes: {name}={value or '...'}")
        if text.startswith("-") or (flags and flags[-1] in VALUED_FLAGS and not equals):
            flags.append(text)
        elif equals:
            rest.append((key, value))
        else:
            raise ConfigError(f"expected key=value, got {text!r}; for example: invbench run solver=ddrm task=sr4")
    return flags, rest


def _check_launcher(name: str) -> None:
    """Raise ConfigError for a launcher of Hydra's that is not installed."""
    package = LAUNCHERS.get(name)
    if package and not any(f"hydra-{package}-launcher" == (d.name or "").lower() for d in distributions()):
        raise ConfigError(f"launcher {name!r} is not installed; pip install 'invbench[{package}]'")


def _is_hydras(key: str) -> bool:
    return re.match(r"[+~]*hydra\b", key) is not None


def _is_sweep(value: str) -> bool:
    return SWEEP.match(value) is not None or len(_parts(value)) > 1


def _parts(value: str) -> list[str]:
    """What commas part, but for those within brackets and quotes: ``gaussian 0.1 [-1,1]`` is one part."""
    return re.findall(r"(?:\[[^]]*\]|\{[^}]*\}|\([^)]*\)|'[^']*'|\"[^\"]*\"|[^,])+", value) or [value]


def _for_hydra(value: str, swept: bool) -> str:
    """Quote what Hydra's grammar would stumble over: noise levels hold blanks, folders may hold = and ~.

    An option of a plugin that is swept over is a sweep too: Hydra composes once without the swept groups.
    """
    if SWEEP.match(value):
        return value
    parts = [_quoted(part.strip()) for part in _parts(value)]
    return f"choice({parts[0]})" if swept and len(parts) == 1 else ",".join(parts)


def _quoted(text: str) -> str:
    """The text, in quotes where it has any of what Hydra's grammar takes apart."""
    if text.startswith(("[", "{")) or (len(text) > 1 and text[0] == text[-1] and text[0] in "'\""):
        return text
    return f'"{text}"' if re.search(r"[\s=~()'\[{]", text) else text


def _check_names(chosen: Mapping[str, list[str]], catalog: Catalog) -> None:
    for kind in ("solver", "task"):
        if not chosen[kind]:
            raise ConfigError(f"expected {kind}=NAME. Available: {', '.join(sorted(catalog.plugins[kind]))}")
    for name in chosen["benchmark"]:
        catalog.get("prior", catalog.benchmark(name).prior)
    for kind in GROUPS:
        for name in chosen.get(kind, []):
            if kind != "prior" or name not in catalog.benchmarks:
                node_of(catalog.get(kind, name))


def _check_option(path: str, value: str, chosen: Mapping[str, list[str]], catalog: Catalog) -> None:
    """``path`` is an option of a run, or a field of each chosen plugin of its kind, and the value is of its type."""
    kind, dot, key = path.lstrip("+~").partition(".")
    options = [f.name for f in dataclasses.fields(RunConfig) if f.name not in ("defaults", "hydra")]
    if kind not in (GROUPS if dot else options):
        raise ConfigError(unknown("option", kind, GROUPS if dot else options))
    if not dot:
        owners: list[type[Any]] = [] if kind in ("benchmark", *GROUPS) else [RunConfig]
        key = kind
    else:
        presets = [catalog.benchmark(name) for name in chosen["benchmark"]]
        defaults = [b.prior if kind == "prior" else b.name for b in presets]
        names = [n for n in chosen.get(kind, defaults) if n not in catalog.benchmarks or kind != "prior"]
        owners = [catalog.get(kind, name) for name in names]
    for cls in owners:
        known = [f.name for f in dataclasses.fields(cls)]
        if key not in known:
            raise ConfigError(unknown(f"option of {kind} {cls.name}", key, known))
        if SWEEP.match(value) is None and not re.search(r"[\s\"'\[{]", value):
            for each in _parts(value):
                _check_value(cls, key, each, path)


def _check_value(cls: type[Any], key: str, text: str, path: str) -> None:
    """The text can become the field's type."""
    node = node_of(cls)
    try:
        node[key] = yaml.safe_load(text)
    except ValidationError:
        wanted = type(node[key]).__name__
        raise ConfigError(f"{path}: expected a value of type {wanted}, got {text!r}") from None


@dataclass(frozen=True)
class Choice:
    """One job of ``invbench run``: plugin names, the composed configuration, and the keys the user wrote."""

    names: Mapping[str, str]
    config: Any
    written: frozenset[str]

    @classmethod
    def of_job(cls, config: DictConfig) -> Choice:
        """The running Hydra job."""
        from hydra.core.hydra_config import HydraConfig

        hydra = HydraConfig.get()
        names = {k: hydra.runtime.choices[k] for k in ("benchmark", *GROUPS)}
        return cls(names, config, frozenset(text.partition("=")[0] for text in hydra.overrides.task))


def build(choice: Choice, catalog: Catalog, solver: str | None = None) -> Any:
    """The cell of a choice, or that of a reference solver on the same measurements."""
    from invbench.runner import Cell

    benchmark = catalog.benchmark(choice.names["benchmark"])
    prior = choice.names["prior"]
    names = {
        "task": choice.names["task"],
        "dataset": choice.names["dataset"],
        "prior": benchmark.prior if prior == benchmark.name else prior,
        "solver": solver or choice.names["solver"],
    }
    parts = {kind: catalog.plugin(kind, name) for kind, name in names.items()}
    values: dict[str, Any] = {kind: OmegaConf.to_container(choice.config[kind]) for kind in GROUPS}
    values["task"] = {
        **values["task"],
        **{k: v for k, v in benchmark.tasks.get(names["task"], {}).items() if f"task.{k}" not in choice.written},
    }
    values["task"]["noise"] = canonical(values["task"]["noise"])
    chosen = settings(parts["solver"].cls, benchmark.name, names["task"])
    own = () if solver else choice.written
    written = frozenset(key.removeprefix("solver.") for key in own if key.startswith("solver."))
    node = node_of(parts["solver"].cls) if solver else choice.config.solver
    values["solver"] = _with_settings(node, {k: v for k, v in chosen.values.items() if k not in written}, chosen.origin)
    made = {kind: make(plugin.cls, values[kind], kind) for kind, plugin in parts.items()}
    config = choice.config
    for key, least in {"n": 0, "samples": 1, "batch_size": 1}.items():
        if config[key] < least:
            raise ConfigError(f"{key} must be at least {least}; got {config[key]}")
    return Cell(
        benchmark=benchmark,
        task=made["task"],
        dataset=made["dataset"],
        source=made["prior"],
        solver=made["solver"],
        seed=config.seed,
        samples=1 if solver and solver != benchmark.floor else config.samples,  # other references are deterministic
        assumed=_assumed(config.assume, made["task"], made["solver"]),
        origins=origins(parts["solver"].cls, chosen, written),
        plugins=tuple(sorted({(p.distribution, p.version) for p in parts.values()})),
    )


def _assumed(text: str, task: Any, solver: Any) -> str:
    """The level that a solver is told instead of one that the noise hides; "" for solvers that ask for none."""
    if not text:
        return ""
    if task.noise_model.sigma_y is not None:
        raise ConfigError(
            f"assume={text}: the noise of task {task.name!r} ({task.noise}) tells its level. "
            "Leave assume out, or choose 'uniform 0.01..0.1 [-1,1]' or 'poisson 1.0' as task.noise"
        )
    level = Sigma.parse(text).on_pm1()
    return str(level) if solver.needs_sigma else ""


def _with_settings(node: DictConfig, values: Mapping[str, Any], origin: str) -> Any:
    """The solver's options with a set of hyper-parameters on top, each of its field's type."""
    try:
        return OmegaConf.to_container(OmegaConf.merge(node, dict(values)))
    except ValidationError as error:
        raise PluginError(f"hyper-parameters of {origin!r}: {str(error).splitlines()[0]}") from None


def make(cls: type[Any], values: Mapping[str, Any], kind: str) -> Any:
    """An instance of a plugin's dataclass. Raises ConfigError with the plugin's name for a wrong value."""
    try:
        return cls(**values)
    except InvbenchError:
        raise
    except Exception as error:  # in a stranger's __post_init__
        named = "" if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: "
        raise ConfigError(f"{kind} {cls.name}: {named}{error}") from None


def typed(cls: type[Any], values: Mapping[str, Any], kind: str) -> Any:
    """An instance whose fields have the types they declare. Raises ConfigError for an unknown field or wrong value."""
    node, known = node_of(cls), [f.name for f in dataclasses.fields(cls)]
    for key, value in values.items():
        if key not in known:
            raise ConfigError(unknown(f"option of {kind}", key, known))
        try:
            node[key] = yaml.safe_load(value) if isinstance(value, str) else value
        except ValidationError:
            wanted = type(node[key]).__name__
            raise ConfigError(f"{kind}.{key}: expected a value of type {wanted}, got {value!r}") from None
    fields: Any = OmegaConf.to_container(node)
    return make(cls, fields, kind)


def options(choice: Choice, cell: Any, command: str) -> Any:
    """How the cell is run."""
    from invbench.device import choose_device
    from invbench.runner import Options

    config = choice.config
    return Options(
        out=Path(config.out).expanduser(),
        n=config.n or cell.benchmark.n,
        batch_size=config.batch_size,
        device=choose_device(config.device),
        shard=parse_shard(config.shard),
        overwrite=config.overwrite,
        command=command,
    )


def limits(config: Any) -> tuple[bool | None, float]:
    """Whether cells have a process each (None: where it is needed), and the seconds that one may take (0: any)."""
    isolate, choices = str(config.isolate).lower(), {"true": True, "false": False, "auto": None}
    if isolate not in choices:
        raise ConfigError(f"isolate must be true, false or auto; got {config.isolate!r}")
    if not (math.isfinite(config.timeout) and config.timeout >= 0):
        raise ConfigError(f"timeout must be a number of seconds, or 0 for none; got {config.timeout!r}")
    if config.timeout and isolate == "false":
        raise ConfigError("timeout needs a process for each cell; leave isolate=false out")
    return choices[isolate], float(config.timeout)


def parse_shard(text: str) -> tuple[int, int]:
    """``i/k`` with 0 <= i < k.

    >>> parse_shard("1/4")
    (1, 4)
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not int(match[1]) < int(match[2]):
        raise ConfigError(f"shard must be i/k with 0 <= i < k, for example 0/4; got {text!r}")
    return int(match[1]), int(match[2])
