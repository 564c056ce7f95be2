"""Hyper-parameters by benchmark and task: data in a TOML file beside the solver's module, with their origin.

::

    [space]                     # what ``invbench tune`` searches
    zeta = [0.3, 1.0, 3.0]

    [ffhq256]                   # every task of the preset
    zeta = 1.0
    origin = "paper, appendix D"

    [ffhq256.colorize]          # one task
    zeta = 0.4
    origin = "..."

    [photos.sr4.psnr]           # one task, taken where it is asked for: settings=psnr
    zeta = 0.5
    origin = "..."
"""

from __future__ import annotations

import dataclasses
import inspect
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from invbench.errors import ConfigError, PluginError, unknown

DEFAULT, WRITTEN = "default", "command line"
TUNED = "tuned: "  # begins the origin of what invbench tune chose, in records also after the name of a set
NAMED = "settings="  # begins the origin, in a record, of a set that was asked for


@dataclass(frozen=True)
class Settings:
    """Values of a solver's fields, and where they come from."""

    values: Mapping[str, Any] = field(default_factory=dict)
    origin: str = DEFAULT


class Place(NamedTuple):
    """What a set is for: a preset, one of its tasks ('' for all) and, if it must be requested, its name."""

    preset: str
    task: str
    name: str = ""

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


def settings(cls: type[Any], benchmark: str, task: str, name: str = "") -> Settings:
    """The set for a task of a preset, else that of the preset, else none; with a name, the task's set of that name.

    Raises ConfigError if there is none of the name.
    """
    sets = tables(cls)
    if not name:
        return sets.get(Place(benchmark, task)) or sets.get(Place(benchmark, "")) or Settings()
    if named_set := sets.get(Place(benchmark, task, name)):
        return Settings(named_set.values, f"settings={name}: {named_set.origin}")
    names = sorted(place.name for place in sets if place[:2] == (benchmark, task) and place.name)
    raise ConfigError(
        f"settings={name}: solver {cls.name} has no set of this name for task {task} of {benchmark}; it has: "
        f"{', '.join(names) or 'none'}. Leave settings out for its usual options"
    )


def space(cls: type[Any]) -> Mapping[str, list[Any]]:
    """Values that ``invbench tune`` tries, by field; empty if none are declared."""
    declared: Mapping[str, list[Any]] = _load(_path(cls)).get("space", {})
    _check(cls, declared)
    return declared


def tables(cls: type[Any]) -> dict[Place, Settings]:
    """Every set of a solver.

    Raises PluginError if a set names no field of the solver or no origin.
    """
    presets = {preset: content for preset, content in _load(_path(cls)).items() if preset != "space"}
    return {
        Place(preset, task, name): _settings(cls, str(Place(preset, task, name)), values)
        for preset, content in presets.items()
        for task, of_task in _sets(content).items()
        for name, values in _sets(of_task).items()
    }


def _sets(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The tables in a table, by name, and its own values under ''."""
    shared = {key: value for key, value in content.items() if not isinstance(value, dict)}
    own: dict[str, Mapping[str, Any]] = {name: each for name, each in content.items() if isinstance(each, dict)}
    return {"": shared, **own} if shared else own


def _settings(cls: type[Any], title: str, values: Mapping[str, Any]) -> Settings:
    """A set of values, which must name fields of the solver and have an origin."""
    fields = {key: value for key, value in values.items() if key != "origin"}
    _check(cls, fields)
    if not values.get("origin"):
        raise PluginError(f"{_path(cls)}: [{title}] needs an origin, a text")
    return Settings(fields, values["origin"])


def origins(cls: type[Any], chosen: Settings, written: frozenset[str]) -> dict[str, str]:
    """Where the value of each field comes from, for the record; ``written`` are fields the user set."""
    by_field = dict.fromkeys((f.name for f in dataclasses.fields(cls)), DEFAULT)
    by_field.update(dict.fromkeys(chosen.values, chosen.origin))
    by_field.update(dict.fromkeys(by_field.keys() & written, WRITTEN))
    return by_field


def _check(cls: type[Any], values: Mapping[str, Any]) -> None:
    known = [f.name for f in dataclasses.fields(cls)]
    for key in values:
        if key not in known:
            raise PluginError(f"{_path(cls)}: {unknown(f'option of solver {cls.name}', key, known)}")


def _path(cls: type[Any]) -> Path:
    return Path(inspect.getfile(cls)).with_suffix(".toml")


@cache
def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise PluginError(f"{path} is not valid TOML: {error}") from None
