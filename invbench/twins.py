"""Our records on another benchmark, in the layouts of the paper's tables, by metrics that need no weights. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from invbench.errors import ConfigError
from invbench.metric import Metric
from invbench.published import (
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
from invbench.records import LoadedCell
from invbench.release import Costs
from invbench.tables import Table, format_value, mean_of, usual

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

    def solved(self) -> dict[tuple[str, str], LoadedCell]:
        """By solver, those of the paper's table."""
        wanted = [s for m, s in SOLVERS.items() if any(r["method"] == m for r in self.view.rows) or self.number == 8]
        pairs = [(solver, task) for solver in wanted for task in self.tasks]
        return {(s, t): cell for s, t in pairs if (cell := self.view.find(self.benchmark, t, s))}

    def ablated(self) -> dict[tuple[str, str], LoadedCell]:
        """By configuration, as the training's command names it."""
        found: dict[tuple[str, str], LoadedCell] = {}
        for cell in sorted(self.cells, key=usual):
            config, trained = cell.run["config"], ABLATED.search(cell.run.get("training", {}).get("command", ""))
            if trained and config["benchmark"]["name"] == self.benchmark and config["task"]["name"] in self.tasks:
                found[f"config {trained[1].upper()}", config["task"]["name"]] = cell
        return dict(sorted(found.items()))

    @property
    def how(self) -> str:
        """What makes the records."""
        if self.number == ABLATION:
            train = f"invbench train solver=davi task={','.join(self.tasks)} +ablation=a"
            return f"{train}, to f, and run each with its solver.weights"
        return run_command(self.number, self.benchmark, SOLVERS.values(), self.tasks)

    def common(self, task: str) -> set[str]:
        """Images that all rows of a task have."""
        return set.intersection(*(set(c.images) for (_, t), c in self.found.items() if t == task))

    def value(self, row: str, task: str, metric: str) -> float | None:
        """A row's score on the common images; of time and arithmetic, what was measured on its own where it was."""
        if (row, task) not in self.found:
            return None
        measured = self.costs.get((self.benchmark, task, row), {}).get(MEASURED.get(metric, ""))
        if measured is not None:
            return float(measured)
        return mean_of(self.found[row, task], metric, self.common(task))

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
        texts = ["-" if v is None else format_value(metric, v) for v in values]
        return [MARKS[self.view.how][r].format(t) if r < 2 else t for t, r in zip(texts, ranks, strict=True)]

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
        measured = [
            m for m in self.names if m in MEASURED and any((self.benchmark, t, r) in self.costs for r, t in self.found)
        ]
        if measured:
            notes.append(f"From 'invbench bench', one image at a time, where it measured: {', '.join(measured)}.")
        noise = NOISE.get(self.number)
        for cell in self.cells:
            config = cell.run["config"]
            ours = config["benchmark"]["name"] == self.benchmark and config["task"]["name"] in self.tasks
            if ours and cell.run["status"] == "skipped" and noise == config["task"]["noise"]:
                notes.append(f"Skipped {config['solver']['name']} on {config['task']['name']}: {cell.run['reason']}.")
        return notes


def twin_table(
    number: int,
    benchmark: str,
    cells: Sequence[LoadedCell],
    metrics: Mapping[str, type[Metric]],
    how: str,
    costs: Costs | None = None,
) -> Table:
    """Our records on another benchmark in the layout of a published table, with weight-free realism metrics.

    Raises ConfigError where nothing is recorded for it.
    """
    view = View(number, Paper.load().of(number), cells, how)
    return Twin(number, benchmark, cells, metrics, costs or {}, view).table()
