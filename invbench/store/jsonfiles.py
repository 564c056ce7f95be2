"""The JSON files of a results folder, checked when read, and written as strict JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from invbench.errors import ConfigError
from invbench.noise import parse_noise
from invbench.store.schema import FORMAT, JSON, KINDS, Bench, Run, Score, ScoredSet, signed

Form = TypeVar("Form")


class _Score(msgspec.Struct):
    """The form in the file: null if a number is nan."""

    metric: str
    protocol: str
    value: float | None
    low: float | None
    high: float | None
    unit: str = ""
    without: list[float | None] = []


class _ScoredSet(msgspec.Struct):
    images: list[str]
    scores: list[_Score]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def read_json(path: Path) -> dict[str, JSON]:
    """A JSON object. Raises ValueError if the file holds anything else, OSError if it cannot be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")
    json.dumps(value, ensure_ascii=False).encode()  # raises ValueError for halves of characters
    return value


def read_run(path: Path) -> Run:
    """A ``run.json``. Raises ValueError or OSError."""
    return run_of(read_json(path))


def run_of(fields: Mapping[str, JSON]) -> Run:
    """The content of a ``run.json``. Raises ValueError."""
    if fields.get("format") != FORMAT:
        raise ValueError(f"it has format {str(fields.get('format'))[:40]}, this invbench reads {FORMAT}")
    run = _converted(fields, Run)
    if not isinstance(run.config.task.options.get("noise", ""), str):
        raise ValueError("Expected `str` - at `$.config.task.noise`")
    try:
        if run.config.task.noise:
            parse_noise(run.config.task.noise)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return run


def read_sets(path: Path) -> dict[str, ScoredSet]:
    """A ``sets.json``. Raises ValueError or OSError."""
    sets = read_json(path)
    if bad := [key for key, each in sets.items() if not isinstance(each, dict)]:
        raise ValueError(f"Expected `object` - at `$.{bad[0]}`")
    return {key: _scored_set(each) for key, each in sets.items() if isinstance(each, dict)}


def _scored_set(fields: Mapping[str, JSON]) -> ScoredSet:
    entry = _converted(fields, _ScoredSet)
    return ScoredSet(entry.images, [_score(each, len(entry.images)) for each in entry.scores])


def _score(s: _Score, n: int) -> Score:
    value, low, high = map(_number, (s.value, s.low, s.high))
    return Score(s.metric, s.protocol, s.unit, value, low, high, n, [_number(each) for each in s.without])


def read_bench(path: Path) -> Bench:
    """A ``bench-<solver>.json``. Raises ValueError or OSError."""
    fields = read_json(path)
    if fields != signed(fields):
        raise ValueError("it is not as 'invbench bench' wrote it")
    return _converted(fields, Bench)


def json_text(value: Mapping[str, JSON], indent: int = 2) -> str:
    """Strict JSON: numbers that are not finite are null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False) + "\n"


def _finite(value: JSON | Mapping[str, JSON]) -> JSON:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _converted(fields: Mapping[str, JSON], form: type[Form]) -> Form:
    """A value of a type from JSON. Raises ValueError that names the part that is absent or of another type."""
    try:
        return msgspec.convert(_nested(fields), form)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _nested(fields: Mapping[str, JSON]) -> dict[str, JSON]:
    """The same with the options of each part of a configuration in a separate mapping."""
    config = fields.get("config")
    if not isinstance(config, dict):
        return dict(fields)
    parts = {kind: _part(config[kind]) for kind in KINDS if kind in config}
    return {**fields, "config": {**config, **parts}}


def _part(fields: JSON) -> JSON:
    if not isinstance(fields, dict):
        return fields
    named = {key: value for key, value in fields.items() if key in ("name", "sha256")}
    return {**named, "options": {key: value for key, value in fields.items() if key not in named}}
