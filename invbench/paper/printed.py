"""A paper's tables as printed: its layout, and the numbers of ``results/published/NAME.csv``."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

from invbench.analysis.cell import OTHER, ranks
from invbench.errors import ConfigError, unknown
from invbench.paper.layout import LEVELLESS, Layout, TableLayout, TrainedRow, load_layout, run_command
from invbench.store.released import results_folder

DAVI = "davi"  # the paper that a table's number alone is of


class Column(NamedTuple):
    """A column of a table, in the paper's words."""

    dataset: str
    task: str
    metric: str


class Method(NamedTuple):
    """A row of a table, in the paper's words."""

    name: str
    nfe: str


class Contender(NamedTuple):
    """What a row of a table is here: a solver, perhaps with a training of its own or with a number of network calls."""

    solver: str
    training: TrainedRow | None = None
    nfe: str = ""

    @property
    def id(self) -> str:
        """Solver, setting and calls, as "davi-a" or "i2sb-20"."""
        return "-".join(filter(None, (self.solver, self.training.setting if self.training else "", self.nfe)))


class Printed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A printed value as text, with its row and column."""

    table: int
    dataset: str
    task: str
    noise: str
    method: str
    nfe: str
    metric: str
    value: str
    note: str

    @property
    def column(self) -> Column:
        """Its column."""
        return Column(self.dataset, self.task, self.metric)

    @property
    def doubtful(self) -> bool:
        """Whether it contradicts other parts of the paper."""
        return self.note.startswith("DOUBTFUL")


@dataclass(frozen=True)
class Paper:
    """A paper: the layout of its tables, and every printed value."""

    name: str
    layout: Layout
    rows: tuple[Printed, ...]

    @classmethod
    def load(cls, name: str = DAVI) -> Paper:
        """Read its two files. Raises ConfigError if they are absent or damaged."""
        folder = results_folder() / "published"
        known = [path.stem for path in folder.glob("*.csv") if path.with_suffix(".toml").is_file()]
        if name not in known:
            raise ConfigError(unknown("paper", name, known))
        layout = load_layout(folder / f"{name}.toml")
        return cls(name, layout, tuple(_read(folder / f"{name}.csv", layout)))

    def table(self, number: int) -> PaperTable:
        """The table of that number. Raises ConfigError if the paper has none."""
        rows = tuple(r for r in self.rows if r.table == number)
        if not rows:
            raise ConfigError(f"the paper has tables {_numbers({r.table for r in self.rows})}; got {number}")
        return PaperTable(self, number, rows)


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper."""

    paper: Paper
    number: int
    rows: tuple[Printed, ...]

    @property
    def layout(self) -> TableLayout:
        """Its properties."""
        return self.paper.layout.tables[self.number]

    @property
    def option(self) -> str:
        """Its name for ``--paper``."""
        return f"{self.number}" if self.paper.name == DAVI else f"{self.paper.name}:{self.number}"

    @cached_property
    def columns(self) -> list[Column]:
        """In the paper's order."""
        return list(dict.fromkeys(r.column for r in self.rows))

    @cached_property
    def methods(self) -> dict[Method, dict[Column, Printed]]:
        """The values of each row, in the paper's order."""
        values: dict[Method, dict[Column, Printed]] = {}
        for r in self.rows:
            values.setdefault(Method(r.method, r.nfe), {})[r.column] = r
        return values

    @cached_property
    def contenders(self) -> dict[str, Contender]:
        """What each row is here, by its name; rows of methods without a solver are left out."""
        solvers, trainings = self.paper.layout.methods, self.layout.trainings
        found: dict[str, Contender] = {}
        for method in self.methods:
            if training := trainings.get(method.name):
                found[self.name_of(method)] = Contender(training.solver, training)
            elif method.name in solvers:
                nfe = method.nfe if self.name_of(method) != method.name else ""
                found[self.name_of(method)] = Contender(solvers[method.name], nfe=nfe)
        return found

    def name_of(self, method: Method) -> str:
        """The method's name, with its network calls if the table has several rows of it: "I2SB, 20 calls"."""
        several = sum(other.name == method.name for other in self.methods) > 1
        return f"{method.name}, {method.nfe} {'call' if method.nfe == '1' else 'calls'}" if several else method.name

    def noise_of(self, task: str) -> str:
        """The noise of our task, in the notation of tasks."""
        return self.paper.layout.noise_of(self.number, task)

    def of_its_noise(self, noise: str) -> bool:
        """Whether a noise is that of the table or, if it has none of its own, one whose level the solver is given."""
        own = self.layout.noise
        return noise == own if own else not noise.startswith(LEVELLESS)

    def command(self, benchmark: str, solvers: Sequence[str], tasks: Sequence[str]) -> str:
        """The command that records cells for it."""
        return run_command(benchmark, solvers, tasks, self.paper.layout.noise_options(self.number))


def ranked(better: str, values: Sequence[str]) -> list[int]:
    """The rank of each printed value, if the metric has a better direction; "" has none."""
    return ranks(better == "higher", [float(v) if v else None for v in values]) if better else [OTHER] * len(values)


def _read(path: Path, layout: Layout) -> Iterator[Printed]:
    """The rows of a file. Raises ConfigError with the line that does not fit the layout."""
    number = 1
    try:
        for line in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            number += 1
            yield _checked(msgspec.convert(line, Printed, strict=False), layout)
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError(f"{path}, line {number}: {error}") from None


def _checked(row: Printed, layout: Layout) -> Printed:
    """The row. Raises ValueError for words that the layout lacks, or an invalid number."""
    known: tuple[tuple[str, str, Collection[str]], ...] = (
        ("table", str(row.table), [str(number) for number in layout.tables]),
        ("dataset", row.dataset, layout.benchmarks),
        ("task", row.task, layout.tasks),
    )
    for what, word, words in known:
        if word not in words:
            raise ValueError(unknown(what, word, words))
    for number in (row.nfe, row.value if layout.better(row.metric) else ""):
        if number:
            float(number)
    return row


def _numbers(numbers: set[int]) -> str:
    """Numbers of tables in words: "1 to 13" if none is left out."""
    first, last = min(numbers), max(numbers)
    contiguous = numbers == set(range(first, last + 1)) and first < last
    return f"{first} to {last}" if contiguous else ", ".join(map(str, sorted(numbers)))
