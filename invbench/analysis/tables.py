"""From records to tables, without torch: a table can be built on any machine that has the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from invbench.analysis.cell import Cell, Spread
from invbench.analysis.columns import COLUMNS, IMAGES, Column, chosen, of_metric, table_of
from invbench.analysis.comparable import by_measurement, headline
from invbench.analysis.digits import Metrics
from invbench.analysis.group import Group
from invbench.analysis.notes import set_notes, table_notes
from invbench.analysis.rows import Scores, columns_of, frame_of, records_of, rows_of, with_ranks
from invbench.analysis.sample_tables import sample_tables
from invbench.analysis.significance import paired_comparisons, significance_notes, with_significance_marks
from invbench.analysis.table import Table
from invbench.errors import ConfigError, unknown
from invbench.metric import SetMetric
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell


def build_tables(
    cells: Sequence[LoadedCell],
    metrics: Metrics,
    floors: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    spread: Spread = "interval",
) -> list[Table]:
    """One table per measurement: cells that share benchmark, task, dataset, prior and seed are comparable.

    The first table is of images; scores of several samples of a measurement follow in separate tables. ``floors`` names
    the exact sampler of each benchmark that has one. ``only`` are the metrics to show; a note says how to get a metric
    that no record has. ``spread`` is shown beside a mean: an interval, a standard deviation or nothing.
    """
    tables = []
    for group in map(Group, by_measurement(cells)):
        floor = (floors or {}).get(group.cells[0].run.config.benchmark.name, "")
        of_samples = sample_tables(group, metrics, floor, only, spread)
        rest = [name for name in only if table_of(name, metrics) not in of_samples]
        if rest or not only:
            tables.append(_image_table(group, metrics, rest, spread))
        tables += of_samples.values()
    return tables


def _image_table(group: Group, metrics: Metrics, only: Sequence[str], spread: Spread) -> Table:
    """Means over images, and scores of sets of images."""
    rows = rows_of([scores for cell in group.scored for scores in _scores(cell, group, metrics)], metrics, spread)
    recorded = columns_of(rows, metrics)
    lacking = {
        Column(name, ""): Cell(absent(name, metrics, group.cells)) for name in only if not of_metric(name, recorded)
    }
    columns = chosen([*recorded, *lacking], only)
    comparisons = paired_comparisons(rows, columns, metrics)
    notes = [
        *table_notes(group, chosen(recorded, only), spread),
        *set_notes(group, metrics, {column.metric for column in columns}, spread),
        *significance_notes(comparisons),
    ]
    comparable = [column for column in recorded if group.common_sets.get(column.metric, True)]
    marked = with_significance_marks(with_ranks(rows, comparable, metrics), comparisons)
    printed = [row.with_cells(lacking) for row in marked]
    return Table(headline(group.cells[0].run), frame_of(printed, columns, metrics), tuple(notes))


def _scores(cell: LoadedCell, group: Group, metrics: Metrics) -> list[Scores]:
    """The data of a cell's rows: its samples, and their mean if it was scored."""
    records = records_of(cell.frame, IMAGES, metrics)
    of_mean = records["sample"] == MEAN
    name = group.label(cell)
    scores = [Scores(name, records[~of_mean], group.set_scores(cell), cell.groups)]
    if of_mean.any():
        several = f"{name}, mean of {records['sample'].max() + 1}"
        scores.append(Scores(several, records[of_mean], groups=cell.groups))
    return scores


def absent(name: str, metrics: Metrics, cells: Sequence[LoadedCell]) -> str:
    """How to get a column that no record of these cells has. Raises ConfigError for an unknown metric."""
    if name not in metrics:
        raise ConfigError(unknown("metric", name, {*metrics, *COLUMNS}))
    if metrics[name].table != IMAGES:
        return f"not available: needs samples=2 or more, and has a table of its own ({metrics[name].table})"
    if issubclass(metrics[name], SetMetric) and all(len(cell.images) < 2 for cell in cells):
        return "not available: a score of several images together, and there is one; run more, for example n=8"
    fetch = "".join(f"'invbench fetch {a.name}', then " for a in metrics[name].artifacts)
    return f"not available: run {fetch}'invbench rescore'"
