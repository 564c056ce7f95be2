"""Adding scores of images and of sets of images to existing records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch import Tensor

from invbench.analysis.clusters import labels
from invbench.analysis.comparable import by_measurement
from invbench.errors import InvbenchError, MetricError, StoreError
from invbench.harness.bank import recorded
from invbench.harness.rebuild import Remeasure, located
from invbench.harness.scoring import Scorer
from invbench.metric import Metric, SetMetric
from invbench.plugins import Catalog
from invbench.problem import Measurement
from invbench.store.files import PATIENCE, images_digest
from invbench.store.reader import LoadedCell, load_parts
from invbench.store.schema import Run, Score, ScoredSet
from invbench.store.writer import CellStore

BATCH = 16


@contextmanager
def adding_to(cell: LoadedCell, folders: Sequence[Path], patience: float) -> Iterator[LoadedCell]:
    """The cell as it is on disk, with its folders locked against other writers; they get new checksums afterwards.

    Raises LockedCell if another process holds a lock for longer, StoreError if a file was changed since the cell was
    complete.
    """
    with ExitStack() as stack:
        stores = [CellStore(folder) for folder in folders]
        for store in stores:
            stack.enter_context(store.writing(patience))
            store.verify_checksums()
        yield load_parts(cell.id, cell.folders)
        for store in stores:
            run = store.read_run()
            if run and run.status == "complete" and not store.has_checksums:
                store.write_checksums()


def unfinished(cell: LoadedCell) -> bool:
    """Whether the process that added scores to a complete cell was killed before it wrote its checksums."""
    return cell.run.status == "complete" and not all(CellStore(folder).has_checksums for folder in cell.folders)


def rescore(cell: LoadedCell, scorer: Scorer, measure: Remeasure) -> int:
    """Add the scores that a cell's images lack, from the stored reconstructions; returns the number of rows.

    Images that the dataset no longer has are left as they are. Raises StoreError if a measurement is not the one
    that was solved, or if a reconstruction is missing.
    """
    chunks = _chunks([image for image in cell.images if image in measure.held])
    wanting = [chunk for chunk in chunks if _lacking(cell, chunk, scorer, measure(chunk))]
    if not wanting and not unfinished(cell):
        return 0  # released records, which have no reconstructions, need none
    with adding_to(cell, cell.folders, PATIENCE) as cell:
        return sum(_rescore_chunk(cell, chunk, scorer, measure(chunk)) for chunk in wanting)


def _lacking(cell: LoadedCell, chunk: Sequence[str], scorer: Scorer, measured: Measurement) -> list[Metric]:
    """Metrics that are missing for some of these images. Raises StoreError for another measurement."""
    for image, now in zip(chunk, recorded(measured), strict=True):
        if not cell.measured[image].same(now):
            raise StoreError(f"{cell.folders[0]}: {image} was solved from another measurement than is made today")
    usable = scorer.of_images(cell.run.config.samples, measured)
    return [m for m in usable if any((i, m.name, m.protocol) not in cell.scored for i in chunk)]


def _rescore_chunk(cell: LoadedCell, chunk: Sequence[str], scorer: Scorer, measured: Measurement) -> int:
    """Add the scores that some images lack; returns the number of rows."""
    stores = {folder: CellStore(folder) for folder in cell.folders}
    lacking = {(m.name, m.protocol) for m in _lacking(cell, chunk, scorer, measured)}
    samples = torch.stack([cell.reconstructions(i) for i in chunk])
    count = 0
    for image, rows in zip(chunk, scorer.image_rows(cell.id, samples, measured, lacking), strict=True):
        store = stores[cell.folder_of(image)]
        store.drop_checksums()
        count += store.add_rows(row for row in rows if (image, row.metric, row.protocol) not in cell.scored)
    return count


def score_set(
    cell: LoadedCell, scorer: Scorer, measure: Remeasure, images: Sequence[str] = (), patience: float = PATIENCE
) -> None:
    """Score some of a cell's images as a set, by their first samples, and write the scores that are new.

    By default all images. Scores of other sets are kept. Raises LockedCell if another process writes to the cell for
    longer than ``patience`` seconds.
    """
    images = images or cell.images
    several = len(images) > 1 and measure.held.issuperset(images)
    lacking = _unscored(cell, scorer, measure, images) if several else []
    if not lacking and not unfinished(cell):
        return
    scores = _set_scores(cell, scorer, measure, images, lacking) if lacking else []
    folder = min(cell.folders)
    with adding_to(cell, [folder] if scores else cell.folders, patience) as cell:
        _add_set_scores(cell, CellStore(folder), images, scores)


def _add_set_scores(cell: LoadedCell, store: CellStore, images: Sequence[str], scores: Sequence[Score]) -> None:
    """Write the scores that are missing."""
    there = cell.set_scores(images)
    known = {(s.metric, s.protocol) for s in there}
    new = [s for s in scores if (s.metric, s.protocol) not in known]
    if new:
        store.drop_checksums()
        store.write_sets(cell.all_sets() | {images_digest(images): ScoredSet(list(images), there + new)})


def _unscored(cell: LoadedCell, scorer: Scorer, measure: Remeasure, images: Sequence[str]) -> list[SetMetric]:
    """Metrics of sets that are missing for these images."""
    there = {(s.metric, s.protocol) for s in cell.set_scores(images)}
    return [m for m in scorer.of_sets(measure.without_posterior(images[:1])) if (m.name, m.protocol) not in there]


def _set_scores(
    cell: LoadedCell, scorer: Scorer, measure: Remeasure, images: Sequence[str], usable: Sequence[SetMetric]
) -> list[Score]:
    restored: dict[str, list[Tensor | None]] = {m.name: [] for m in usable}
    truth: dict[str, list[Tensor | None]] = {m.name: [] for m in usable}
    for chunk in _chunks(images):
        measured = measure.without_posterior(chunk)
        x_hat = torch.stack([cell.reconstructions(image)[0] for image in chunk])
        for m in usable:
            restored[m.name].append(scorer.features(m, x_hat, measured))
            truth[m.name].append(scorer.features(m, measured.x, measured))
    groups = labels(images, cell.groups)
    scores = [
        scorer.set_score(m, _joined(truth[m.name]), _joined(restored[m.name]), groups)
        for m in usable
        if m.name not in scorer.faults
    ]
    return [score for score in scores if score is not None]


def _joined(features: Sequence[Tensor | None]) -> Tensor:
    return torch.cat([rows for rows in features if rows is not None])


def _chunks(images: Sequence[str]) -> list[list[str]]:
    return [list(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]


def rescore_all(cells: Sequence[LoadedCell], catalog: Catalog, device: torch.device | str = "cpu") -> Iterator[str]:
    """Add missing scores, of each image and of each set of images that another solver has; yields a line for each cell.

    Raises StoreError at the end where a cell could not be scored.
    """
    failed = 0
    scorer = Scorer(catalog.metrics(), device=device)
    for group in by_measurement(cells):
        sets = {tuple(cell.images) for cell in group}
        for cell in group:
            config = cell.run.config
            title = f"{config.benchmark.name}/{config.task.name}/{config.solver.name}-{cell.id}"
            try:
                yield f"{title}: {_rescore(cell, scorer, sets, catalog, located(cell, group))}"
            except InvbenchError as error:
                failed += 1
                yield f"{title}: {error}"
    yield from (f"metric {name} failed, and its scores are left out: {why}" for name, why in scorer.faults.items())
    if failed:
        some = "1 cell" if failed == 1 else f"{failed} cells"
        raise StoreError(f"{some} could not be scored (see above); all others were")
    if scorer.faults:
        raise MetricError(f"{', '.join(scorer.faults)} failed (see above); all other scores were added")


def _rescore(cell: LoadedCell, scorer: Scorer, sets: Collection[Sequence[str]], catalog: Catalog, run: Run) -> str:
    """Score a cell; returns a text with the number of new scores."""
    measure = Remeasure(run, catalog)
    count = rescore(cell, scorer, measure)
    for images in sets:
        if set(images).issubset(cell.images):
            score_set(cell, scorer, measure, images)
    removed_images = len(set(cell.images) - measure.held)
    left = f"; the dataset holds {removed_images} of them no more, which are left as they are" if removed_images else ""
    return f"{count} new scores of {len(cell.images)} images{left}"
