"""Running solvers, and reading records."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from invbench.analysis.comparable import measurement_key
from invbench.api.progress import bar
from invbench.api.results import Results
from invbench.api.words import words_of
from invbench.errors import ConfigError, DataError, unknown
from invbench.harness.choices import choices
from invbench.harness.config import Choice
from invbench.harness.jobs import run_request
from invbench.harness.outcome import Done
from invbench.harness.request import Request, faults_of, job_requests
from invbench.harness.tracking import Trackers
from invbench.plugins import Catalog, load_catalog
from invbench.solver import Solver
from invbench.store.files import where_instead
from invbench.store.reader import load_cells
from invbench.store.released import results_folder
from invbench.task import Task

REFERENCE = "reference"  # names our released records
FILTERS = ("benchmark", "task", "dataset", "solver", "noise", "seed")


def run(
    solver: str | Sequence[str],
    task: str | Sequence[str],
    benchmark: str | Sequence[str] = "photos",
    *,
    progress: bool = True,
    **options: Any,
) -> Results:
    """Run solvers on tasks of benchmarks, as ``invbench run`` does; what is recorded already is not run again.

    ``options`` are those of the command: ``n``, ``seed``, ``samples``, ``settings``, ``device``, ``out`` and so on; in
    an option of a plugin two underscores replace the dot, as in ``solver__eta=0.5``. A list or a tuple of values is a
    sweep. Presets and tuned settings apply as in the command.

    The result has, as the command's tables, everything that the folder ``out`` holds of the same measurements.

    Raises ConfigError, PluginError or DataError, before any network call, for anything that cannot be run. Later
    failures are warnings, listed in ``faults`` of the result.

    >>> len(run("pinv", "denoise", "gmm2d", n=2, references=False, out=str(getfixture("tmp_path")), progress=False))
    1
    """
    named = {"benchmark": benchmark, "solver": solver, "task": task}
    for kind, value in named.items():
        if isinstance(value, (Solver, Task, type)):
            raise ConfigError(
                f"a recorded run takes the name of a {kind}; got an object. restore(...) takes objects; "
                f"'invbench new {kind} NAME' starts a plugin, which has a name"
            )
    words = words_of({**named, **options})
    catalog = load_catalog()
    keys: set[str] = set()
    faults: list[str] = []
    outs: set[Path] = set()
    jobs = list(choices(words, catalog))
    trackers = Trackers.of(jobs[0].config.track, catalog)  # which is the same in all
    for choice in jobs:
        for done, lines in _run_job(choice, catalog, " ".join(words), progress, trackers):
            keys.add(done.key or "")
            faults += lines
        outs.add(Path(choice.config.out).expanduser())
    for line in faults:
        warnings.warn(line, stacklevel=2)
    cells = [c for out in sorted(outs) for c in load_cells(out) if measurement_key(c.run.config) in keys]
    return Results(tuple(cells), min(outs), catalog, tuple(faults))


def load(folder: str | Path = "results/runs", **filters: str) -> Results:
    """The records below a folder; ``reference`` names those that come with invbench.

    ``filters`` select by ``benchmark``, ``task``, ``solver``, ``noise`` or ``dataset``; commas separate several values.
    Raises DataError if no record is selected.

    >>> sorted(load("reference", benchmark="photos", task="sr4", solver="pinv,bicubic").frame["solver"].unique())
    ['bicubic', 'pinv']
    """
    for key in filters:
        if key not in FILTERS:
            raise ConfigError(unknown("filter", key, FILTERS))
    out = results_folder() / REFERENCE if str(folder) == REFERENCE else Path(folder).expanduser()
    cells = load_cells(out, **filters)
    if not cells:
        chosen = " ".join(f"{key}={value}" for key, value in filters.items())
        advice = where_instead(out) or "make some with invbench.run(...)"
        raise DataError(f"no records in {folder}{f' of {chosen}' if chosen else ''}; {advice}")
    return Results(tuple(cells), out, load_catalog())


def plugin(kind: str, name: str) -> type[Any]:
    """The class of a solver, task, dataset, prior or metric, whose fields are its options.

    Raises PluginError for a name that is not installed.

    >>> plugin("solver", "ddrm")(eta=0.5).eta
    0.5
    """
    if kind not in (catalog := load_catalog()).plugins:
        raise ConfigError(unknown("kind of plugin", kind, catalog.plugins))
    return catalog.get(kind, name)


def _run_job(
    choice: Choice, catalog: Catalog, command: str, progress: bool, trackers: Trackers
) -> Iterator[tuple[Done, list[str]]]:
    """Run the cell of a job after its references; the outcome of each, and what went wrong."""
    text = f"invbench.run: {command}"
    requests = job_requests(choice, catalog, Request(choice, "", text, uuid.uuid4().hex))
    for request in requests:
        lines: list[str] = []
        with bar(request.title, progress) as on_progress:
            done = run_request(request, catalog, on_progress, lines.append, trackers)
        yield done, [*lines, *faults_of(request, done.outcome)]
