"""The provenance of a number, and whether it can be reproduced."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from invbench.analysis.comparable import solver_of
from invbench.errors import ConfigError, StoreError, unknown
from invbench.store.files import Record
from invbench.store.reader import LoadedCell, load_cell, load_cells
from invbench.store.schema import Config
from invbench.store.writer import CellStore

MOST_LISTED = 8  # cells listed for an ambiguous name

if TYPE_CHECKING:
    from invbench.metric import Metric
    from invbench.plugins import Catalog


def find_cell(name: str, out: Path) -> LoadedCell:
    """The cell with this id, start of an id, folder or folder name, or of a solver with a single cell.

    Raises ConfigError if there is none, or if there are several, which it lists.
    """
    if not name:
        raise ConfigError("expected the id of a cell, its start, a folder, or a solver; got an empty text")
    if (Path(name) / "run.json").is_file():
        return load_cell(Path(name))
    return _recorded(name, load_cells(out), out)


def _recorded(name: str, cells: Sequence[LoadedCell], out: Path) -> LoadedCell:
    """The one of these cells that has this name."""
    matching = _called(name, cells)
    if not matching:
        raise ConfigError(unknown(f"cell, folder or solver in {out}:", name, {solver_of(c) for c in cells}))
    if len(matching) > 1:
        raise ConfigError(f"{name!r} is the name of {len(matching)} cells in {out}: {_list(matching)}; give an id")
    return matching[0]


def _called(name: str, cells: Sequence[LoadedCell]) -> list[LoadedCell]:
    """Cells with this id or folder; if there is none, those whose id begins with it, or whose solver it is."""
    exact = [c for c in cells if name == c.id or name in [folder.name for folder in c.folders]]
    return exact or [c for c in cells if c.id.startswith(name) or name == solver_of(c)]


def _list(cells: Sequence[LoadedCell]) -> str:
    """The first of several cells, and the number of others."""
    listed = sorted(map(_listed, cells))[:MOST_LISTED]
    return ", ".join(listed) + (f" and {len(cells) - len(listed)} more" if len(cells) > len(listed) else "")


def _listed(cell: LoadedCell) -> str:
    """A cell's id with its solver, benchmark, task and seed."""
    config = cell.run.config
    return f"{cell.id} ({solver_of(cell)}, {config.benchmark.name}/{config.task.name}, seed {config.seed})"


def explain(cell: LoadedCell) -> str:
    """Command, configuration, hashes, measurements and environment of a cell's numbers."""
    run = cell.run
    digests = "".join(image + each.sha256 for image, each in cell.measured.items())
    measured = hashlib.sha256(digests.encode()).hexdigest()[:12]
    lines = [f"cell {cell.id}, {run.status}, {len(cell.images)} images, {', '.join(map(str, cell.folders))}", ""]
    for session in run.sessions:
        packages = ", ".join(f"{k} {v}" for k, v in session.packages.items())
        lines += [
            session.command,
            f"  {session.started} on {session.device}, {session.threads} threads, {session.platform}",
            f"  python {session.python}, {packages}; batches of {session.batch_size}",
            f"  commit {session.commit or 'none: not run from a checkout'}" + (", changed" if session.dirty else ""),
        ]
    lines += ["", json.dumps(run.config.plain(), indent=2, sort_keys=True), ""]
    lines += [f"measurements {measured}, of {len(cell.measured)} images"]
    lines += [f"origin: {key}: {origin}" for key, origin in run.origins.items()]
    protocols = sorted({r.protocol for r in cell.rows} | {s.protocol for s in cell.sets})
    return "\n".join([*lines, "protocols: " + "; ".join(protocols)])


def damage(cell: LoadedCell) -> list[str]:
    """Changes since the cell was complete: of files against checksums, of the configuration against the id."""
    lines = [f"{folder}: {line}" for folder in cell.folders for line in CellStore(folder).damage()]
    if not cell.run.config.digest().startswith(cell.id):
        lines.append(f"{cell.folders[0]}: the configuration is not that of cell {cell.id}")
    return lines


def recompute(cell: LoadedCell, n: int, catalog: Catalog, device: str = "auto") -> Iterator[tuple[str, float]]:
    """Solve the first images again; yields each with the largest difference of a value on [-1, 1], or of a score.

    The images are solved on ``device``, whatever the recorded one.

    Recorded scores are compared with those of the stored reconstructions; released records have none, so theirs are
    compared with scores of the new ones. Raises StoreError if weights or measurements differ from the recorded ones.
    """
    from invbench.device import choose_device, refuse_precision
    from invbench.harness.bank import image_ids
    from invbench.harness.cell import Options
    from invbench.harness.rebuild import rebuild_cell
    from invbench.harness.runner import run_cell

    again, there = rebuild_cell(cell.run, catalog), choose_device(device)
    refuse_precision(again.source.precision, there)
    _same_hashes(cell.run.config, again.config())
    order = _first_images(cell, image_ids(again.dataset))
    images, metrics = order[:n], catalog.metrics()
    on_disk = all(cell.image_path(image) for image in images)
    with TemporaryDirectory() as folder:
        size = max(n, 2) if len(order) > 1 else 1
        options = Options(Path(folder), n=min(size, len(order)), batch_size=size, device=there)
        outcome = run_cell(again, [] if on_disk else metrics, options)
        if outcome.status != "complete":
            raise StoreError(f"the cell could not be solved again: {outcome.reason}")
        new = load_cell(outcome.folder)
        for image in images:
            if not cell.measured[image].same(new.measured[image]):
                raise StoreError(f"the measurement of {image} is not the recorded one")
            yield image, _kept(cell, new, image, metrics, catalog) if on_disk else _released(cell, new, image, metrics)


def _first_images(cell: LoadedCell, ids: Sequence[str]) -> list[str]:
    """A cell's images in the order of its dataset. Raises StoreError if they are not the first ones."""
    order = [i for i in ids if i in set(cell.images)]
    if order != list(ids[: len(order)]):
        raise StoreError("only cells of the first images of their dataset can be solved again")
    return order


def _kept(cell: LoadedCell, new: LoadedCell, image: str, metrics: Sequence[Metric], catalog: Catalog) -> float:
    """The largest difference of a pixel from the kept reconstruction, and of a recorded score from its own."""
    from invbench.harness.rebuild import Remeasure
    from invbench.harness.scoring import Scorer

    measured = Remeasure(cell.run, catalog)([image])
    rows = Scorer(metrics).image_rows(cell.id, cell.reconstructions(image)[None], measured)[0]
    return max(_pixels(cell, new, image), _scores(cell, rows, image))


def _released(cell: LoadedCell, new: LoadedCell, image: str, metrics: Sequence[Metric]) -> float:
    """The largest difference of a recorded score from that of the new reconstruction."""
    names = {m.name for m in metrics}
    return _scores(cell, [r for r in new.rows if r.metric in names], image)


def _pixels(cell: LoadedCell, new: LoadedCell, image: str) -> float:
    return float((new.reconstructions(image) - cell.reconstructions(image)).abs().max())


def _scores(cell: LoadedCell, new_rows: Sequence[Record], image: str) -> float:
    """The largest difference of a recorded score of an image from those found; none of two that are both nan or inf."""
    was, now = (
        {(r.metric, r.protocol, r.sample): r.value for r in rows if r.image == image} for rows in (cell.rows, new_rows)
    )
    both = [(was[key], now[key]) for key in was.keys() & now.keys()]
    differing = [math.inf if math.isnan(a) or math.isnan(b) else abs(b - a) for a, b in both if repr(a) != repr(b)]
    return max(differing, default=0.0)


def _same_hashes(recorded: Config, today: Config) -> None:
    for kind, was, now in (("prior", recorded.prior, today.prior), ("solver", recorded.solver, today.solver)):
        if was.sha256 != now.sha256:
            raise StoreError(f"{kind} {was.name}: recorded with weights {was.sha256}, found today {now.sha256}")


def verify(
    cell: LoadedCell, n: int, catalog: Catalog, tolerance: float, device: str = "auto"
) -> tuple[Sequence[str], bool]:
    """Lines of what was checked, and whether all of it holds."""
    faults = damage(cell)
    if faults:
        return [f"CHANGED {fault}" for fault in faults], False
    lines = [f"files and configuration of {cell.id} are as they were written"]
    good = True
    for image, difference in recompute(cell, n, catalog, device) if n else ():
        same = difference <= tolerance
        good &= same
        lines.append(f"{'same' if same else 'DIFFERS'}  {image}: largest difference {difference:.2g}")
    return lines, good
