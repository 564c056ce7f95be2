"""The records for comparison with a paper's numbers, and how they differ from its protocol."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from invbench.analysis.comparable import most_default
from invbench.noise import parse_noise
from invbench.paper.layout import TrainedRow
from invbench.paper.printed import PaperTable
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.released import results_folder

CALLS = "nfe_forward"
SLACK = 0.01  # tolerance of NFE: papers count the first or last step differently


class Protocol(NamedTuple):
    """A paper's protocol: noise in the notation of tasks, our data set and prior, the level assumed if it is hidden."""

    noise: str
    dataset: str
    prior: str
    assumed: str
    nfe: float | None = None  # if it is known

    def mismatches(self, cell: LoadedCell) -> list[str]:
        """How a cell differs from it."""
        config = cell.run.config
        assumed = self.assumed or "none"
        pairs = (
            ("noise", parse_noise(config.task.noise).label, parse_noise(self.noise).label),
            ("data set", config.dataset.name, self.dataset),
            ("prior", config.prior.name, self.prior),
            ("assumed level", config.assumed or assumed, assumed),
        )
        texts = [f"{what} {ours}, not {theirs}" for what, ours, theirs in pairs if ours != theirs]
        return texts + ([] if self.nfe is None else _calls_mismatch(cell, self.nfe))


def makes(cell: LoadedCell, nfe: float) -> bool:
    """Whether a cell made this number of network calls per image."""
    return not _calls_mismatch(cell, nfe)


def _calls_mismatch(cell: LoadedCell, nfe: float) -> list[str]:
    """A mismatch if a cell made another number of network calls."""
    calls = sorted({r.value for r in cell.rows if r.metric == CALLS})
    if any(abs(c - nfe) > SLACK * nfe for c in calls):
        return [f"NFE {'/'.join(f'{c:g}' for c in calls)}, not {nfe:g}"]
    return []


def trained_with(cell: LoadedCell, option: str) -> str:
    """The setting of an option that a cell's network was trained with, as "davi_g" by ``+recipe=davi_g``, or ""."""
    training = cell.run.training
    setting = re.search(rf"\+{re.escape(option)}=(\w+)", training.command) if training else None
    return setting[1] if setting else ""


def is_row(cell: LoadedCell, row: TrainedRow) -> bool:
    """Whether a cell belongs to a solver with this training."""
    return cell.run.config.solver.name == row.solver and trained_with(cell, row.option) == row.setting


def of_trainings(rows: Iterable[TrainedRow], out: Path, **filters: str) -> list[LoadedCell]:
    """The cells of solvers with these trainings, from their folders in a results folder and released."""
    rows = list(rows)
    found: list[LoadedCell] = []
    for part in dict.fromkeys(row.records for row in rows):
        own = with_released(load_cells(out / part, **filters), part, **filters)
        found += [cell for cell in own if any(is_row(cell, row) for row in rows)]
    return found


def find(
    cells: Sequence[LoadedCell], table: PaperTable, benchmark: str, task: str, solver: str, nfe: float | None = None
) -> LoadedCell | None:
    """The representative cell of a solver: of the table's noise, and the nearest to the default configuration.

    With ``nfe``, only cells with this number of network calls, if there are any.
    """
    matching = [
        c
        for c in cells
        if c.images
        and (c.run.config.benchmark.name, c.run.config.task.name) == (benchmark, task)
        and c.run.config.solver.name == solver
        and table.of_its_noise(c.run.config.task.noise)
    ]
    calls = [cell for cell in matching if nfe is not None and makes(cell, nfe)]
    return max(calls or matching, key=most_default, default=None)


def find_anywhere(cells: Sequence[LoadedCell], table: PaperTable, task: str, solver: str) -> LoadedCell | None:
    """The same, on any benchmark."""
    names = {c.run.config.benchmark.name for c in cells}
    matching = [cell for name in names if (cell := find(cells, table, name, task, solver))]
    return max(matching, key=most_default, default=None)


def with_released(own: Sequence[LoadedCell], part: str = "", **filters: str) -> list[LoadedCell]:
    """The user's cells, and released ones (``results/reference``) unless the user has at least as many images.

    ``part`` is a subfolder with a separate store, such as that of the ablations.
    """
    images = {cell.id: len(cell.images) for cell in own}
    released = load_cells(results_folder() / "reference" / part, **filters)
    added = [cell for cell in released if len(cell.images) > images.get(cell.id, 0)]
    return [*(c for c in own if c.id not in {a.id for a in added}), *added]
