"""Records to share: every number with its provenance, without reconstructions and paths of the machine."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from invbench.atomic import write_atomic
from invbench.errors import ConfigError, StoreError
from invbench.store.files import Record
from invbench.store.jsonfiles import json_text, read_bench
from invbench.store.reader import LoadedCell
from invbench.store.schema import Bench, Session
from invbench.store.writer import CellStore

PLACES = ("out", "folder", "device", "dataset.root", "prior.weights")  # options whose values are paths of a machine
FILES = (
    "solver.weights",
    "prior.folder",
    "task.kernel",
    "task.mask",
)  # options whose values are paths of a machine unless they are plain names
COMPLETE = ("complete", "skipped")
DIGITS = 9  # of a released number: those of float32, in which images are computed
Costs = Mapping[tuple[str, str, str], Bench]  # by benchmark, task and solver


def portable(command: Iterable[str]) -> str:
    """A command line without the options that name places.

    >>> portable(["invbench", "run", "solver=davi", "out=/data/runs", "solver.weights=/data/w.safetensors"])
    'invbench run solver=davi'
    >>> portable(["invbench", "run", "solver=davi", "solver.weights=variational"])
    'invbench run solver=davi solver.weights=variational'
    """
    return shlex.join(text for text in command if not _is_place(*text.partition("=")[::2]))


def _is_place(key: str, value: str) -> bool:
    return key in PLACES or (key in FILES and Path(value).stem != value)


def release(cells: Sequence[LoadedCell], out: Path, to: Path) -> Iterator[str]:
    """Write complete cells and measured costs below ``to``, as in any results folder; yields a line for each.

    Raises ConfigError if that is the folder they lie in, StoreError where nothing can be written and, when the
    others are released, if records were changed since they were complete, which new checksums would hide.
    """
    refused = yield from release_cells(cells, to)
    yield from release_costs(cells, out, to)
    if refused:
        cells_are = "1 cell is" if refused == 1 else f"{refused} cells are"
        raise StoreError(f"{cells_are} left out (see above); the others are released")


def release_cells(cells: Sequence[LoadedCell], to: Path) -> Generator[str, None, int]:
    """Write the complete cells, numbers to nine digits; yields a line for each, and returns how many were damaged."""
    refused = 0
    for cell in cells:
        folder = to / cell.run.config.place / f"{cell.run.config.solver.name}-{cell.id}"
        if folder.parent.resolve() == cell.folders[0].parent.resolve():
            raise ConfigError(f"expected another folder than the records' own; got {to}")
        if cell.run.status not in COMPLETE:
            yield f"left out, {cell.run.status}: {folder}"
            continue
        if reason := _damage(cell):
            refused += 1
            yield f"left out: {reason}"
            continue
        sessions = [_shared(each) for each in cell.run.sessions]
        run = replace(cell.run, images=len(cell.images), sessions=sessions, places=cell.run.named)
        CellStore(folder).replace([rounded(row) for row in cell.rows], run, cell.all_sets())
        yield f"{len(cell.images)} images: {folder}"
    return refused


def rounded(row: Record) -> Record:
    """The row with its value to nine significant digits, which takes a quarter off a file of records."""
    return replace(row, value=float(f"{row.value:.{DIGITS}g}"))


def _damage(cell: LoadedCell) -> str:
    """How a cell's records differ from those written; "" if they do not."""
    try:
        for path in cell.folders:
            CellStore(path).verify_checksums()
    except StoreError as error:
        return str(error)
    return f"{cell.folders[0]} has {cell.damaged} lines that cannot be read" if cell.damaged else ""


def release_costs(cells: Iterable[LoadedCell], out: Path, to: Path) -> Iterator[str]:
    """Write the costs of the cells' solvers from ``invbench bench`` below ``to``; yields a line for each file."""
    for name in sorted({cell.run.config.place / f"bench-{cell.run.config.solver.name}.json" for cell in cells}):
        if (out / name).is_file():
            cost = read_cost(out / name)
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            text = json_text(replace(cost, session=_shared(cost.session)).plain(), indent=1)
            write_atomic(to / name, text.encode())
            yield f"cost: {to / name}"


def read_cost(path: Path) -> Bench:
    """A file of ``invbench bench``: config, cost and session. Raises StoreError if it cannot be read."""
    try:
        return read_bench(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); delete it and run 'invbench bench' again") from None


def load_costs(*folders: Path) -> Costs:
    """The costs measured by ``invbench bench`` in results folders.

    Costs of a task come from one folder, the last that has any: seconds of two machines are not comparable.
    """
    costs: dict[tuple[str, str, str], Bench] = {}
    for out in folders:
        folder_costs = {cost.names: cost for cost in _readable_costs(out)}
        places = {names[:2] for names in folder_costs}
        costs = {names: cost for names, cost in costs.items() if names[:2] not in places} | folder_costs
    return costs


def _readable_costs(out: Path) -> Iterator[Bench]:
    """The costs measured by ``invbench bench`` below a folder; a warning for each file that cannot be read."""
    for path in sorted(out.glob("*/*/bench-*.json")):
        try:
            yield read_cost(path)
        except StoreError as error:
            warnings.warn(f"left out: {error}", stacklevel=2)


def alike(cells: Sequence[LoadedCell], costs: Costs) -> list[float] | None:
    """Seconds of each cell's solver from ``invbench bench`` in one common setting; None if some are missing."""
    configs = [cell.run.config for cell in cells]
    benches = [costs.get((c.benchmark.name, c.task.name, c.solver.name)) for c in configs]
    good = [c for c, cell in zip(benches, cells, strict=True) if c and same_run(c, cell)]
    comparable = len(good) == len(cells) and len({c.setting for c in good}) == 1
    return [c.cost.seconds for c in good] if comparable else None


def same_run(cost: Bench, cell: LoadedCell) -> bool:
    """Whether a cost was measured with a cell's solver and task options, as far as both record them."""
    measured, run = cost.config, cell.run.config
    pairs = [(a.plain(), b.plain()) for a, b in ((measured.solver, run.solver), (measured.task, run.task))]
    return all(a[key] == b[key] for a, b in pairs for key in a.keys() & b.keys())


def _shared(session: Session) -> Session:
    try:
        words = shlex.split(session.command)
    except ValueError:  # not a command line
        words = session.command.split()
    return replace(session, command=portable(words))
