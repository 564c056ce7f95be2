"""The records that stand beside a paper's numbers, and in what they differ from its protocol. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from invbench.analysis.comparable import most_default
from invbench.noise import parse_noise
from invbench.paper.layout import TrainedRow
from invbench.paper.printed import PaperTable
from invbench.store.reader import LoadedCell, load_cells
from invbench.store.released import results_folder

CALLS = "nfe_forward"
SLACK = 0.01  # of NFE: whether the first or the last step calls the network is a matter of counting


class Protocol(NamedTuple):
    """How a paper measured: noise as tasks write it, our data set and prior, the level assumed where it is hidden."""

    noise: str
    dataset: str
    prior: str
    assumed: str
    nfe: float | None = None  # where it is known

    def mismatches(self, cell: LoadedCell) -> list[str]:
        """In what a cell differs from it."""
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
    """Whether a cell made this number of network calls, an image."""
    return not _calls_mismatch(cell, nfe)


def _calls_mismatch(cell: LoadedCell, nfe: float) -> list[str]:
    """That a cell made other numbers of network calls, if it did."""
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
    """Whether a cell is that of a solver trained so."""
    return cell.run.config.solver.name == row.solver and trained_with(cell, row.option) == row.setting


def find(
    cells: Sequence[LoadedCell], table: PaperTable, benchmark: str, task: str, solver: str, nfe: float | None = None
) -> LoadedCell | None:
    """The representative cell of a solver: of the table's noise, and the nearest to the default configuration.

    With ``nfe``, of those that made so many network calls, where there are any.
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
    """The same, of any benchmark."""
    names = {c.run.config.benchmark.name for c in cells}
    matching = [cell for name in names if (cell := find(cells, table, name, task, solver))]
    return max(matching, key=most_default, default=None)


def with_released(own: Sequence[LoadedCell], part: str = "", **filters: str) -> list[LoadedCell]:
    """Our own cells, and the released ones (``results/reference``) that ours do not hold as many images of.

    ``part`` is a folder of it with a store of its own, as that of the ablations.
    """
    images = {cell.id: len(cell.images) for cell in own}
    released = load_cells(results_folder() / "reference" / part, **filters)
    added = [cell for cell in released if len(cell.images) > images.get(cell.id, 0)]
    return [*(c for c in own if c.id not in {a.id for a in added}), *added]
