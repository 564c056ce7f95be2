"""The layout of a paper's tables, from ``results/published/NAME.toml``: its names and ours, its noise, its tables."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from invbench.errors import ConfigError, unknown
from invbench.noise import parse_noise

LEVELLESS = ("uniform", "poisson")  # noise whose level is hidden from solvers


class Benchmark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A data set of a paper: our benchmark for it, and the prior that the paper used."""

    name: str
    prior: str
    label: str = ""


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task of a paper: our name, its noise if it has one of its own, and the task for other benchmarks."""

    name: str
    label: str = ""
    noise: str = ""
    proxy: str = ""


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric of a paper: our name, its better direction if any, and the metric for other benchmarks."""

    name: str
    better: Literal["higher", "lower", ""] = ""
    proxy: str = ""


class TrainedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A method that is a solver trained with a setting of an option, recorded in a separate folder."""

    solver: str
    option: str
    setting: str
    records: str

    def command(self, place: str) -> str:
        """The command that trains it."""
        return f"invbench train solver={self.solver} {place} +{self.option}={self.setting}"


class Ablation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table whose rows are trainings of one solver with settings of an option, recorded in a separate folder.

    ``method`` is the paper's name of a row, with {} for the setting in capitals.
    """

    solver: str
    option: str
    settings: list[str]
    records: str
    method: str

    @property
    def rows(self) -> dict[str, TrainedRow]:
        """The rows by the paper's names."""
        return {
            self.method.format(setting.upper()): TrainedRow(self.solver, self.option, setting, self.records)
            for setting in self.settings
        }

    def training(self, place: str) -> str:
        """The command that trains the first row."""
        return next(iter(self.rows.values())).command(place)


class TableLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Properties of one table.

    ``settings``: it prints values of ``options`` instead of scores; ``options`` has ours by the paper's names, such as
    "davi.training.lr". ``with_table``: another table whose rows it includes on other benchmarks. ``calls_of``: the
    benchmark whose network calls it counts. ``trained``: methods that are a solver with another training, by their
    names, which have rows on other benchmarks. ``proxy``: a note for other benchmarks.
    """

    title: str
    noise: str = ""
    note: str = ""
    proxy: str = ""
    settings: bool = False
    options: dict[str, str] = {}
    with_table: int = 0
    calls_of: str = ""
    trained: dict[str, TrainedRow] = {}
    ablation: Ablation | None = None

    @property
    def trainings(self) -> dict[str, TrainedRow]:
        """Methods that are a solver with another training: those of ``trained``, or the rows of an ablation."""
        return self.trained | (self.ablation.rows if self.ablation else {})


class FigureLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pictures of a paper: truth, measurement and reconstructions by the methods of ``table``, for each task.

    Data set and tasks are words of the paper. ``command`` draws the figure if it is not such a grid.
    """

    title: str
    data: str = ""
    tasks: list[str] = []
    table: int = 0
    command: str = ""


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rows of one metric of a table, about one solver."""

    solver: str
    table: int
    metric: str


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a paper's file; keys are the words of its rows."""

    title: str
    noise: str
    benchmarks: dict[str, Benchmark]
    tasks: dict[str, Task]
    methods: dict[str, str]
    metrics: dict[str, Score]
    tables: dict[int, TableLayout]
    figures: dict[int, FigureLayout] = {}
    absent: dict[str, str] = {}
    assumed: str = ""
    note: str = ""
    iterations: Where | None = None

    def trainings(self) -> list[TrainedRow]:
        """Every method that is a solver with another training."""
        return [row for table in self.tables.values() for row in table.trainings.values()]

    def noises(self) -> Iterator[str]:
        """Every noise in the file."""
        yield self.noise
        yield from (table.noise for table in self.tables.values() if table.noise)
        yield from (task.noise for task in self.tasks.values() if task.noise)

    def noise_of(self, number: int, task: str) -> str:
        """The noise of our task in a table, in the notation of tasks."""
        own = [each.noise for each in self.tasks.values() if each.name == task and each.noise]
        return self.tables[number].noise or next(iter(own), self.noise)

    def noise_options(self, number: int) -> str:
        """The options that give a run the noise of a table, if it differs from the task's own."""
        noise = self.tables[number].noise
        assumed = f" assume='{self.assumed}'" if self.assumed else ""
        return f" task.noise='{noise}'{assumed}" if noise else ""

    def better(self, metric: str) -> str:
        """The better direction of a printed metric: "higher", "lower", or "" if unknown."""
        return self.metrics[metric].better if metric in self.metrics else ""

    def prior(self, benchmark: str) -> str:
        """The prior that the paper used on our benchmark."""
        return next(each.prior for each in self.benchmarks.values() if each.name == benchmark)

    def label(self, word: str) -> str:
        """The header of a data set or task."""
        places: dict[str, Benchmark | Task] = {**self.benchmarks, **self.tasks}
        return (places[word].label if word in places else "") or word


def run_command(benchmark: str, solvers: Iterable[str], tasks: Iterable[str], options: str) -> str:
    """The command that records cells, with options from ``Layout.noise_options``."""
    return f"invbench run benchmark={benchmark} solver={','.join(solvers)} task={','.join(tasks)}{options}"


def load_layout(path: Path) -> Layout:
    """The layout in a file. Raises ConfigError that names the file and the wrong entry."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        layout = msgspec.convert(content, Layout, str_keys=True)
        for noise in layout.noises():
            parse_noise(noise)
    except (OSError, ValueError, ConfigError) as error:  # msgspec's and tomllib's are ValueErrors
        raise ConfigError(f"{path} cannot be read: {error}") from None
    _check_names(path, layout)
    return layout


def _check_names(path: Path, layout: Layout) -> None:
    """Raises ConfigError if an entry of the file names another that does not exist."""
    benchmarks = [each.name for each in layout.benchmarks.values()]
    for number, table in layout.tables.items():
        if table.calls_of and table.calls_of not in benchmarks:
            raise ConfigError(f"{path}, tables.{number}, calls_of: {unknown('benchmark', table.calls_of, benchmarks)}")
    if layout.iterations and layout.iterations.table not in layout.tables:
        raise ConfigError(f"{path}, iterations: there is no table {layout.iterations.table}")
    for number, figure in layout.figures.items():
        if not figure.command:
            _check_figure(f"{path}, figures.{number}", figure, layout)


def _check_figure(where: str, figure: FigureLayout, layout: Layout) -> None:
    """Raises ConfigError for an unknown data set, task or table."""
    if figure.data not in layout.benchmarks:
        raise ConfigError(f"{where}, data: {unknown('data set', figure.data, layout.benchmarks)}")
    for word in figure.tasks:
        if word not in layout.tasks:
            raise ConfigError(f"{where}, tasks: {unknown('task', word, layout.tasks)}")
    if figure.table not in layout.tables:
        raise ConfigError(f"{where}: there is no table {figure.table}")
