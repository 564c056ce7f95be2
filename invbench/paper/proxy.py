"""Our records on another benchmark, in the layouts of the paper's tables, by metrics that need no weights. No torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import pandas as pd

from invbench.analysis.comparable import (
    assumptions,
    by_measurement,
    mean_of,
    measurement_key,
    most_default,
    shared_images,
    solver_of,
    title_parts,
)
from invbench.analysis.digits import format_value
from invbench.analysis.table import Table
from invbench.errors import ConfigError
from invbench.metric import Metric
from invbench.paper.published import (
    GFLOPS,
    MARKS,
    NOISE,
    SOLVERS,
    TASKS,
    TITLES,
    TWIN_METRICS,
    TWINS,
    Paper,
    View,
    ranked,
    run_command,
)
from invbench.store.reader import LoadedCell
from invbench.store.release import Costs, same_run
from invbench.store.released import results_folder

ABLATION = 5
ABLATED = re.compile(r"\+ablation=(\w+)")
MEASURED = {"seconds": "seconds", GFLOPS: "fvcore"}  # metrics that 'invbench bench' measures, and its names of them


@dataclass(frozen=True)
class Twin:
    """One table of the paper, filled from the records on another benchmark."""

    number: int
    benchmark: str
    cells: Sequence[LoadedCell]
    metrics: Mapping[str, type[Metric]]
    costs: Costs
    view: View

    @cached_property
    def tasks(self) -> list[str]:
        """Names here, in the paper's order."""
        return list(dict.fromkeys(TWINS.get(t, t) for t in (TASKS[r["task"]] for r in self.view.rows)))

    @cached_property
    def names(self) -> list[str]:
        """Metrics, in the paper's order."""
        return list(dict.fromkeys(TWIN_METRICS[r["metric"]] for r in self.view.rows if r["metric"] in TWIN_METRICS))

    @cached_property
    def found(self) -> dict[tuple[str, str], LoadedCell]:
        """The cell of each row and task. Raises ConfigError where nothing is recorded."""
        found = self.ablated() if self.number == ABLATION else self.solved()
        if not found:
            raise ConfigError(f"nothing recorded on {self.benchmark} for table {self.number}; make it: {self.how}")
        return found

    @cached_property
    def solvers(self) -> list[str]:
        """Ours of the paper's table."""
        methods = {r["method"] for r in self.view.rows}
        return [solver for method, solver in SOLVERS.items() if method in methods or self.number == 8]

    def solved(self) -> dict[tuple[str, str], LoadedCell]:
        """By solver, those of the paper's table; of a task, all of the same measurements."""
        found: dict[tuple[str, str], LoadedCell] = {}
        for task in self.tasks:
            same = max(self.measured(task), key=lambda g: (len(_solvers(g)), sum(len(c.images) for c in g)), default=[])
            found |= {(s, task): max(_of(s, same), key=most_default) for s in self.solvers if _of(s, same)}
        return found

    def measured(self, task: str) -> list[list[LoadedCell]]:
        """The table's cells of a task, those of the same measurements together."""
        return by_measurement(
            [
                c
                for c in self.cells
                if c.images
                and solver_of(c) in self.solvers
                and (c.run.config.benchmark.name, c.run.config.task.name) == (self.benchmark, task)
                and self.view.of_its_noise(c.run.config.task.noise)
            ]
        )

    def ablated(self) -> dict[tuple[str, str], LoadedCell]:
        """By configuration, as the training's command names it."""
        found: dict[tuple[str, str], LoadedCell] = {}
        for cell in sorted(self.cells, key=most_default):
            config, training = cell.run.config, cell.run.training
            trained = ABLATED.search(training.command) if training else None
            if trained and config.benchmark.name == self.benchmark and config.task.name in self.tasks:
                found[f"config {trained[1].upper()}", config.task.name] = cell
        return dict(sorted(found.items()))

    @property
    def how(self) -> str:
        """What makes the records."""
        if self.number == ABLATION:
            train = f"invbench train solver=davi task={','.join(self.tasks)} +ablation=a"
            return f"{train}, to f, and run each with its solver.weights"
        return run_command(self.number, self.benchmark, SOLVERS.values(), self.tasks)

    def common(self, task: str, *metrics: str) -> list[str]:
        """Images that all rows of a task have, with a value of these metrics."""
        return shared_images([c for (_, t), c in self.found.items() if t == task], *metrics)

    def value(self, row: str, task: str, metric: str) -> float | None:
        """A row's score on the common images; of time and arithmetic, what was measured on its own if any row was."""
        if (row, task) not in self.found:
            return None
        if metric in MEASURED and self.benched(task):
            measured = (
                getattr(self.costs[self.benchmark, task, row].cost, MEASURED[metric])
                if row in self.benched(task)
                else None
            )
            return None if measured is None else float(measured)
        return mean_of(self.found[row, task], metric, self.common(task, metric))

    def benched(self, task: str) -> list[str]:
        """Rows that ``invbench bench`` measured with the options of their cells, in the setting of most of them."""
        of = {
            row: cost
            for (row, t), cell in self.found.items()
            if t == task and (cost := self.costs.get((self.benchmark, task, row))) and same_run(cost, cell)
        }
        settings = Counter(cost.setting for cost in of.values()).most_common(1)
        return [row for row, cost in of.items() if cost.setting == settings[0][0]]

    def table(self) -> Table:
        """Rows by solver, a column a task and metric, the best and second marked."""
        rows = list(dict.fromkeys(row for row, _ in self.found))
        tasks = [t for t in self.tasks if any(t == task for _, task in self.found)]
        columns = {"solver": [self.view.escaped(row) for row in rows]}
        for task in tasks:
            for metric in self.names:
                arrow = "↑" if self.higher(metric) else "↓"
                columns[f"{self.view.escaped(f'{task} {metric}')} {arrow}"] = self.column(rows, task, metric)
        return Table(self.title, pd.DataFrame(columns), tuple(self.notes(tasks)), raw=True)

    def column(self, rows: Sequence[str], task: str, metric: str) -> list[str]:
        """Formatted values with their marks; "-" where there is none."""
        values = [self.value(row, task, metric) for row in rows]
        better = "PSNR" if self.higher(metric) else "LPIPS"
        ranks = ranked(better, ["" if v is None else str(v) for v in values])
        texts = ["-" if v is None else self.text(row, task, metric, v) for row, v in zip(rows, values, strict=True)]
        return [MARKS[self.view.how][r].format(t) if r < 2 else t for t, r in zip(texts, ranks, strict=True)]

    def text(self, row: str, task: str, metric: str, value: float) -> str:
        """A row's score, with its interval where these are wanted, but for what was measured on its own."""
        if metric in MEASURED and self.benched(task):
            return format_value(metric, value, self.metrics)
        return self.view.text(self.found[row, task], metric, value, self.common(task, metric))

    def higher(self, metric: str) -> bool:
        """Whether more is better."""
        return metric in self.metrics and bool(self.metrics[metric].higher_is_better)

    @property
    def title(self) -> str:
        noise = f", noise {NOISE[self.number]}" if self.number in NOISE else ""
        return f"{TITLES[self.number].partition(':')[0]} on {self.benchmark}{noise}"

    def notes(self, tasks: Sequence[str]) -> list[str]:
        """What the numbers are of, and which solvers did not apply."""
        counted = ", ".join(f"{task} {len(self.common(task))}" for task in tasks)
        of_sets = ", swd of them as one set" * ("swd" in self.names)
        notes = [
            f"Means over the images all rows of a task have ({counted}){of_sets}; best bold, second underlined, ties "
            "included."
        ]
        for task, metric in product(tasks, self.names):
            if few := len(self.common(task)) - len(self.common(task, metric)):
                notes.append(f"Left out of {task} {metric}, where a row has no value: {few} images.")
        for task in tasks if MEASURED.keys() & set(self.names) else ():
            rows, of = [row for row, t in self.found if t == task], self.benched(task)
            if of:
                setting = self.costs[self.benchmark, task, of[0]].setting
                notes.append(
                    f"Time and arithmetic of {task} are measured by 'invbench bench' ({setting}); gflops in fvcore's "
                    "convention, as the paper's: forward calls, a multiply-add is one."
                )
                lacking = [row for row in rows if row not in of]
                how = f"invbench bench benchmark={self.benchmark} solver={','.join(rows)} task={task}"
                notes += [f"Not measured: {', '.join(lacking)}; measure all: {how}"] if lacking else []
            else:
                notes.append(f"Time of {task} is that of the runs, at their batch size.")
        notes += self.measurements(tasks)
        notes += assumptions({row: cell for (row, _), cell in self.found.items()})
        own = [c for c in self.found.values() if results_folder() / "reference" not in c.folders[0].parents]
        if not own:
            notes.append("All from the records released with invbench.")
        elif len(own) < len(self.found):
            notes.append(f"{len(self.found) - len(own)} of {len(self.found)} cells are from the records released.")
        return [*notes, *self.gaps()]

    def measurements(self, tasks: Sequence[str]) -> list[str]:
        """Noise, images and seed of the rows of each task, and which rows have others and were left out."""
        of: dict[str, list[str]] = {}
        for task in tasks:
            cell = next(c for (_, t), c in self.found.items() if t == task)
            of.setdefault(", ".join(title_parts(cell.run)[2:]), []).append(task)
        notes = [f"{', '.join(names)}: {measurement}." for measurement, names in of.items()]
        for task in tasks if self.number != ABLATION else ():
            shown = {measurement_key(c.run.config) for (_, t), c in self.found.items() if t == task}
            for group in self.measured(task):
                if measurement_key(group[0].run.config) not in shown:
                    other = ", ".join(title_parts(group[0].run)[2:])
                    notes.append(
                        f"Left out of {task}, measured otherwise ({other}): {', '.join(sorted(_solvers(group)))}."
                    )
        return notes

    def gaps(self) -> list[str]:
        """Why rows of the paper's table are not there, and what makes them."""
        told, missing = [], set(product(self.solvers, self.tasks)) - self.found.keys()
        for cell in self.cells:
            config = cell.run.config
            row = config.solver.name, config.task.name
            ours = config.benchmark.name == self.benchmark and self.view.of_its_noise(config.task.noise)
            if ours and row in missing and cell.run.status == "skipped":
                told.append(f"Skipped {row[0]} on {row[1]}: {cell.run.reason}.")
                missing.discard(row)
        if self.number == ABLATION or not missing or self.view.filtered:
            return told
        solvers, tasks = (sorted({row[i] for row in missing}) for i in (0, 1))
        return [*told, f"Not recorded; made by: {run_command(self.number, self.benchmark, solvers, tasks)}"]


def _solvers(cells: Sequence[LoadedCell]) -> set[str]:
    return {solver_of(cell) for cell in cells}


def _of(solver: str, cells: Sequence[LoadedCell]) -> list[LoadedCell]:
    return [cell for cell in cells if solver_of(cell) == solver]


def twin_table(
    number: int,
    benchmark: str,
    cells: Sequence[LoadedCell],
    metrics: Mapping[str, type[Metric]],
    how: str,
    costs: Costs | None = None,
    filtered: bool = False,
    intervals: bool = False,
) -> Table:
    """Our records on another benchmark in the layout of a published table, with weight-free realism metrics.

    ``filtered`` cells leave out some on purpose; ``intervals`` of 95 % stand beside the means.
    Raises ConfigError where nothing is recorded for it, or it prints no scores.
    """
    if not {r["metric"] for r in Paper.load().of(number)} & TWIN_METRICS.keys():
        raise ConfigError(f"table {number} has no scores that could be measured on {benchmark}; see --paper {number}")
    view = View(number, Paper.load().of(number), cells, how, metrics=metrics, filtered=filtered, intervals=intervals)
    return Twin(number, benchmark, cells, metrics, costs or {}, view).table()
