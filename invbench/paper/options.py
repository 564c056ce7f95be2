"""The options of a solver on one of our benchmarks, in the layout of a paper's table of hyper-parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from invbench.analysis.table import Table
from invbench.errors import ConfigError
from invbench.paper.printed import PaperTable
from invbench.settings import settings

if TYPE_CHECKING:
    from invbench.plugins import Catalog


def options_table(table: PaperTable, benchmark: str, catalog: Catalog) -> Table:
    """A row for each hyper-parameter of the paper, a column for each of its tasks on the benchmark.

    Raises ConfigError if the table has no options of ours.
    """
    layout = table.layout
    if not layout.options:
        raise ConfigError(f"table {table.number} has nothing to show on {benchmark}; see --paper {table.option}")
    names = [table.paper.layout.tasks[row.task] for row in table.rows]
    tasks = list(dict.fromkeys(task.proxy or task.name for task in names))
    columns = {"": list(layout.options)}
    for task in tasks:
        columns[task] = [str(_value(catalog, benchmark, task, option)) for option in layout.options.values()]
    title = f"{layout.title.partition(':')[0]} on {benchmark}: {layout.title.partition(': ')[2]}"
    return Table(title, pd.DataFrame(columns), tuple(_notes(table, benchmark, tasks, catalog)))


def _value(catalog: Catalog, benchmark: str, task: str, option: str) -> Any:
    """The value of a solver or its training for a task: from the settings, or the default."""
    solver, kind, field = option.split(".")
    cls = catalog.get("solver", solver)
    owner = cls if kind == "solver" else cls.options
    defaults = {f.name: f.default for f in dataclasses.fields(owner)}
    return settings(owner, benchmark, task).values.get(field, defaults[field])


def _notes(table: PaperTable, benchmark: str, tasks: list[str], catalog: Catalog) -> Iterator[str]:
    """The sources of the values."""
    solvers = dict.fromkeys(option.partition(".")[0] for option in table.layout.options.values())
    for name in solvers:
        options = catalog.get("solver", name).options
        of_task = {task: settings(options, benchmark, task).origin for task in tasks}
        for origin in dict.fromkeys(of_task.values()):
            yield f"{', '.join(t for t, o in of_task.items() if o == origin)}: {origin}."
        command = f"invbench train solver={name} benchmark={benchmark}"
        yield f"As '{command}' takes them; the metadata of weights say what these were trained with."
