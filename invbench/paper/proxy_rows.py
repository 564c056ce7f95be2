"""The records on another benchmark that fill a paper's table, and their scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

from invbench.analysis.comparable import by_measurement, mean_of, most_default, shared_images, solver_of
from invbench.errors import ConfigError, unknown
from invbench.paper.beside import GFLOPS
from invbench.paper.layout import Ablation
from invbench.paper.printed import PaperTable
from invbench.paper.records import is_row, makes, trained_with
from invbench.store.reader import LoadedCell
from invbench.store.release import Costs, same_run
from invbench.store.schema import BenchCost

MEASURED = {"seconds": "seconds", GFLOPS: "fvcore"}  # metrics that 'invbench bench' measures, and its names of them


class Place(NamedTuple):
    """A row, which is a solver or a setting of an ablation, and a task."""

    row: str
    task: str


@dataclass(frozen=True)
class ProxyRows:
    """The rows of a table, filled from the records on another benchmark.

    ``added`` are further solvers, below the paper's: names, or "all" for all recorded ones.
    """

    table: PaperTable
    benchmark: str
    cells: Sequence[LoadedCell]
    costs: Costs
    added: tuple[str, ...] = ()

    @cached_property
    def tasks(self) -> list[str]:
        """Ours, in the paper's order, by their proxies if they have some."""
        tasks = self.table.paper.layout.tasks
        return list(dict.fromkeys(tasks[r.task].proxy or tasks[r.task].name for r in self.table.rows))

    @cached_property
    def metrics(self) -> list[str]:
        """Ours, in the paper's order, by their proxies if they have some."""
        known = self.table.paper.layout.metrics
        scores = [known[r.metric] for r in self.table.rows if r.metric in known]
        return list(dict.fromkeys(score.proxy or score.name for score in scores))

    @cached_property
    def solvers(self) -> list[str]:
        """Our solvers for the paper's table."""
        other = self.table.layout.with_table
        printed = [*self.table.methods, *(self.table.paper.table(other).methods if other else ())]
        methods = {method.name for method in printed}
        ours = self.table.paper.layout.methods
        return [solver for method, solver in ours.items() if method in methods]

    @cached_property
    def labels(self) -> dict[str, tuple[str, float | None]]:
        """Solver and network calls of each row; the calls only where the paper has several rows of the method."""
        ours = self.table.paper.layout.methods
        labels: dict[str, tuple[str, float | None]] = {}
        for solver in self.solvers:
            calls = [method.nfe for method in self.table.methods if ours.get(method.name) == solver]
            if len(calls) > 1:
                labels |= {
                    f"{solver}, {nfe} {'call' if nfe == '1' else 'calls'}": (solver, float(nfe)) for nfe in calls
                }
            else:
                labels[solver] = (solver, None)
        trained = {name: (row.solver, None) for name, row in self.table.layout.trained.items()}
        return labels | trained | {solver: (solver, None) for solver in self.others}

    @cached_property
    def others(self) -> list[str]:
        """The solvers that were added. Raises ConfigError for one that is not recorded on the benchmark."""
        of_benchmark = [c for c in self.cells if c.images and c.run.config.benchmark.name == self.benchmark]
        recorded = sorted(solvers_of(of_benchmark) - set(self.solvers))
        if self.added == ("all",):
            return recorded
        for name in self.added:
            if name not in (*recorded, *self.solvers):
                raise ConfigError(unknown("solver to add", name, recorded))
        return [name for name in self.added if name not in self.solvers]

    @cached_property
    def chosen(self) -> dict[Place, LoadedCell]:
        """The cell of each row and task. Raises ConfigError if nothing is recorded."""
        ablation = self.table.layout.ablation
        chosen = self.ablated(ablation) if ablation else self.solved()
        if not chosen:
            raise ConfigError(
                f"nothing recorded on {self.benchmark} for table {self.table.number}; make it: {self.how}"
            )
        return chosen

    def solved(self) -> dict[Place, LoadedCell]:
        """The cells of the paper's table, by solver and calls; for each task, all on the same measurements."""
        chosen: dict[Place, LoadedCell] = {}
        for task in self.tasks:
            groups = self.measured(task)
            best = max(groups, key=lambda g: (len(solvers_of(g)), sum(len(c.images) for c in g)), default=[])
            for label in self.labels:
                if own := self.of_row(label, best):
                    chosen[Place(label, task)] = max(own, key=most_default)
        return chosen

    def of_row(self, label: str, cells: Sequence[LoadedCell]) -> list[LoadedCell]:
        """Cells of a row's solver and training, with the row's number of network calls if it has one."""
        solver, nfe = self.labels[label]
        training = label if label in self.table.layout.trained else ""
        own = [cell for cell in cells if solver_of(cell) == solver and self.trained(cell) == training]
        return [cell for cell in own if nfe is None or makes(cell, nfe)]

    def measured(self, task: str) -> list[list[LoadedCell]]:
        """The table's cells of a task, grouped by measurement."""
        return by_measurement(
            [c for c in self.cells if c.images and self.belongs(c) and c.run.config.task.name == task]
        )

    def belongs(self, cell: LoadedCell) -> bool:
        """Whether a cell has the benchmark, the table's noise and one of its solvers."""
        config = cell.run.config
        ours = config.benchmark.name == self.benchmark and solver_of(cell) in (*self.solvers, *self.others)
        return ours and self.table.of_its_noise(config.task.noise)

    def trained(self, cell: LoadedCell) -> str:
        """The method of the table to which a cell belongs by its training, or ""."""
        return next((name for name, row in self.table.layout.trained.items() if is_row(cell, row)), "")

    def ablated(self, ablation: Ablation) -> dict[Place, LoadedCell]:
        """The ablation's cells by setting, taken from the training's command."""
        chosen: dict[Place, LoadedCell] = {}
        for cell in sorted(self.cells, key=most_default):
            config, setting = cell.run.config, trained_with(cell, ablation.option)
            if setting and config.benchmark.name == self.benchmark and config.task.name in self.tasks:
                chosen[Place(f"config {setting.upper()}", config.task.name)] = cell
        return dict(sorted(chosen.items()))

    @property
    def how(self) -> str:
        """The command that makes the records."""
        ablation = self.table.layout.ablation
        if ablation is None:
            return self.table.command(self.benchmark, list(self.table.paper.layout.methods.values()), self.tasks)
        train = ablation.training(f"task={','.join(self.tasks)}")
        return f"{train}, to {ablation.settings[-1]}, and run each with its solver.weights"

    @property
    def missing(self) -> set[Place]:
        """Missing rows of the paper's table that need no training first."""
        trained = self.table.layout.trained
        rows = [row for row, (solver, _) in self.labels.items() if solver in self.solvers and row not in trained]
        return {Place(*each) for each in product(rows, self.tasks)} - self.chosen.keys()

    def of_task(self, task: str) -> dict[str, LoadedCell]:
        """The cell of each row of a task."""
        return {place.row: cell for place, cell in self.chosen.items() if place.task == task}

    def common(self, task: str, *metrics: str) -> list[str]:
        """Images that all rows of a task have, with a value of these metrics."""
        return shared_images(list(self.of_task(task).values()), *metrics)

    def value(self, row: str, task: str, metric: str) -> float | None:
        """A row's score on the common images; for time and arithmetic, the isolated measurement if any row has one."""
        cell = self.chosen.get(Place(row, task))
        if cell is None:
            return None
        if self.is_measured(task, metric):
            measured = self.benched(task)
            return float(getattr(self.cost(task, row), MEASURED[metric])) if row in measured else None
        return mean_of(cell, metric, self.common(task, metric))

    def cost(self, task: str, row: str) -> BenchCost:
        """The cost of a row measured by ``invbench bench``."""
        return self.costs[self.benchmark, task, row].cost

    def is_measured(self, task: str, metric: str) -> bool:
        """Whether a metric of a task was measured by ``invbench bench``."""
        return metric in MEASURED and bool(self.benched(task))

    def benched(self, task: str) -> list[str]:
        """Costs of rows from ``invbench bench``, with the options of their cells, in the most frequent setting."""
        costs = {row: self.costs.get((self.benchmark, task, row)) for row in self.of_task(task)}
        usable = {row: cost for row, cost in costs.items() if cost and same_run(cost, self.chosen[Place(row, task)])}
        settings = Counter(cost.setting for cost in usable.values()).most_common(1)
        return [row for row, cost in usable.items() if cost.setting == settings[0][0]]


def solvers_of(cells: Iterable[LoadedCell]) -> set[str]:
    """The names of cells' solvers."""
    return {solver_of(cell) for cell in cells}
