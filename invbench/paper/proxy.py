"""Our records on another benchmark, in the layout of a paper's tables, with metrics that need no download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import pandas as pd

from invbench.analysis.cell import Cell, Spread, ranks
from invbench.analysis.comparable import assumptions, measurement_key, title_parts
from invbench.analysis.notes import spread_notes
from invbench.analysis.table import Table
from invbench.analysis.tables import absent
from invbench.errors import ConfigError
from invbench.metric import Metric, SetMetric
from invbench.paper.marks import ARROWS, Style
from invbench.paper.printed import PaperTable
from invbench.paper.proxy_rows import MEASURED, Place, ProxyRows, solvers_of
from invbench.store.reader import LoadedCell
from invbench.store.release import Costs
from invbench.store.released import results_folder


@dataclass(frozen=True)
class ProxyTable:
    """One table of a paper, filled from the records on another benchmark."""

    rows: ProxyRows
    style: Style
    filtered: bool  # the user filtered the cells, so missing ones are not reported

    @property
    def tasks(self) -> list[str]:
        """The paper's tasks that have records, in its order."""
        recorded = {place.task for place in self.rows.chosen}
        return [task for task in self.rows.tasks if task in recorded]

    def build(self) -> Table:
        """Rows by solver, a column per task and metric, with the best and second best marked."""
        names = list(dict.fromkeys(place.row for place in self.rows.chosen))
        columns: dict[str, list[str] | list[str | Cell]] = {"solver": names}
        for task, metric in product(self.tasks, self.rows.metrics):
            columns[f"{task} {metric}{ARROWS[self.better(metric)]}"] = self.column(names, task, metric)
        groups = ("", *(task for task, _ in product(self.tasks, self.rows.metrics)))
        return Table(self.title, pd.DataFrame(columns), tuple(self.notes()), groups, ranked=True)

    def column(self, names: Sequence[str], task: str, metric: str) -> list[str | Cell]:
        """Values with their ranks; "-" if there is none."""
        values = [self.rows.value(name, task, metric) for name in names]
        placed = zip(names, values, ranks(self.better(metric) == "higher", values), strict=True)
        return [
            "-" if value is None else replace(self.score(name, task, metric, value), rank=rank)
            for name, value, rank in placed
        ]

    def score(self, name: str, task: str, metric: str, value: float) -> Cell:
        """A row's score with its interval or deviation; costs measured in isolation have none."""
        if self.rows.is_measured(task, metric):
            return self.style.printed(metric, value)
        return self.style.score(self.rows.chosen[Place(name, task)], metric, value, self.rows.common(task, metric))

    def better(self, metric: str) -> str:
        """The better direction, "higher" or "lower"."""
        known = self.style.metrics.get(metric)
        return "higher" if known and known.higher_is_better else "lower"

    @property
    def title(self) -> str:
        """The table's number, the benchmark, and the noise where it is the table's own."""
        layout = self.rows.table.layout
        noise = f", noise {layout.noise}" if layout.noise else ""
        return f"{layout.title.partition(':')[0]} on {self.rows.benchmark}{noise}"

    def notes(self) -> Iterator[str]:
        """Notes on images, costs, measurements and missing rows."""
        yield from self.notes_on_images()
        yield from filter(None, [self.rows.table.layout.proxy])
        yield from self.notes_on_costs()
        yield from self.notes_on_measurements()
        yield from self.notes_on_other_measurements()
        yield from assumptions({place.row: cell for place, cell in self.rows.chosen.items()})
        yield from self.notes_on_origin()
        yield from self.notes_on_unscored()
        yield from self.notes_on_missing()

    def notes_on_images(self) -> Iterator[str]:
        """The number of images behind the means."""
        counted = ", ".join(f"{task} {len(self.rows.common(task))}" for task in self.tasks)
        names = [m for m in self.rows.metrics if issubclass(self.style.metrics.get(m, Metric), SetMetric)]
        of_sets = f", {', '.join(names)} of them as one set" if names else ""
        yield (
            f"Means over the images all rows of a task have ({counted}){of_sets}; best bold, second underlined, ties "
            "included."
        )
        if self.style.spread == "std":
            yield from spread_notes("std")
        for task, metric in product(self.tasks, self.rows.metrics):
            fewer = len(self.rows.common(task)) - len(self.rows.common(task, metric))
            if fewer:
                yield f"Left out of {task} {metric}, if a row has no value: {fewer} images."

    def notes_on_costs(self) -> Iterator[str]:
        """The sources of time and arithmetic."""
        if not MEASURED.keys() & set(self.rows.metrics):
            return
        for task in self.tasks:
            benched = self.rows.benched(task)
            if benched:
                yield from self.notes_on_benched(task, benched)
            else:
                yield f"Time of {task} was measured in the runs, at their batch size."

    def notes_on_benched(self, task: str, benched: Sequence[str]) -> Iterator[str]:
        """How the costs of a task were measured, and for which rows they were not."""
        rows = self.rows
        setting = rows.costs[rows.benchmark, task, benched[0]].setting
        yield (
            f"Time and arithmetic of {task} are measured by 'invbench bench' ({setting}); gflops in fvcore's "
            "convention, as the paper's: forward calls, a multiply-add is one."
        )
        names = list(rows.of_task(task))
        unmeasured = [name for name in names if name not in benched]
        if unmeasured:
            command = f"invbench bench benchmark={rows.benchmark} solver={','.join(names)} task={task}"
            yield f"Not measured: {', '.join(unmeasured)}; measure all: {command}"

    def notes_on_measurements(self) -> Iterator[str]:
        """Noise, images and seed of the rows of each task."""
        tasks_of: dict[str, list[str]] = {}
        for task in self.tasks:
            cell = next(iter(self.rows.of_task(task).values()))
            tasks_of.setdefault(_measurement(cell), []).append(task)
        yield from (f"{', '.join(tasks)}: {measurement}." for measurement, tasks in tasks_of.items())

    def notes_on_other_measurements(self) -> Iterator[str]:
        """Cells that were left out since they have other measurements than the rows."""
        if self.rows.table.layout.ablation:
            return
        for task in self.tasks:
            keys = {measurement_key(cell.run.config) for cell in self.rows.of_task(task).values()}
            others = [group for group in self.rows.measured(task) if measurement_key(group[0].run.config) not in keys]
            for group in others:
                solvers = ", ".join(sorted(solvers_of(group)))
                yield f"Left out of {task}, measured otherwise ({_measurement(group[0])}): {solvers}."

    def notes_on_origin(self) -> Iterator[str]:
        """The number of cells from released records."""
        cells = self.rows.chosen.values()
        released = sum(results_folder() / "reference" in cell.folders[0].parents for cell in cells)
        if released == len(cells):
            yield "All from the records released with invbench."
        elif released:
            yield f"{released} of {len(cells)} cells are from the records released."

    def notes_on_unscored(self) -> Iterator[str]:
        """Rows without a score that others may have, and how to get it."""
        for metric in filter(self.style.metrics.__contains__, self.rows.metrics):
            lacking = {
                place: cell for place, cell in self.rows.chosen.items() if self.rows.value(*place, metric) is None
            }
            if lacking:
                names = ", ".join(dict.fromkeys(place.row for place in lacking))
                yield f"{metric} of {names}: {absent(metric, self.style.metrics, [*lacking.values()])}."

    def notes_on_missing(self) -> Iterator[str]:
        """Why rows of the paper's table are missing, and the commands that make them."""
        skipped = self.skipped()
        for place, reason in skipped.items():
            yield f"Skipped {place.row} on {place.task}: {reason}."
        missing = self.rows.missing - skipped.keys()
        if missing and not self.filtered and not self.rows.table.layout.ablation:
            solvers = sorted({self.rows.labels[place.row][0] for place in missing})
            tasks = sorted({place.task for place in missing})
            calls = sorted({f"{nfe:g}" for row, _ in missing if (nfe := self.rows.labels[row][1])}, key=float)
            with_calls = f" solver.nfe={','.join(calls)}" if calls else ""
            yield f"Not recorded; made by: {self.rows.table.command(self.rows.benchmark, solvers, tasks)}{with_calls}"

    def skipped(self) -> dict[Place, str]:
        """For missing rows: why solvers did not apply."""
        missing = self.rows.missing
        reasons: dict[Place, str] = {}
        for cell in self.rows.cells:
            if self.rows.belongs(cell) and cell.run.status == "skipped":
                own = (cell.run.config.solver.name, cell.run.config.task.name)
                for place in (p for p in missing if (self.rows.labels[p.row][0], p.task) == own):
                    reasons.setdefault(place, f"{cell.run.reason}")
        return reasons


def _measurement(cell: LoadedCell) -> str:
    """Noise, images and seed of a cell in words."""
    return ", ".join(title_parts(cell.run)[2:])


def proxy_table(
    table: PaperTable,
    benchmark: str,
    cells: Sequence[LoadedCell],
    metrics: Mapping[str, type[Metric]],
    costs: Costs | None = None,
    filtered: bool = False,
    spread: Spread = "none",
    added: tuple[str, ...] = (),
) -> Table:
    """Our records on another benchmark in the layout of a published table, with weight-free realism metrics.

    ``filtered``: the user filtered the cells; ``spread`` is printed beside the means; ``added`` solvers have rows of
    their own.
    Raises ConfigError if nothing is recorded for it, or it prints no scores.
    """
    rows = ProxyRows(table, benchmark, cells, costs or {}, added)
    if not rows.metrics:
        raise ConfigError(
            f"table {table.number} has no scores that could be measured on {benchmark}; see --paper {table.option}"
        )
    return ProxyTable(rows, Style(metrics, spread), filtered).build()
