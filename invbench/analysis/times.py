"""The time that each cell took, and the device it was solved on."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from invbench.analysis.table import Table
from invbench.store.reader import LoadedCell


def times_table(cells: Sequence[LoadedCell]) -> Table:
    """One row per cell, by benchmark, task and solver: images, seconds of solving and of other work, device."""
    ordered = sorted(cells, key=lambda c: (_place(c), c.run.config.solver.name, c.id))
    lines = [
        {
            "cell": cell.id,
            "task": _place(cell),
            "solver": cell.run.config.solver.name,
            "status": cell.run.status,
            "images": str(cell.run.images),
            "samples": str(cell.run.config.samples),
            "solving s": f"{cell.run.cost.solve_seconds:.1f}",
            "other s": f"{cell.run.cost.prepare_seconds + cell.run.cost.compile_seconds:.1f}",
            "device": ", ".join(dict.fromkeys(session.device for session in cell.run.sessions)),
        }
        for cell in ordered
    ]
    solving = sum(cell.run.cost.solve_seconds for cell in cells)
    notes = (
        f"{len(cells)} cells, {solving / 3600:.3g} hours of solving. Other: preparing solvers, compiling networks.",
    )
    return Table("Times", pd.DataFrame(lines), notes)


def _place(cell: LoadedCell) -> str:
    return f"{cell.run.config.benchmark.name}/{cell.run.config.task.name}"
