"""Records to tables. No torch here: a table can be built on any machine that has the records."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from invbench.analysis.comparable import (
    LAST_BITS,
    assumptions,
    by_measurement,
    headline,
    label,
    means_by_image,
    sameness,
    scored_sets,
    shared_images,
    solver_of,
)
from invbench.analysis.digits import shown, spec_of
from invbench.analysis.significance import VALUES, duels_of, mark_notes, marked
from invbench.analysis.stats import bca_interval, bca_intervals, columnwise
from invbench.analysis.table import Table
from invbench.errors import ConfigError, unknown
from invbench.metric import Metric
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell
from invbench.store.schema import JSON, Score

SAMPLE_TABLES = {
    "samples": "Scores of K samples per measurement: crps and spread on [-1,1]; coverage is the central interval's "
    "less the nominal, below 0 is over-confident; diversity where H measures (range) and where it does not (null).",
    "posterior": "K samples per measurement against the exact posterior, in the range of H^T and the null space of H: "
    "sliced Wasserstein distance and gap of the means in posterior standard deviations, ratio of standard deviations, "
    "share of samples in the central 90 % interval, error of the mixture weights.",
}
SAMPLES = ("samples", "")  # a column
COVERED = 6  # images from which on intervals cover as often as they say
COLUMNS = {"nfe_forward": "NFE", "nfe_backward": "NFE backward", "seconds": "s/image"}


def build_tables(
    cells: Sequence[LoadedCell],
    metrics: Mapping[str, type[Metric]],
    floors: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
) -> list[Table]:
    """Tables per measurement: cells that share benchmark, task, dataset, prior and seed are comparable.

    The first is of images; scores of several samples of a measurement follow in tables of their own. ``floors`` names
    the exact sampler of a benchmark, where there is one. ``only`` are the metrics to show, in the tables they are of;
    one that no record has says how to get it.
    """
    tables = []
    for group in by_measurement(cells):
        floor = (floors or {}).get(group[0].run.config.benchmark.name, "")
        found = {kind: _build_samples(group, metrics, kind, floor, only) for kind in SAMPLE_TABLES}
        apart = {kind: table for kind, table in found.items() if table}
        rest = [name for name in only if _table_of(name, metrics) not in apart]
        if rest or not only:
            tables.append(_build(group, metrics, rest))
        tables += apart.values()
    return tables


def long_table(cells: Sequence[LoadedCell], metrics: Mapping[str, type[Metric]]) -> Table:
    """Every mean and every score of a set as a row of its own, for programs: value, interval, n, protocol."""
    lines: list[dict[str, Any]] = []
    for group in by_measurement(cells):
        config = group[0].run.config
        shared: dict[str, JSON] = {"benchmark": config.benchmark.name, "task": config.task.name}
        shared |= {"dataset": config.dataset.name, "prior": config.prior.name}
        shared |= {"noise": config.task.noise, "seed": config.seed}
        for cell in (c for c in group if c.rows):
            of = {**shared, "solver": solver_of(cell), "options": label(cell, group), "cell": cell.id}
            for mean, rows in cell.frame.groupby(cell.frame["sample"] == MEAN):
                kind = "all samples" if mean else "one sample"
                found = _by_column(rows)
                ends = columnwise(bca_intervals, [v.dropna().to_numpy(float) for v in found.values()])
                for ((metric, protocol), values), (low, high) in zip(found.items(), ends, strict=True):
                    named = {"metric": metric, "protocol": protocol, "scores": kind, "n": values.count()}
                    lines.append({**of, **named, "value": values.mean(), "low": low, "high": high})
            for s in cell.sets:
                named = {"metric": s.metric, "protocol": s.protocol, "scores": "set", "n": s.n}
                lines.append({**of, **named, "value": s.value, "low": s.low, "high": s.high})
    frame = pd.DataFrame(lines)
    arrows = {name: {True: "higher", False: "lower", None: ""}[m.higher_is_better] for name, m in metrics.items()}
    return Table("", frame.assign(better=frame["metric"].map(arrows).fillna("")), ())


def _build(cells: Sequence[LoadedCell], metrics: Mapping[str, type[Metric]], only: Sequence[str] = ()) -> Table:
    scored = sorted((c for c in cells if c.rows), key=lambda c: _mean_of(c, "seconds"))
    named, of_set, sets = [], [], _sets(scored)
    for cell in scored:
        rows = cell.frame
        rows = rows[rows["metric"].isin([m for m in rows["metric"].unique() if _table_of(m, metrics) == "images"])]
        named.append((label(cell, cells), rows[rows["sample"] != MEAN]))
        of_set.append(_set_scores(sets[cell.id], metrics))
        if (rows["sample"] == MEAN).any():
            k = rows["sample"].max() + 1
            named.append((f"{label(cell, cells)}, mean of {k}", rows[rows["sample"] == MEAN]))
            of_set.append({})
    lines = [{**line, **scores} for line, scores in zip(_lines(named, metrics), of_set, strict=True)]
    columns = ordered({column for line in lines for column in line if isinstance(column, tuple)})
    lacking: dict[tuple[str, str], str] = {}
    if only:
        lacking = {(name, ""): absent(name, metrics) for name in only if not _called(name, columns)}
        columns = [c for name in only for c in _called(name, [*columns, *lacking])]
    duels = duels_of(lines, columns, metrics)
    told = [lacking | line for line in marked(lines, duels)]
    title, notes = headline(cells[0].run), _notes(cells, [c for c in columns if c not in lacking])
    notes += _set_notes(scored, metrics, [name for name, _ in columns])
    notes += mark_notes(duels)
    return Table(title, _frame(told, columns, metrics), tuple(notes))


def _called(name: str, columns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [c for c in columns if c[0] == name]


def absent(name: str, metrics: Mapping[str, type[Metric]]) -> str:
    """What to do for a column that no record has. Raises ConfigError where there is no such metric."""
    if name not in metrics:
        raise ConfigError(unknown("metric", name, {*metrics, *COLUMNS}))
    if metrics[name].table != "images":
        return f"not available: needs samples=2 or more, and has a table of its own ({metrics[name].table})"
    fetch = "".join(f"'invbench fetch {a.name}', then " for a in metrics[name].artifacts)
    return f"not available: run {fetch}'invbench rescore'"


def _sets(cells: Sequence[LoadedCell]) -> dict[str, list[Score]]:
    """Scores of a set by cell: of the most images on which all cells were scored, else of each cell's own."""
    found: dict[str, list[Score]] = {c.id: [] for c in cells}
    for metric in sorted({m for c in cells for m in scored_sets(c)}):
        common = shared_images(cells, metric)
        for c in cells:
            found[c.id] += [s for s in (c.set_scores(common) if common else c.sets) if s.metric == metric]
    return found


def _set_scores(scores: Sequence[Score], metrics: Mapping[str, type[Metric]]) -> dict[Any, Any]:
    """Cells of the scores of a set, keyed as those of means over images are."""
    line = {}
    for s in scores:
        value, low, high = shown(s.value, s.low, s.high, spec_of(s.metric, metrics))
        line[s.metric, s.protocol] = f"{value} [{low}, {high}]"
    return line


def _set_notes(cells: Sequence[LoadedCell], metrics: Mapping[str, type[Metric]], shown: Collection[str]) -> list[str]:
    """Of which images the shown scores of sets are, and what to be warned of."""
    by_images: dict[tuple[str, ...], list[str]] = {}
    few: dict[int, list[str]] = {}
    for metric in sorted({m for c in cells for m in scored_sets(c)}.intersection(shown)):
        common = shared_images(cells, metric)
        by_images.setdefault(tuple(common), []).append(metric)
        sizes = [len(common)] if common else [s.n for c in cells for s in c.sets if s.metric == metric]
        if metric in metrics and min(sizes) < (least := _least(metrics[metric])):
            few.setdefault(least, []).append(metric)
    notes = []
    for images, names in by_images.items():
        of = f"the {len(images)} images on which all rows were scored" if images else "all images of a row"
        notes.append(f"Of {of} as one set, first samples, -+1.96 bootstrap deviations over images: {', '.join(names)}.")
    for least, names in few.items():
        notes.append(f"WARNING: {', '.join(names)} of fewer than {least:,} images: biased, so compare at equal n only.")
    if apart := by_images.get((), []):
        notes.append(
            f"WARNING: rows have different images; 'invbench rescore' scores {', '.join(apart)} on those all have."
        )
    return notes


def _least(metric: type[Metric]) -> int:
    return int(getattr(metric, "least", 0))


def _build_samples(
    cells: Sequence[LoadedCell], metrics: Mapping[str, type[Metric]], kind: str, floor: str, only: Sequence[str]
) -> Table | None:
    """The table of one kind of scores of several samples; None where there are none, or none of those wanted."""
    scored: list[tuple[LoadedCell, pd.DataFrame]] = []
    for cell in sorted((c for c in cells if _samples(c) > 1), key=lambda c: _mean_of(c, "seconds")):
        found = cell.frame[cell.frame["sample"] == MEAN]
        mine = [m for m in found["metric"].unique() if _table_of(m, metrics) == kind and (m in only or not only)]
        found = found[found["metric"].isin(mine)]
        if len(found):
            scored.append((cell, found))
    if not scored:
        return None
    exact = {_samples(cell): rows for cell, rows in scored if solver_of(cell) == floor}
    lines = []
    means = _lines([(label(cell, cells), rows) for cell, rows in scored], metrics)
    for (cell, rows), line in zip(scored, means, strict=True):
        if solver_of(cell) != floor and _samples(cell) in exact:
            line |= _starred(line, rows, exact[_samples(cell)])
        lines.append({**line, SAMPLES: str(_samples(cell))})
    present = {c for line in lines for c in line if isinstance(c, tuple) and c != SAMPLES}
    declared = [c for m in metrics.values() if (c := (m.name, m.protocol)) in present]
    columns = [*declared, *sorted(present.difference(declared))]
    columns = [c for name in only for c in _called(name, columns)] or columns
    notes = [SAMPLE_TABLES[kind], "Protocols: " + "; ".join(p for _, p in columns) + "."]
    if exact:
        notes.append(
            f"The row of {floor} is the floor, what as many exact samples score by chance; * differs from it on the "
            f"same images, at least {COVERED} (95 % BCa interval of the paired difference excludes 0)."
        )
    title = f"{headline(cells[0].run)} | {kind}"
    return Table(title, _frame(lines, [SAMPLES, *columns], metrics), tuple(notes))


def _starred(line: Mapping[Any, Any], rows: pd.DataFrame, exact: pd.DataFrame) -> dict[Any, Any]:
    """The line with a star at each score that differs from the exact sampler's."""
    return {
        column: f"{text} *" if isinstance(column, tuple) and _differs(rows, exact, column) else text
        for column, text in line.items()
    }


def _differs(rows: pd.DataFrame, exact: pd.DataFrame, column: tuple[str, str]) -> bool:
    """Whether a score differs from the exact sampler's on the images both have."""
    ours, floor = (
        df[(df["metric"] == column[0]) & (df["protocol"] == column[1])].set_index("image")["value"]
        for df in (rows, exact)
    )
    apart = (ours - floor).dropna().to_numpy(dtype=float)
    low, high = bca_interval(apart)
    return len(apart) >= COVERED and (low > 0 or high < 0)


def _frame(
    lines: Sequence[Mapping[Any, Any]], columns: Sequence[tuple[str, str]], metrics: Mapping[str, type[Metric]]
) -> pd.DataFrame:
    names = [c[0] for c in columns]
    return pd.DataFrame(
        [
            {
                "solver": line["solver"],
                "n": line["n"],
                **{_header(c, metrics, names.count(c[0]) > 1): line.get(c, "-") for c in columns},
            }
            for line in lines
        ]
    )


def _samples(cell: LoadedCell) -> int:
    return cell.run.config.samples


def _table_of(metric: str, metrics: Mapping[str, type[Metric]]) -> str:
    return metrics[metric].table if metric in metrics else "images"


def _lines(named: Sequence[tuple[str, pd.DataFrame]], metrics: Mapping[str, type[Metric]]) -> list[dict[Any, Any]]:
    """Cells of each row, keyed by (metric, protocol): mean over images with its interval."""
    lines: list[dict[Any, Any]] = []
    for name, rows in named:
        lines.append({"solver": name, "n": rows["image"].nunique(), VALUES: _by_column(rows)})
    places = [(line, column) for line in lines for column in line[VALUES]]
    columns = [line[VALUES][column].to_numpy(dtype=float) for line, column in places]
    means = format_means(columns, [spec_of(metric, metrics) for _, (metric, _) in places])
    for (line, column), mean in zip(places, means, strict=True):
        line[column] = mean
    for line in lines:
        if line.get(("nfe_backward",) * 2) == "0":
            del line[("nfe_backward",) * 2]
    return lines


def _by_column(rows: pd.DataFrame) -> dict[tuple[str, str], pd.Series]:
    """Image means by (metric, protocol)."""
    metrics, protocols = rows["metric"].cat, rows["protocol"].cat
    columns = metrics.codes.to_numpy(int) * len(protocols.categories) + protocols.codes.to_numpy(int)
    images, values = rows["image"].array, rows["value"].to_numpy(dtype=float)
    found = {}
    for column in np.unique(columns):
        metric, protocol = divmod(column, len(protocols.categories))
        here = columns == column
        found[metrics.categories[metric], protocols.categories[protocol]] = means_by_image(images[here], values[here])
    return found


def format_mean(values: np.ndarray, spec: str) -> str:
    """``23.85 [23.10, 24.61]``: mean and 95 % interval; excluded NaN are counted.

    >>> format_mean(np.array([2.0, 2.0]), ".1f")
    '2.0'
    """
    return format_means([values], [spec])[0]


def format_means(columns: Sequence[np.ndarray], specs: Sequence[str]) -> list[str]:
    """The same for several columns, faster than one by one."""
    good = [values[~np.isnan(values)] for values in columns]
    texts = []
    for values, kept, spec, (low, high) in zip(columns, good, specs, columnwise(bca_intervals, good), strict=True):
        excluded = f" ({len(values) - len(kept)} nan)" if len(kept) < len(values) else ""
        mean, *ends = shown(float(kept.mean()) if len(kept) else math.nan, low, high, spec)
        wide = not math.isnan(low) and ends[0] != ends[1]
        texts.append(mean + (f" [{ends[0]}, {ends[1]}]" if wide else "") + excluded)
    return texts


def ordered(columns: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Columns (metric, protocol) in the order of a table: quality, then others by name, then cost."""
    first = ["psnr", "ssim", "haarpsi", "swd", "consistency"]
    last = ["nfe_forward", "nfe_backward", "seconds"]

    def rank(column: tuple[str, str]) -> tuple[int, int, tuple[str, str]]:
        name = column[0]
        if name in first:
            return 0, first.index(name), column
        return (2, last.index(name), column) if name in last else (1, 0, column)

    return sorted(columns, key=rank)


def _header(column: tuple[str, str], metrics: Mapping[str, type[Metric]], ambiguous: bool) -> str:
    name, protocol = column
    if name in COLUMNS:
        return COLUMNS[name]
    shown = protocol if ambiguous else name
    metric = metrics.get(name)
    if metric is None:
        return shown
    target = "" if metric.target is None else f" →{metric.target:g}"
    arrow = {True: " ↑", False: " ↓", None: target}[metric.higher_is_better]
    return f"{shown}{arrow}" + (f" ({metric.unit})" if metric.unit else "")


def _notes(cells: Sequence[LoadedCell], columns: Sequence[tuple[str, str]]) -> list[str]:
    notes = []
    done = [cell for cell in cells if cell.images]
    if len(done) > 1 and not shared_images(done):
        notes.append("WARNING: there is no image that all rows have; they are not comparable.")
    if pairs := {(image, each.sha256) for cell in cells for image, each in cell.measured.items()}:
        notes.append("Means over images with 95 % BCa bootstrap intervals; seconds at the batch size of the run.")
        if any(0 < len(cell.images) < COVERED for cell in cells):
            notes.append(f"WARNING: intervals over fewer than {COVERED} images are too narrow.")
        notes.append("Protocols: " + "; ".join(p for name, p in columns if name not in COLUMNS) + ".")
        digest = hashlib.sha256("".join(sorted(image + y for image, y in pairs)).encode()).hexdigest()[:12]
        notes += _sameness_notes(cells, digest)
    notes += assumptions({label(cell, cells): cell for cell in cells})
    for cell in cells:
        name, run = label(cell, cells), cell.run
        if run.status == "skipped":
            notes.append(f"Skipped {name}: {run.reason}.")
        elif run.status == "failed":
            notes.append(f"FAILED {name}: {run.reason} (traceback in {cell.folders[0] / 'run.json'}).")
        elif run.status != "complete":
            notes.append(f"Incomplete {name}: {run.status}; run the same command to go on.")
        elif (there := len(cell.images)) < run.images:
            notes.append(f"WARNING: {name} was complete with {run.images} images and has records of {there}.")
        if cell.damaged:
            lines = "1 damaged line of its records was" if cell.damaged == 1 else f"{cell.damaged} damaged lines were"
            notes.append(f"{name}: {lines} left out.")
    return notes


def _sameness_notes(cells: Sequence[LoadedCell], digest: str) -> list[str]:
    """Whether rows saw the same measurements."""
    done, found = [cell for cell in cells if cell.images], sameness(cells)
    if found == "same bytes":
        together = len(done) < 2 or shared_images(done)
        return [f"Measurements {digest}: every row saw the same bytes for the same image."] if together else []
    if found == "last bits":
        return [LAST_BITS]
    unless = ", unless in last bits alone, which records without fingerprints cannot say" if found == "unknown" else ""
    return [f"WARNING: rows saw different measurements ({digest}){unless}; they are not comparable."]


def _mean_of(cell: LoadedCell, metric: str) -> float:
    values = cell.frame["value"][cell.frame["metric"] == metric]
    return float(values.mean()) if len(values) else math.inf
