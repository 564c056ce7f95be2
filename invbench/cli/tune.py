"""Choosing hyper-parameters: a sweep over a declared space on the tuning split, ranked by a metric."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec
import numpy as np
import pandas as pd

from invbench.analysis.clusters import clustered
from invbench.analysis.columns import first
from invbench.analysis.comparable import by_measurement
from invbench.analysis.digits import format_interval, format_value
from invbench.analysis.stats import bca_interval
from invbench.analysis.table import Table
from invbench.atomic import write_atomic
from invbench.cli.console import terminal_width
from invbench.cli.jobs import Job, run_jobs
from invbench.errors import ConfigError, StoreError, unknown
from invbench.harness.experiments import expanded
from invbench.harness.nodes import field_names
from invbench.harness.overrides import split
from invbench.harness.overrides import values as swept
from invbench.metric import Metric, SampleMetric
from invbench.plugins import Catalog
from invbench.settings import TUNED, WRITTEN, space
from invbench.solver import Solver
from invbench.store.files import MEAN
from invbench.store.jsonfiles import json_text
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.schema import JSON

DEFAULTS = {"n": "28", "references": "false", "out": "results/tune"}
SPLIT = "tune"


class Ranked(msgspec.Struct, frozen=True):
    """A setting that ``invbench tune`` tried: searched and fixed values, and the scores of the images."""

    cell: str
    values: dict[str, JSON]
    given: dict[str, JSON]
    n: int
    mean: float
    interval: tuple[float, float]
    scores: list[float]
    seconds: float


class Tuning(msgspec.Struct, frozen=True):
    """``tune-<solver>-seed<n>.json``: settings, best first."""

    command: str
    objective: str  # its protocol
    split: JSON
    ranking: list[Ranked]

    def plain(self) -> dict[str, JSON]:
        """As JSON."""
        fields: dict[str, JSON] = msgspec.to_builtins(self)
        return fields


def tune(overrides: Sequence[str], catalog: Catalog) -> int:
    """Run the sweep, print the ranking and the lines for the solver's TOML file; returns the exit status."""
    overrides = expanded(overrides)
    command = shlex.join(["invbench", "tune", *overrides])
    pairs = _pairs(overrides)
    objective = _objective(pairs.pop("objective", first(catalog.for_tables()[0])), pairs.get("samples", "1"), catalog)
    sweep, searched = _sweep(pairs, catalog)
    jobs = run_jobs(sweep, catalog, command)
    if jobs is None:
        return 130
    ranked = [_report(group, searched, objective, command) for group in by_measurement(_cells(jobs))]
    return 0 if ranked and all(ranked) and all(job.success for job in jobs) else 1


def _cells(jobs: Sequence[Job]) -> list[LoadedCell]:
    """The cells of the jobs."""
    tried = {(job.cell, job.out) for job in jobs if job.cell}
    return [cell for out in {out for _, out in tried} for cell in load_cells(out) if (cell.id, out) in tried]


def _pairs(overrides: Sequence[str]) -> dict[str, str]:
    """The overrides by key. Raises ConfigError for an argument that is not key=value."""
    return dict(split(overrides, "invbench tune solver=dps task=sr4"))


def _objective(name: str, samples: str, catalog: Catalog) -> type[Metric]:
    metrics = {key: plugin.cls for key, plugin in catalog.plugins["metric"].items()}
    if name not in metrics:
        raise ConfigError(unknown("objective", name, metrics))
    metric = metrics[name]
    if metric.higher_is_better is None and metric.target is None:
        raise ConfigError(f"objective {name} has no better direction; choose another")
    if issubclass(metric, SampleMetric) and samples.isdigit() and int(samples) < metric.least:
        enough = max(8, metric.least)
        raise ConfigError(f"objective {name} scores several samples of a measurement; add samples={enough}")
    return metric


def _nothing_to_search(cls: type[Solver]) -> ConfigError:
    fields = ", ".join(field_names(cls)) or "none"
    return ConfigError(
        f"nothing to search: solver {cls.name} declares no search space for the remaining options; give values, as "
        f"solver.KEY=a,b,c (keys: {fields})"
    )


def _one_solver(text: str) -> str:
    if not text:
        raise ConfigError("expected solver=NAME task=NAME; for example: invbench tune solver=dps task=sr4")
    if "," in text:
        raise ConfigError(f"expected one solver, whose options are searched; got {text}")
    return text


def _sweep(pairs: Mapping[str, str], catalog: Catalog) -> tuple[list[str], list[str]]:
    """Overrides of the sweep, and the fields it searches: those of the declared space that the user did not set."""
    cls = catalog.get("solver", _one_solver(pairs.get("solver", "")))
    values = {key: ",".join(map(str, tried)) for key, tried in space(cls).items()}
    values |= {key.partition(".")[2]: value for key, value in pairs.items() if key.startswith("solver.")}
    searched = [key for key, text in values.items() if len(swept(f"solver.{key}", text)) > 1]
    if not searched:
        raise _nothing_to_search(cls)
    overrides = {
        **DEFAULTS,
        **pairs,
        **{f"solver.{key}": text for key, text in values.items()},
        **_split(pairs, catalog),
    }
    return [f"{key}={value}" for key, value in overrides.items()], searched


def _split(pairs: Mapping[str, str], catalog: Catalog) -> dict[str, str]:
    """The override that selects the tuning images. Raises ConfigError if results are reported on these images."""
    benchmark = pairs.get("benchmark", "photos")
    name = pairs.get("dataset", benchmark)
    if "split" in field_names(catalog.get("dataset", name)):
        if pairs.get("dataset.split") == "test":
            raise ConfigError("hyper-parameters are not chosen on the test images; leave dataset.split out")
        return {"dataset.split": pairs.get("dataset.split", SPLIT)}
    if name == benchmark:
        raise ConfigError(
            f"dataset {name} has no tuning split; give other images, for example dataset=folder dataset.root=FOLDER"
        )
    return {}


def _report(cells: Sequence[LoadedCell], searched: Sequence[str], objective: type[Metric], command: str) -> bool:
    """Print one task's ranking, best first, and write it beside the records; False if nothing could be ranked."""
    config = cells[0].run.config
    solver, place = config.solver.name, f"{config.benchmark.name}.{config.task.name}"
    rows = sorted((_row(cell, searched, objective) for cell in cells), key=lambda row: _loss(row.mean, objective))
    if math.isnan(rows[0].mean):
        reason = cells[0].run.reason or "no image has a value"
        click.echo(f"error: nothing to rank on {place} by {objective.name}: {reason}", err=True)
        return False
    title = f"{solver} on {place}, n {rows[0].n}, seed {config.seed}, by {objective.protocol}"
    shown = Table(title, pd.DataFrame([_shown(row, objective) for row in rows], dtype=object), ())
    click.echo("\n" + shown.render(width=terminal_width()))
    _hint(rows, searched)
    click.echo(f"taken with settings={objective.name}, for the solver's TOML file:\n")
    click.echo("\n".join([*_toml(place, rows[0], objective, command), ""]))
    path = cells[0].folders[0].parent / f"tune-{solver}-seed{config.seed}.json"
    split = config.dataset.options.get("split")
    result = Tuning(command, objective.protocol, split, rows)
    try:
        write_atomic(path, json_text(result.plain()).encode())
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}; choose another out=FOLDER") from None
    click.echo(f"result: {path}")
    return True


def _hint(rows: Sequence[Ranked], searched: Sequence[str]) -> None:
    """Warn of best values at the boundary of the search space."""
    edges = [k for k in searched if rows[0].values[k] in _ends([row.values[k] for row in rows])]
    if edges:
        click.echo(f"the best {', '.join(edges)} lies at the boundary of the search space; extend it")


def _shown(row: Ranked, objective: type[Metric]) -> dict[str, Any]:
    score = format_interval(objective.name, row.mean, *row.interval, {objective.name: objective})
    return {**row.values, objective.name: score, "s/image": f"{row.seconds:.2g}"}


def _toml(place: str, best: Ranked, objective: type[Metric], command: str) -> list[str]:
    """The lines that make the best values the preset's settings."""
    better = {True: "higher is better", False: "lower is better", None: f"nearest to {objective.target} is best"}
    mean = format_value(objective.name, best.mean, {objective.name: objective})
    result = f"{objective.name} {mean}, n {best.n}, {better[objective.higher_is_better]}"
    values = [f"{key} = {json.dumps(value)}" for key, value in {**best.given, **best.values}.items()]
    return [f"[{place}.{objective.name}]", *values, f"origin = {json.dumps(f'{TUNED}{command} ({result})')}"]


def _row(cell: LoadedCell, searched: Sequence[str], objective: type[Metric]) -> Ranked:
    solver, of_images = cell.run.config.solver.options, _scores(cell, objective)
    scores = of_images.to_numpy(dtype=float)
    seconds = [r.value for r in cell.rows if r.metric == "seconds" and r.sample != MEAN]
    return Ranked(
        cell=cell.id,
        values={key: solver[key] for key in searched},
        given={key: solver[key] for key, origin in cell.run.origins.items() if origin == WRITTEN and key in solver},
        n=len(scores),
        mean=float(scores.mean()) if len(scores) else math.nan,
        interval=bca_interval(clustered(of_images, cell.groups)),
        scores=scores.tolist(),
        seconds=float(np.mean(seconds)) if seconds else math.nan,
    )


def _scores(cell: LoadedCell, objective: type[Metric]) -> pd.Series:
    """One number per image: the score of its samples together, or the mean over its samples."""
    together = issubclass(objective, SampleMetric)
    by_image: dict[str, list[float]] = {}
    for row in cell.rows:
        if row.protocol == objective.protocol and (row.sample == MEAN) == together:
            by_image.setdefault(row.image, []).append(row.value)
    return pd.Series({image: float(np.mean(values)) for image, values in by_image.items()}, dtype=float)


def _loss(mean: float, objective: type[Metric]) -> float:
    """Sort key, smallest for the best mean; nan is the worst."""
    if math.isnan(mean):
        return math.inf
    if objective.higher_is_better is None:
        assert objective.target is not None
        return abs(mean - objective.target)
    return -mean if objective.higher_is_better else mean


def _ends(values: Sequence[Any]) -> set[Any]:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return {min(numbers), max(numbers)} if len(set(numbers)) > 1 else set()
