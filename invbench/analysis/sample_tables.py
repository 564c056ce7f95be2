"""Tables of metrics that score several samples of a measurement together."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from invbench.analysis.cell import Cell, Spread
from invbench.analysis.clusters import Groups, clustered
from invbench.analysis.columns import Column, chosen, protocols_note
from invbench.analysis.comparable import headline, solver_of
from invbench.analysis.digits import Metrics
from invbench.analysis.group import Group
from invbench.analysis.notes import COVERED, spread_notes
from invbench.analysis.rows import Row, Scores, columns_of, frame_of, records_of, rows_of
from invbench.analysis.stats import bca_interval, differences
from invbench.analysis.table import Table
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell

SAMPLE_TABLES = {
    "samples": "Scores of K samples per measurement: crps and spread on [-1,1]; coverage is the central interval's "
    "minus the nominal, below 0 is over-confident; diversity where H measures (range) and where it does not (null).",
    "posterior": "K samples per measurement against the exact posterior, in the range of H^T and the null space of H: "
    "sliced Wasserstein distance and gap of the means in posterior standard deviations, ratio of standard deviations, "
    "share of samples in the central 90 % interval, error of the mixture weights.",
    "best of 4": "The best score of the first four samples and of their half turns, as the truth chooses, each metric "
    "for itself: what is found in four attempts.",
}
FLOOR = (
    "The row of {} is the floor: the scores that as many exact samples reach by chance; * differs from it on the "
    f"same images, at least {COVERED} (95 % BCa interval of the paired difference excludes 0)."
)
SAMPLES = Column("samples", "")


def sample_tables(
    group: Group, metrics: Metrics, floor: str, only: Sequence[str], spread: Spread = "interval"
) -> dict[str, Table]:
    """The table of each kind that has scores, by kind; restricted to the metrics ``only``, if any.

    ``floor`` is the name of the exact sampler, "" if the benchmark has none.
    """
    tables = {kind: _sample_table(group, metrics, kind, floor, only, spread) for kind in SAMPLE_TABLES}
    return {kind: table for kind, table in tables.items() if table}


def _sample_table(
    group: Group, metrics: Metrics, kind: str, floor: str, only: Sequence[str], spread: Spread
) -> Table | None:
    """None if there are no scores."""
    cells = _cells(group, metrics, kind, only)
    if not cells:
        return None
    scores = [Scores(group.label(cell), _records(cell, metrics, kind, only), groups=cell.groups) for cell in cells]
    rows = rows_of(scores, metrics, spread)
    columns = chosen(columns_of(rows, metrics), only)
    notes = [SAMPLE_TABLES[kind], *spread_notes(spread), protocols_note(columns)]
    if any(solver_of(cell) == floor for cell in cells):
        notes.append(FLOOR.format(floor))
    frame = frame_of(_beside_floor(cells, rows, floor), [SAMPLES, *columns], metrics)
    return Table(f"{headline(cells[0].run)} | {kind}", frame, tuple(notes))


def _cells(group: Group, metrics: Metrics, kind: str, only: Sequence[str]) -> list[LoadedCell]:
    """The cells that have records to print."""
    several = [cell for cell in group.scored if _samples(cell) > 1]
    return [cell for cell in several if len(_records(cell, metrics, kind, only))]


def _records(cell: LoadedCell, metrics: Metrics, kind: str, only: Sequence[str]) -> pd.DataFrame:
    """The records of all samples together that are printed in the table."""
    return records_of(cell.frame[cell.frame["sample"] == MEAN], kind, metrics, only)


def _beside_floor(cells: Sequence[LoadedCell], rows: Sequence[Row], floor: str) -> list[Row]:
    """The rows with their number of samples, and a star at each score that differs from the exact sampler's."""
    exact = {_samples(cell): row for cell, row in zip(cells, rows, strict=True) if solver_of(cell) == floor}
    printed = []
    for cell, row in zip(cells, rows, strict=True):
        if solver_of(cell) != floor and _samples(cell) in exact:
            row = row.with_marks(_stars(row, exact[_samples(cell)]))
        printed.append(row.with_cells({SAMPLES: Cell(str(_samples(cell)))}))
    return printed


def _stars(row: Row, exact: Row) -> dict[Column, str]:
    """A star for each score that differs from the exact sampler's on the images that both have."""
    both = [column for column in row.values if column in exact.values]
    return {column: "*" for column in both if _differ(row.values[column], exact.values[column], row.groups)}


def _differ(values: pd.Series, exact: pd.Series, groups: Groups) -> bool:
    both = values.index.intersection(exact.index)
    paired = clustered(pd.Series(differences(values[both].to_numpy(), exact[both].to_numpy()), both), groups)
    low, high = bca_interval(paired)
    return len(paired) >= COVERED and (low > 0 or high < 0)


def _samples(cell: LoadedCell) -> int:
    return cell.run.config.samples
