"""The form of the JSON files of a results folder, checked when they are read. No torch.

Only what readers take for granted is stated; further fields are left as they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from invbench.errors import ConfigError
from invbench.noise import parse_noise

FORMAT = 2
Status = Literal["complete", "skipped", "running", "interrupted", "failed"]  # of a cell, from good to bad
Count = Annotated[int, msgspec.Meta(ge=0)]
NO_COST: dict[str, float] = {
    "solve_seconds": 0.0,
    "forward_seconds": 0.0,
    "backward_seconds": 0.0,
    "operator_seconds": 0.0,
    "prepare_seconds": 0.0,
    "nfe_forward": 0,
    "nfe_backward": 0,
    "peak_bytes": 0,
}
Form = TypeVar("Form")


class Named(msgspec.Struct):
    """A plugin of a configuration."""

    name: str


class Versioned(Named):
    """A benchmark."""

    version: int = 0


class Noisy(Named):
    """A task."""

    noise: str = ""


class Hashed(Named):
    """A prior."""

    sha256: str = ""


class Config(msgspec.Struct):
    """What determines a cell's numbers."""

    benchmark: Versioned
    task: Noisy
    dataset: Named
    prior: Hashed
    solver: Named
    seed: int
    samples: Annotated[int, msgspec.Meta(ge=1)]
    plugins: dict[str, str] = {}
    assumed: str = ""


class Session(msgspec.Struct):
    """One stretch of work."""

    command: str = ""
    started: str = ""
    device: str = "unknown"
    threads: int = 0
    platform: str = "unknown"
    python: str = "unknown"
    packages: dict[str, str] = {}
    batch_size: int = 0
    commit: str | None = None
    dirty: bool | None = None
    code: dict[str, str] = {}


class Training(msgspec.Struct):
    """How weights were made."""

    seconds: float = 0.0


class Run(msgspec.Struct):
    """``run.json``."""

    format: int
    cell: str
    config: Config
    status: Status
    reason: str | None = None
    images: Count = 0
    cost: dict[str, float] = {}
    sessions: list[Session] = []
    origins: dict[str, str] = {}
    places: dict[str, str] = {}
    training: Training = msgspec.field(default_factory=Training)


class Score(msgspec.Struct):
    """A metric of a set of images."""

    metric: str
    protocol: str
    value: float | None
    low: float | None
    high: float | None
    unit: str = ""


class Scored(msgspec.Struct):
    """A set of images with its scores; ``sets.json`` holds several, by the digest of the names."""

    images: list[str]
    scores: list[Score]


class CostConfig(msgspec.Struct):
    """Of the configuration, what costs are found by."""

    benchmark: Named
    task: Named
    solver: Named


class CostSession(msgspec.Struct):
    """Of the session, what makes a setting."""

    device: str
    threads: int
    command: str = ""


class Spent(msgspec.Struct):
    """What ``invbench bench`` measured of a solver."""

    batch: int
    seconds: float


class Cost(msgspec.Struct):
    """``bench-<solver>.json``."""

    config: CostConfig
    cost: Spent
    session: CostSession
    sha256: str


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ValueError where the file holds anything else, OSError where it cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("it holds no JSON object")
    json.dumps(found, ensure_ascii=False).encode()  # raises ValueError for halves of characters
    return found


def read_run(path: Path) -> dict[str, Any]:
    """A ``run.json`` as it was written. Raises ValueError or OSError."""
    run = read_json(path)
    if run.get("format") != FORMAT:
        raise ValueError(f"it has format {str(run.get('format'))[:40]}, this invbench reads {FORMAT}")
    _conform(run, Run)
    noise = run["config"]["task"].get("noise")
    try:
        if noise:
            parse_noise(noise)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return run


def filled(run: Mapping[str, Any]) -> dict[str, Any]:
    """The same with every part that readers need."""
    config = dict(run["config"])
    config["benchmark"] = {"version": 0, **config["benchmark"]}
    config["task"] = {"noise": "", **config["task"]}
    config["prior"] = {"sha256": "", **config["prior"]}
    sessions = [{**msgspec.to_builtins(Session()), **session} for session in run.get("sessions", [])]
    defaults: dict[str, Any] = {"reason": None, "images": 0, "origins": {}}
    cost = {**NO_COST, **run.get("cost", {})}
    return {**defaults, **run, "config": {"plugins": {}, **config}, "cost": cost, "sessions": sessions}


def read_sets(path: Path) -> dict[str, Any]:
    """A ``sets.json``; null is read as nan. Raises ValueError or OSError."""
    found = read_json(path)
    _conform(found, dict[str, Scored])
    for scored in found.values():
        for score in scored["scores"]:
            score.update({key: math.nan for key in ("value", "low", "high") if score[key] is None})
    return found


def read_cost(path: Path) -> dict[str, Any]:
    """A ``bench-<solver>.json``. Raises ValueError or OSError."""
    found = read_json(path)
    _conform(found, Cost)
    return found


def json_text(value: Any, indent: int = 2) -> str:
    """JSON by the letter: what is no finite number is null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _conform(found: Any, form: type[Any]) -> None:
    """Raises ValueError that names the part which is absent or of another type."""
    try:
        msgspec.convert(found, form)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from None
