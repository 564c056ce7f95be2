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
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import MISSING, DictConfig, OmegaConf, ValidationError

from invbench.errors import ConfigError, InvbenchError, PluginError, unknown
from invbench.noise import Sigma, canonical
from invbench.plugins import Catalog, Plugin
from invbench.run.overrides import decoded, for_hydra, read, readable, split, unquoted, values
from invbench.run.places import folder
from invbench.settings import Settings, origins, settings

EXAMPLE = "invbench run solver=ddrm task=sr4"

LAUNCHERS = {"joblib": "joblib", "submitit_slurm": "submitit", "submitit_local": "submitit", "ray": "ray"}
GROUPS = ("solver", "task", "dataset", "prior")
CFG, INFO = ("job", "hydra", "all"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
VALUED_FLAGS = {"--cfg": CFG, "-c": CFG, "--info": INFO, "-i": INFO, "--package": (), "-p": ()}
FLAGS = ("-m", "--multirun", "--resolve")
HYDRA = {
    "run": {"dir": "."},
    "sweep": {"dir": "${invbench.folder:${out}}", "subdir": "."},
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
    OmegaConf.register_new_resolver("invbench.folder", lambda out: str(folder(decoded(str(out)))), replace=True)
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
    """Overrides ready for Hydra; ``-m`` is added where a key has several values.

    Raises ConfigError or PluginError for unknown names and keys, and for values that are not of their field's type.
    """
    flags, words = _split_flags(overrides)
    rest = [(key.removeprefix("++"), value) for key, value in split(words, EXAMPLE)]
    hydras = [(key, value) for key, value in rest if _is_hydras(key)]
    own = {key: value for key, value in rest if not _is_hydras(key)}
    for key, value in hydras:
        with readable(key, value):
            OverridesParser.create().parse_override(f"{key}={value}")
    _check_plugins(dict(hydras))
    named = {key: _names(key, own[key], catalog) for key in ("benchmark", *GROUPS) if key in own}
    chosen = {"benchmark": ["photos"], "solver": [], "task": [], **named}
    _check_names(chosen, catalog)
    ready = named | {key: _checked(key, value, chosen, catalog) for key, value in own.items() if key not in named}
    if any(len(each) > 1 for each in ready.values()) and not {"-m", "--multirun"}.intersection(flags):
        flags.append("-m")
    swept = {key for key, names in named.items() if len(names) > 1}
    texts = {key: _for_hydra(each, key.partition(".")[0] in swept) for key, each in ready.items()}
    return [*flags, *(f"{key}={texts.get(key, value)}" for key, value in rest)]


def folders(overrides: Sequence[str]) -> list[Path]:
    """The results folders that are named."""
    found = [value for key, value in split(_split_flags(overrides)[1], EXAMPLE) if key == "out"]
    return [folder(unquoted(text)) for value in found for text in values("out", value)]


def shows_job(ready: Sequence[str]) -> bool:
    """Whether ready overrides ask for the configuration of the jobs alone: ``--cfg job``."""
    flags = [text for text in ready if text in VALUED_FLAGS or text.partition("=")[0] in VALUED_FLAGS]
    return len(flags) == 1 and any(pair in (("--cfg", "job"), ("-c", "job")) for pair in pairwise(ready))


def without_cfg(ready: Sequence[str]) -> list[str]:
    """Ready overrides without ``--cfg job``."""
    return [text for text in ready if text not in ("--cfg", "-c", "job")]


def _split_flags(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's own flags, which its parser wants first, and the overrides."""
    flags: list[str] = []
    rest: list[str] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        if flags and flags[-1] in VALUED_FLAGS:
            _check_flag(flags[-1], text)
            flags.append(text)
        elif key in VALUED_FLAGS:
            if equals:
                _check_flag(key, value)
            flags += [key, value] if equals else [key]
        elif text in FLAGS:
            flags.append(text)
        elif text.startswith("-"):
            if (name := key.lstrip("-")) in [f.name for f in dataclasses.fields(RunConfig)]:
                raise ConfigError(f"options are written without dashes: {name}={value or '...'}")
            raise ConfigError(unknown("flag", text, [*FLAGS, *VALUED_FLAGS]))
        else:
            rest.append(text)
    if flags and flags[-1] in VALUED_FLAGS:
        _check_flag(flags[-1], "")
    return flags, rest


def _check_flag(flag: str, value: str) -> None:
    """Raise ConfigError where one of Hydra's flags does not take the value."""
    if known := VALUED_FLAGS[flag]:
        if value not in known:
            raise ConfigError(unknown(f"value of {flag}", value, known))
    elif not re.fullmatch(r"[\w.@]+", value):
        raise ConfigError(f"{flag}: expected a part of the configuration, as solver; got {value!r}")


def _check_plugins(hydras: Mapping[str, str]) -> None:
    """Raise ConfigError for a launcher or sweeper of Hydra's that is not installed."""
    from hydra.core.plugins import Plugins
    from hydra.plugins.launcher import Launcher
    from hydra.plugins.sweeper import Sweeper

    if name := hydras.get("hydra/launcher", ""):
        package = LAUNCHERS.get(name)
        if package and not any(f"hydra-{package}-launcher" == (d.name or "").lower() for d in distributions()):
            raise ConfigError(f"launcher {name!r} is not installed; pip install 'invbench[{package}]'")
    for kind, cls in (("launcher", Launcher), ("sweeper", Sweeper)):
        if name := hydras.get(f"hydra/{kind}", ""):
            Plugins.instance().discover(cls)  # puts the installed ones into the store
            known = [path.removesuffix(".yaml") for path in ConfigStore.instance().list(f"hydra/{kind}")]
            known = sorted({*known, "basic", *(n for n in LAUNCHERS if kind == "launcher")})
            if name not in known:
                raise ConfigError(unknown(kind, name, known))


def _is_hydras(key: str) -> bool:
    return re.match(r"[+~]*hydra\b", key) is not None


def _for_hydra(written: Sequence[Any], swept: bool) -> str:
    """Values as Hydra's grammar reads them.

    An option of a plugin that is swept over is a sweep too: Hydra composes once without the swept groups.
    """
    texts = [for_hydra(value) for value in written]
    return f"choice({texts[0]})" if swept and len(texts) == 1 else ",".join(texts)


def _names(key: str, value: str, catalog: Catalog) -> list[str]:
    """The names that are written for a kind of plugin."""
    known = catalog.benchmarks if key == "benchmark" else catalog.plugins[key]
    return [unquoted(name) for name in values(key, value, known)]


def _check_names(chosen: Mapping[str, list[str]], catalog: Catalog) -> None:
    for kind in ("solver", "task"):
        if not any(chosen[kind]):
            raise ConfigError(f"expected {kind}=NAME. Available: {', '.join(sorted(catalog.plugins[kind]))}")
    for name in chosen["benchmark"]:
        catalog.get("prior", catalog.benchmark(name).prior)
    for kind in GROUPS:
        for name in chosen.get(kind, []):
            if kind != "prior" or name not in catalog.benchmarks:
                node_of(catalog.get(kind, name))


def _checked(path: str, value: str, chosen: Mapping[str, list[str]], catalog: Catalog) -> list[Any]:
    """The values of an option of a run, or of a field of each chosen plugin of its kind, of its type."""
    kind, dot, key = path.partition(".")
    options = [f.name for f in dataclasses.fields(RunConfig) if f.name not in ("defaults", "hydra")]
    if path.startswith(("+", "~")):
        raise ConfigError(f"{path}: options are set as they are named, without + or ~; write {path.lstrip('+~')}=...")
    if kind not in (GROUPS if dot else options):
        raise ConfigError(unknown("option", kind, GROUPS if dot else options))
    if not dot:
        owners: list[type[Any]] = [RunConfig]
        key = kind
    else:
        presets = [catalog.benchmark(name) for name in chosen["benchmark"]]
        defaults = [b.prior if kind == "prior" else b.name for b in presets]
        names = [n for n in chosen.get(kind, defaults) if n not in catalog.benchmarks or kind != "prior"]
        owners = [catalog.get(kind, name) for name in names]
    found = []
    for cls in owners:
        known = [f.name for f in dataclasses.fields(cls)]
        if key not in known:
            raise ConfigError(unknown(f"option of {kind} {cls.name}", key, known))
        found.append([read(node_of(cls), key, each, path) for each in values(path, value)])
    return min(found, key=lambda each: len(str(each))) if found else []  # of 5 and 5.0, what both fields take


@dataclass(frozen=True)
class Choice:
    """One job of ``invbench run``: plugin names, the composed configuration, and the keys the user wrote."""

    names: Mapping[str, str]
    config: Any
    written: frozenset[str]

    def __post_init__(self) -> None:
        """Take Hydra's configuration as plain values: of texts it was given, their encoded form."""
        if isinstance(self.config, DictConfig):
            keys = [f.name for f in dataclasses.fields(RunConfig) if f.name not in ("defaults", "hydra", "benchmark")]
            nodes = {key: self.config[key] for key in keys}
            plain = {k: OmegaConf.to_container(v) if isinstance(v, DictConfig) else v for k, v in nodes.items()}
            values = {key: decoded(value) for key, value in plain.items()}
            object.__setattr__(self, "config", SimpleNamespace(**values | {"out": str(folder(values["out"]))}))

    @classmethod
    def of_job(cls, config: DictConfig) -> Choice:
        """The running Hydra job."""
        from hydra.core.hydra_config import HydraConfig

        hydra = HydraConfig.get()
        names = {k: hydra.runtime.choices[k] for k in ("benchmark", *GROUPS)}
        return cls(names, config, frozenset(text.partition("=")[0] for text in hydra.overrides.task))


def build(choice: Choice, catalog: Catalog, solver: str | None = None) -> Any:
    """The cell of a choice, or that of a reference solver on the same measurements."""
    from invbench.run.cell import Cell

    config, benchmark = choice.config, catalog.benchmark(choice.names["benchmark"])
    parts = _plugins(choice, catalog, solver)
    values = _fields(choice, catalog, solver)
    made = {kind: make(plugin.cls, values[kind], kind) for kind, plugin in parts.items()}
    for key, least in {"n": 0, "samples": 1, "batch_size": 1}.items():
        if getattr(config, key) < least:
            raise ConfigError(f"{key} must be at least {least}; got {getattr(config, key)}")
    chosen, written = _settings(choice, catalog, solver)
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


def described(choice: Choice, catalog: Catalog) -> str:
    """What a job runs, as YAML: plugins with every field, presets and tuned settings put in, and the other options."""
    benchmark = catalog.benchmark(choice.names["benchmark"])
    fields = {kind: {"name": p.name} for kind, p in _plugins(choice, catalog).items()}
    fields = {kind: named | _fields(choice, catalog)[kind] for kind, named in fields.items()}
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


def _fields(choice: Choice, catalog: Catalog, solver: str | None = None) -> dict[str, dict[str, Any]]:
    """The fields of each plugin, what presets and settings say put in where the user wrote nothing."""
    benchmark, task = catalog.benchmark(choice.names["benchmark"]), choice.names["task"]
    values: dict[str, dict[str, Any]] = {kind: dict(getattr(choice.config, kind)) for kind in GROUPS}
    preset = {k: v for k, v in benchmark.tasks.get(task, {}).items() if f"task.{k}" not in choice.written}
    values["task"] |= preset
    values["task"]["noise"] = canonical(values["task"]["noise"])
    cls = catalog.get("solver", solver or choice.names["solver"])
    if solver:
        values["solver"] = dict(OmegaConf.to_container(node_of(cls)))  # type: ignore[arg-type]
    chosen, written = _settings(choice, catalog, solver)
    values["solver"] |= _typed_settings(
        cls, {k: v for k, v in chosen.values.items() if k not in written}, chosen.origin
    )
    return values


def _settings(choice: Choice, catalog: Catalog, solver: str | None = None) -> tuple[Settings, frozenset[str]]:
    """The solver's hyper-parameters for the preset and task, and which fields the user wrote."""
    cls = catalog.get("solver", solver or choice.names["solver"])
    own = () if solver else choice.written
    written = frozenset(key.removeprefix("solver.") for key in own if key.startswith("solver."))
    return settings(cls, catalog.benchmark(choice.names["benchmark"]).name, choice.names["task"]), written


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


def _typed_settings(cls: type[Any], values: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """A set of hyper-parameters, each of its field's type."""
    try:
        found: Any = OmegaConf.to_container(OmegaConf.merge(node_of(cls), dict(values)))
    except ValidationError as error:
        raise PluginError(f"hyper-parameters of {origin!r}: {str(error).splitlines()[0]}") from None
    return {key: found[key] for key in values}


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
    known = [f.name for f in dataclasses.fields(cls)]
    for key in values:
        if key not in known:
            raise ConfigError(unknown(f"option of {kind}", key, known))
    node = node_of(cls)
    fields: Any = OmegaConf.to_container(node)
    for key, value in values.items():
        fields[key] = read(node, key, value if isinstance(value, str) else for_hydra(value), f"{kind}.{key}")
    return make(cls, fields, kind)


def options(choice: Choice, cell: Any, command: str) -> Any:
    """How the cell is run."""
    from invbench.device import choose_device
    from invbench.run.cell import Options

    config = choice.config
    return Options(
        out=folder(config.out),
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
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or not int(match[1]) < int(match[2]):
        raise ConfigError(f"shard must be i/k with 0 <= i < k, for example 0/4; got {text!r}")
    return int(match[1]), int(match[2])
