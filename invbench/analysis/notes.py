"""The notes below a table of images: how to read it, and warnings."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence

from invbench.analysis.cell import Spread
from invbench.analysis.clusters import labels
from invbench.analysis.columns import Column, protocols_note
from invbench.analysis.comparable import LAST_BITS, Sameness, assumptions, names_by, sameness
from invbench.analysis.digits import Metrics
from invbench.analysis.group import Group
from invbench.metric import Metric, SetMetric
from invbench.store.reader import LoadedCell

SECONDS = "Seconds are those at the batch size of the run."
COVERED = 6  # number of images from which intervals have their nominal coverage
OTHER = "WARNING: rows saw different measurements"
MEASUREMENTS: Mapping[Sameness, str] = {  # filled in with their digest
    "same bytes": "Measurements {}: every row saw the same bytes for the same image.",
    "last bits": LAST_BITS,
    "different": OTHER + " ({}); they are not comparable.",
    "unknown": OTHER + " ({}), unless in last bits alone, which records without fingerprints cannot say; they are not "
    "comparable.",
}


def table_notes(group: Group, columns: Sequence[Column], spread: Spread = "interval") -> list[str]:
    """Notes about the means over images, the measurements, and each cell."""
    notes = []
    if not group.comparable:
        notes.append("WARNING: there is no image that all rows have; they are not comparable.")
    if any(cell.measured for cell in group.cells):
        notes += _interval_notes(group) if spread == "interval" else [*spread_notes(spread), SECONDS]
        notes.append(protocols_note(columns))
        notes += _measurement_notes(group)
    notes += assumptions({group.label(cell): cell for cell in group.cells})
    for cell in group.cells:
        notes += cell_notes(group.label(cell), cell)
    return notes


def spread_notes(spread: Spread, seeds: Collection[int] = ()) -> list[str]:
    """Which deviations are shown beside the means, over images or over these seeds; intervals have their own note."""
    if spread == "interval":
        return []
    if spread == "none":
        return ["Means over images."]
    if len(seeds) > 1:
        over = f"over the {len(seeds)} seeds {', '.join(map(str, sorted(seeds)))}, of means over images"
    else:
        over = "over images; it is the spread of images, not the error of the mean"
    return [f"Means over images ± standard deviation {over}."]


def _interval_notes(group: Group) -> list[str]:
    """The units that intervals and tests resample, and a warning if they are too few."""
    clusters = [len(set(labels(cell.images, cell.groups))) for cell in group.measured]
    in_groups = any(k < len(cell.images) for k, cell in zip(clusters, group.measured, strict=True))
    of = "; intervals and tests take groups of images (photographs) as independent units" if in_groups else ""
    notes = [f"Means over images with 95 % BCa bootstrap intervals{of}; seconds at the batch size of the run."]
    if min(clusters, default=COVERED) < COVERED:
        unit = "groups" if in_groups else "images"
        notes.append(f"WARNING: intervals over fewer than {COVERED} {unit} are too narrow.")
    return notes


def _measurement_notes(group: Group) -> list[str]:
    """Whether rows saw the same measurements."""
    alike = sameness(group.cells)
    if alike == "same bytes" and not group.comparable:
        return []
    hashes = {(image, each.sha256) for cell in group.cells for image, each in cell.measured.items()}
    digest = hashlib.sha256("".join(sorted(image + y for image, y in hashes)).encode()).hexdigest()[:12]
    return [MEASUREMENTS[alike].format(digest)]


def cell_notes(name: str, cell: LoadedCell) -> Iterator[str]:
    """Why a cell has no scores, or not all of them."""
    run, images = cell.run, len(cell.images)
    if run.status == "skipped":
        yield f"Skipped {name}: {run.reason}."
    elif run.status == "failed":
        yield f"FAILED {name}: {run.reason} (traceback in {cell.folders[0] / 'run.json'})."
    elif run.status != "complete":
        yield f"Incomplete {name}: {run.status}; run the same command to resume."
    elif images < run.images:
        yield f"WARNING: {name} was complete with {run.images} images and has records of {images}."
    if cell.damaged == 1:
        yield f"{name}: 1 damaged line of its records was left out."
    elif cell.damaged:
        yield f"{name}: {cell.damaged} damaged lines were left out."


def set_notes(group: Group, metrics: Metrics, in_table: Collection[str], spread: Spread = "interval") -> list[str]:
    """Which images the scores of sets are computed on, and warnings about them."""
    names = [name for name in group.common_sets if name in in_table]
    by_kind = names_by(((tuple(group.common_sets[name]), _deviations(name, metrics, spread)), name) for name in names)
    by_least = names_by((_least(name, metrics), name) for name in names if _fewest(name, group) < _least(name, metrics))
    notes = [_images_note(images, deviations, of) for (images, deviations), of in by_kind.items()]
    notes += [
        f"WARNING: {', '.join(of)} of fewer than {least:,} images: biased, so compare at equal n only."
        for least, of in by_least.items()
    ]
    return notes + _apart_note([name for name in names if not group.common_sets[name]], group.cells)


def _apart_note(names: Sequence[str], cells: Sequence[LoadedCell]) -> list[str]:
    """A warning that scores of these sets are of different images, if they are, and what helps."""
    if not names:
        return []
    gone = [len(cell.images) for cell in cells if cell.images and cell.image_path(cell.images[0]) is None]
    scores, those = ", ".join(names), "WARNING: rows have different images; "
    if gone:  # released records
        return [f"{those}for {scores} run the others with n={max(gone)}, as some come without reconstructions."]
    return [f"{those}'invbench rescore' scores {scores} on those all have."]


def _images_note(images: Sequence[str], deviations: str, names: Sequence[str]) -> str:
    of = f"the {len(images)} images on which all rows were scored" if images else "all images of a row"
    interval = f"; intervals are -+1.96 standard deviations ({deviations})" if deviations else ""
    return f"Of {of}, as one set of first samples{interval}: {', '.join(names)}."


def _deviations(name: str, metrics: Metrics, spread: Spread) -> str:
    """How the interval of a score of sets was estimated; "" if none is shown."""
    if spread != "interval":
        return ""
    metric = metrics.get(name, Metric)
    return metric.deviations if issubclass(metric, SetMetric) else SetMetric.deviations


def _least(name: str, metrics: Metrics) -> int:
    """The number of images below which a metric of sets is biased."""
    metric = metrics.get(name, Metric)
    return metric.least if issubclass(metric, SetMetric) else 0


def _fewest(name: str, group: Group) -> int:
    """The size of the smallest set that was scored."""
    if common := group.common_sets[name]:
        return len(common)
    return min((score.n for cell in group.scored for score in cell.sets if score.metric == name), default=0)
