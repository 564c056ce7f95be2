"""Checks of the user's options, before Hydra sees them and before any work."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import distributions
from itertools import pairwise
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper

from invbench.errors import ConfigError, unknown
from invbench.harness.config import parse_shard
from invbench.harness.nodes import node_of
from invbench.harness.options import GROUPS, HYDRAS, RunConfig
from invbench.harness.overrides import MOST, for_hydra, read, readable, split, unquoted, values
from invbench.harness.places import folder
from invbench.plugins import Catalog

EXAMPLE = "invbench run solver=ddrm task=sr4"
LAUNCHERS = {"joblib": "joblib", "submitit_slurm": "submitit", "submitit_local": "submitit", "ray": "ray"}
CFG, INFO = ("job", "hydra", "all"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
VALUED_FLAGS = {"--cfg": CFG, "-c": CFG, "--info": INFO, "-i": INFO, "--package": (), "-p": ()}
OF_HYDRA = ("env", "help", "hydra_help", "hydra_logging", "job_logging", "launcher", "output", "sweeper")
FLAGS = ("-m", "--multirun", "--resolve")


def check_overrides(overrides: Sequence[str], catalog: Catalog) -> list[str]:
    """Overrides ready for Hydra; ``-m`` is added where a key has several values.

    Raises ConfigError or PluginError for unknown names and keys, and for values that are not of their field's type.
    """
    flags, words = _split_flags(overrides)
    pairs = [(key.removeprefix("++"), value) for key, value in split(words, EXAMPLE)]
    hydras = [pair for pair in pairs if _is_hydras(pair[0])]
    _check_hydras(hydras)
    checked = checked_values(dict(pair for pair in pairs if pair not in hydras), catalog)
    _check_shards(checked)
    several = {key for key, each in checked.items() if len(each) > 1}
    texts = _texts(checked, several.intersection(("benchmark", *GROUPS)))
    return [*_swept(flags, several), *(f"{key}={texts.get(key, value)}" for key, value in pairs)]


def _swept(flags: list[str], several: Collection[str]) -> list[str]:
    """Hydra's flags, with the one for a sweep where options have several values."""
    if several and not {"-m", "--multirun"}.intersection(flags):
        return [*flags, "-m"]
    return flags


def _texts(checked: Mapping[str, Sequence[object]], swept: Collection[str]) -> dict[str, str]:
    """The values in Hydra's grammar; ``swept`` are the kinds of plugins that have several values."""
    return {key: _for_hydra(each, key.partition(".")[0] in swept) for key, each in checked.items()}


def checked_values(own: Mapping[str, str], catalog: Catalog) -> dict[str, Sequence[object]]:
    """The values of each option, in its field's type; several values are a sweep."""
    named = {key: _names(key, own[key], catalog) for key in ("benchmark", *GROUPS) if key in own}
    rest = {key: value for key, value in own.items() if key not in named}
    for key in rest:
        _check_option(key)
    chosen = {"benchmark": ["photos"], "solver": [], "task": [], **named}
    _check_names(chosen, catalog)
    return named | {key: _checked(key, value, chosen, catalog) for key, value in rest.items()}


def _check_shards(checked: Mapping[str, Sequence[object]]) -> None:
    """Raise ConfigError for an invalid shard, and unless ``shards`` is one valid number, without ``shard``."""
    for shard in checked.get("shard", []):
        parse_shard(str(shard))
    counts = checked.get("shards", [1])
    if len(counts) > 1 or not isinstance(counts[0], int) or not 1 <= counts[0] <= MOST:
        raise ConfigError(
            f"shards: expected one number of parts, 1 to {MOST:,}, for example shards=8; got "
            f"{','.join(map(str, counts))}"
        )
    if counts[0] > 1 and "shard" in checked:
        raise ConfigError(f"shards={counts[0]} runs all shards; leave shard out, or write shard=0/{counts[0]} alone")


def _check_hydras(pairs: Sequence[tuple[str, str]]) -> None:
    """Raise ConfigError if an option of Hydra's own cannot be parsed, or names a plugin that is not installed."""
    for key, value in pairs:
        group = key.lstrip("+~").removeprefix("hydra/").partition("@")[0]
        if "/" in key and group not in OF_HYDRA:
            raise ConfigError(unknown("group of Hydra's", group, OF_HYDRA))
        with readable(key, value):
            OverridesParser.create().parse_override(f"{key}={value}")
    _check_launcher(dict(pairs).get("hydra/launcher", ""))
    _check_installed("launcher", Launcher, LAUNCHERS, dict(pairs))
    _check_installed("sweeper", Sweeper, (), dict(pairs))


def folders(overrides: Sequence[str]) -> list[Path]:
    """The results folders in the options."""
    out_values = [value for key, value in split(_split_flags(overrides)[1], EXAMPLE) if key == "out"]
    return [folder(unquoted(text)) for value in out_values for text in values("out", value)]


def launcher(overrides: Sequence[str]) -> str:
    """The launcher that runs the jobs in other processes; "" if there is none, or if Hydra only prints."""
    flags, words = _split_flags(overrides)
    name = unquoted(dict(split(words, EXAMPLE)).get("hydra/launcher", ""))
    return "" if name == "basic" or any(flag in VALUED_FLAGS for flag in flags) else name


def without_launcher(overrides: Sequence[str]) -> list[str]:
    """The overrides for this process."""
    return [text for text in overrides if not re.match(r"[+~]*hydra[/.]launcher\b", text)]


def shards(overrides: Sequence[str]) -> int:
    """The number of shards of each cell, from checked overrides."""
    return int(unquoted(dict(split(_split_flags(overrides)[1], EXAMPLE)).get("shards", "1")))


def tracker_names(overrides: Sequence[str]) -> str:
    """The value of ``track``, from overrides that may be unchecked; "" if it is not set."""
    words = [text.removeprefix("++") for text in _split_flags(overrides)[1]]
    return unquoted(dict(split(words, EXAMPLE)).get("track", ""))


def shows_job(ready: Sequence[str]) -> bool:
    """Whether checked overrides only ask for the configuration of the jobs: ``--cfg job``."""
    flags = [text for text in ready if text in VALUED_FLAGS or text.partition("=")[0] in VALUED_FLAGS]
    return len(flags) == 1 and any(pair in (("--cfg", "job"), ("-c", "job")) for pair in pairwise(ready))


def without_cfg(ready: Sequence[str]) -> list[str]:
    """Checked overrides without ``--cfg job``."""
    return [text for text in ready if text not in ("--cfg", "-c", "job")]


def words_alone(overrides: Sequence[str]) -> list[str] | None:
    """The ``key=value`` options, if the command uses no feature of Hydra itself; else None.

    Features of Hydra are options such as a launcher or a sweeper, and flags other than ``-m`` and ``--cfg job``.
    """
    flags, words = _split_flags(overrides)
    rest = without_cfg(flags) if shows_job(flags) else flags
    plain = [text.removeprefix("++") for text in words]
    own = any(_is_hydras(key) for key, _ in split(plain, EXAMPLE))
    return None if own or not {"-m", "--multirun"}.issuperset(rest) else plain


def _split_flags(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's own flags, which its parser wants first, and the overrides."""
    flags: list[str] = []
    words: list[str] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        if flags and flags[-1] in VALUED_FLAGS:
            _check_flag(flags[-1], text)
            flags.append(text)
        elif key in VALUED_FLAGS and equals:
            _check_flag(key, value)
            flags += [key, value]
        elif text in (*FLAGS, *VALUED_FLAGS):
            flags.append(text)
        elif text.startswith("-"):
            raise _unknown_flag(text)
        else:
            words.append(text)
    if flags and flags[-1] in VALUED_FLAGS:
        _check_flag(flags[-1], "")
    return flags, words


def _unknown_flag(text: str) -> ConfigError:
    key, _, value = text.partition("=")
    name = key.lstrip("-")
    if name in [f.name for f in dataclasses.fields(RunConfig)]:
        return ConfigError(f"options are written without dashes: {name}={value or '...'}")
    return ConfigError(unknown("flag", text, [*FLAGS, *VALUED_FLAGS]))


def _check_flag(flag: str, value: str) -> None:
    """Raise ConfigError for an invalid value of one of Hydra's flags."""
    if known := VALUED_FLAGS[flag]:
        if value not in known:
            raise ConfigError(unknown(f"value of {flag}", value, known))
    elif not re.fullmatch(r"[\w.@]+", value):
        raise ConfigError(f"{flag}: expected a part of the configuration, for example solver; got {value!r}")


def _check_launcher(name: str) -> None:
    """Raise ConfigError for a known launcher that is not installed."""
    package = LAUNCHERS.get(name)
    if package and not any(f"hydra-{package}-launcher" == (d.name or "").lower() for d in distributions()):
        raise ConfigError(f"launcher {name!r} is not installed; pip install 'invbench[{package}]'")


def _check_installed(kind: str, cls: type[Any], others: Iterable[str], hydras: Mapping[str, str]) -> None:
    """Raise ConfigError for a launcher or sweeper that is unknown."""
    name = hydras.get(f"hydra/{kind}", "")
    if not name:
        return
    Plugins.instance().discover(cls)  # registers the installed ones with Hydra
    stored = [path.removesuffix(".yaml") for path in ConfigStore.instance().list(f"hydra/{kind}")]
    known = sorted({*stored, "basic", *others})
    if name not in known:
        raise ConfigError(unknown(kind, name, known))


def _is_hydras(key: str) -> bool:
    return re.match(r"[+~]*hydra\b", key) is not None


def _for_hydra(written: Sequence[object], swept: bool) -> str:
    """Values in Hydra's grammar.

    An option of a plugin kind with several values is a sweep too: Hydra composes once without the swept groups.
    """
    texts = [for_hydra(value) for value in written]
    return f"choice({texts[0]})" if swept and len(texts) == 1 else ",".join(texts)


def _names(key: str, value: str, catalog: Catalog) -> list[str]:
    """The names given for a kind of plugin."""
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


def _check_option(path: str) -> None:
    """Raise ConfigError for an option that no run and no kind of plugin has."""
    kind, dot, _ = path.lstrip("+~").partition(".")
    known = GROUPS if dot else tuple(f.name for f in dataclasses.fields(RunConfig) if f.name not in HYDRAS)
    plain = not path.startswith(("+", "~"))
    if kind not in known:
        raise ConfigError(unknown("option", kind, known) if plain else unknown("option", path, ["+experiment", *known]))
    if not plain:
        raise ConfigError(f"{path}: options are set as they are named, without + or ~; write {path.lstrip('+~')}=...")


def _checked(path: str, value: str, chosen: Mapping[str, list[str]], catalog: Catalog) -> list[object]:
    """The values of an option of a run, or of a field of each chosen plugin of its kind, in its type."""
    kind, dot, key = path.partition(".")
    owners = _chosen_plugins(kind, chosen, catalog) if dot else [RunConfig]
    read_by = [_read_by(cls, kind, key if dot else kind, value, path) for cls in owners]
    return min(read_by, key=lambda each: len(str(each)), default=[])  # of 5 and 5.0, the value that both fields take


def _chosen_plugins(kind: str, chosen: Mapping[str, list[str]], catalog: Catalog) -> list[type[Any]]:
    """The plugins of a kind that are chosen, or that the chosen benchmarks use."""
    presets = [catalog.benchmark(name) for name in chosen["benchmark"]]
    defaults = [b.prior if kind == "prior" else b.name for b in presets]
    names = [n for n in chosen.get(kind, defaults) if n not in catalog.benchmarks or kind != "prior"]
    return [catalog.get(kind, name) for name in names]


def _read_by(cls: type[Any], kind: str, key: str, value: str, path: str) -> list[object]:
    """The values of an option in the type of a class's field."""
    known = [f.name for f in dataclasses.fields(cls)]
    if key not in known:
        raise ConfigError(unknown(f"option of {kind} {cls.name}", key, known))
    return [read(node_of(cls), key, each, path) for each in values(path, value)]
