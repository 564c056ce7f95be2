"""The command that prints tables of records. It imports what it needs when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invbench.cli import completion
from invbench.cli.read import check_there, names_of, out_option, print_tables, recorded_cells, wanted_of, wide_option
from invbench.errors import ConfigError, unknown

if TYPE_CHECKING:
    from invbench.analysis.cell import Spread
    from invbench.analysis.table import Table
    from invbench.store.reader import LoadedCell


@dataclass(frozen=True)
class Request:
    """The options of ``invbench table``."""

    filters: tuple[str, ...]
    how: str
    out: Path
    paper: str | None
    only: tuple[str, ...]
    added: tuple[str, ...]
    intervals: bool | None  # None if neither option was given
    std: bool
    by_task: bool
    times: bool
    budgets: str

    def __post_init__(self) -> None:
        """Raises ConfigError for an unknown format, or options that exclude each other."""
        from invbench.analysis.table import FORMATS

        if self.how not in FORMATS:
            raise ConfigError(unknown("table format", self.how, FORMATS))
        if self.std and self.intervals:
            raise ConfigError(
                "means are printed with intervals or with standard deviations: choose --intervals or --std"
            )
        if self.added and self.paper is None:
            raise ConfigError("--add needs --paper; other tables show all records")
        self._refuse_mixed()

    def _refuse_mixed(self) -> None:
        """Raises ConfigError for options of different tables."""
        columns = any((self.only, self.budgets, self.by_task))
        if self.paper is not None and columns:
            raise ConfigError("--paper prints the paper's columns; leave out --metrics, --by-task and --budgets")
        if self.times and any((self.paper, columns, self.beside)):
            raise ConfigError("--times prints seconds, not scores; leave out options that choose or describe scores")
        if self.budgets and (self.by_task or self.beside):
            raise ConfigError("--budgets prints the best means alone; leave out --by-task, --intervals and --std")

    @property
    def beside(self) -> bool:
        """Whether the user chose what is printed beside means."""
        return self.std or self.intervals is not None

    @property
    def spread(self) -> Spread:
        """What is printed beside means: by default intervals, except in wide tables."""
        if self.std:
            return "std"
        narrow = self.paper is None and not self.by_task
        shows_intervals = self.intervals or (self.intervals is None and narrow)
        return "interval" if shows_intervals else "none"

    def tables(self) -> Sequence[Table]:
        """The tables to print."""
        if self.paper is not None:
            return [self._of_paper(self.paper)]
        return self._of_cells(recorded_cells(self.filters, self.out))

    def _of_cells(self, cells: Sequence[LoadedCell]) -> Sequence[Table]:
        from invbench.analysis.by_task import by_task_table
        from invbench.analysis.long_table import long_table
        from invbench.analysis.pareto import budget_tables, parse_budgets
        from invbench.analysis.seeds import seed_tables
        from invbench.analysis.tables import build_tables
        from invbench.analysis.times import times_table
        from invbench.plugins import load_catalog

        if self.times:
            return [times_table(cells)]
        metrics, floors = load_catalog().for_tables()
        if self.budgets:
            return budget_tables(cells, metrics, parse_budgets(self.budgets), self.only)
        if self.by_task:
            return [by_task_table(cells, metrics, self.only, self.spread)]
        if self.how == "csv" and not self.only and not self.beside:
            return [long_table(cells, metrics)]
        return [*build_tables(cells, metrics, floors, self.only, self.spread), *seed_tables(cells, metrics)]

    def _of_paper(self, paper: str) -> Table:
        from invbench.paper.build import Request as OfPaper
        from invbench.paper.build import build_table
        from invbench.plugins import load_catalog

        check_there(self.out)
        return build_table(OfPaper(paper, self.spread, wanted_of(self.filters), self.out, self.added), load_catalog())


@click.command()
@click.argument("filters", nargs=-1, type=completion.FILTERS)
@click.option("--format", "how", default="text", show_default=True, help="text, md, latex, csv or html.")
@click.option(
    "--paper", default=None, help="A table of the DAVI paper, 1 to 13, beside our records; NAME:N for another paper."
)
@click.option(
    "--metrics", "only", default="", help="Columns, such as psnr,lpips_vgg,seconds; all recorded ones if empty."
)
@click.option("--by-task", is_flag=True, help="One table: a row per solver, for each task a column per metric.")
@click.option(
    "--intervals/--no-intervals",
    default=None,
    help="95 % intervals beside means; on by default, except with --paper and --by-task.",
)
@click.option("--std", is_flag=True, help="Mean ± standard deviation over images; over seeds with --by-task.")
@click.option("--add", "added", default="", help="With --paper: rows of solvers that the paper lacks, or 'all'.")
@click.option("--times", is_flag=True, help="Time and device of each cell, in place of scores.")
@click.option(
    "--budgets", default="", help="Only the best solver within each budget of network calls, such as 20,100,1000."
)
@click.option("--caption", default="", help="LaTeX: of the table, itself LaTeX; \\begin{table} is written around it.")
@click.option("--label", default="", help="LaTeX: label of the table, such as tab:sr4.")
@click.option("--siunitx", is_flag=True, help="LaTeX: align numbers at the decimal point, in columns S of siunitx.")
@wide_option
@out_option
def table(
    filters: tuple[str, ...], only: str, added: str, caption: str, label: str, siunitx: bool, **options: Any
) -> None:
    """Print tables of the records: invbench table [benchmark=photos] [task=sr4] ...

    With --paper N, prints a published table with our numbers under it; with benchmark=photos as well, our records on
    that benchmark in the layout of that table. As csv without options, every number is one row. In LaTeX the best value
    of a column is bold and the second best underlined; the first line names the packages that it needs.
    """
    from invbench.analysis.latex import Latex

    request = Request(filters, only=names_of(only), added=names_of(added), **options)
    latex = Latex(caption, label, siunitx)
    if latex != Latex() and request.how != "latex":
        raise ConfigError("--caption, --label and --siunitx need --format latex")
    if siunitx and request.spread == "interval" and not request.times and not request.budgets:
        raise ConfigError("--siunitx aligns numbers, not intervals; add --no-intervals or --std")
    print_tables(request.tables(), request.how, latex)


COMMANDS = (table,)
