"""Records to share: every number with its provenance, without reconstructions and the machine's own paths. No torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from invbench.records import SETS, CellStore, LoadedCell, Record, write_atomic

PLACES = ("out", "folder", "device", "dataset.root", "prior.weights")  # options that differ from machine to machine
COMPLETE = ("complete", "skipped")


def portable(command: Iterable[str]) -> str:
    """A command line without the options that name places.

    >>> portable(["invbench", "run", "solver=ddrm", "out=/data/runs"])
    'invbench run solver=ddrm'
    """
    return shlex.join(text for text in command if text.partition("=")[0] not in PLACES)


def release(cells: Sequence[LoadedCell], to: Path) -> Iterator[str]:
    """Write the complete cells below ``to``, a folder each as in any results folder; yields a line for each cell."""
    for cell in cells:
        folder = to / _place(cell) / f"{_solver(cell)}-{cell.id}"
        if cell.run["status"] not in COMPLETE:
            yield f"left out, {cell.run['status']}: {folder}"
            continue
        folder.mkdir(parents=True, exist_ok=True)
        store = CellStore(folder)
        store.unseal()
        store.clear()
        store.add_rows(Record(**row) for row in cell.rows)
        store.write_run({**cell.run, "sessions": [_shared(each) for each in cell.run["sessions"]]})
        if sets := cell.all_sets():
            write_atomic(folder / SETS, (json.dumps(sets, indent=1) + "\n").encode())
        store.seal()
        yield f"{len(cell.images)} images: {folder}"


def release_costs(cells: Iterable[LoadedCell], out: Path, to: Path) -> Iterator[str]:
    """Write what ``invbench bench`` measured of the cells' solvers below ``to``; yields a line for each file."""
    for name in sorted({_place(cell) / f"bench-{_solver(cell)}.json" for cell in cells}):
        if not (out / name).is_file():
            continue
        cost: dict[str, Any] = json.loads((out / name).read_text(encoding="utf-8"))
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(to / name, (json.dumps({**cost, "session": _shared(cost["session"])}, indent=1) + "\n").encode())
        yield f"cost: {to / name}"


def _place(cell: LoadedCell) -> Path:
    config = cell.run["config"]
    return Path(config["benchmark"]["name"]) / config["task"]["name"]


def _solver(cell: LoadedCell) -> str:
    return str(cell.run["config"]["solver"]["name"])


def _shared(session: dict[str, Any]) -> dict[str, Any]:
    return {**session, "command": portable(shlex.split(session["command"]))}
