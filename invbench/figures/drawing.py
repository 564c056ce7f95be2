"""Requests for figures, checked and drawn: pictures for each measurement, or one chart for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from invbench.analysis.columns import first
from invbench.analysis.comparable import by_measurement, solver_of, title_parts
from invbench.analysis.pareto import COSTS
from invbench.errors import ConfigError, DataError, PluginError, StoreError, unknown
from invbench.store.files import MEAN
from invbench.store.reader import LoadedCell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from invbench.harness.bank import MeasurementBank
    from invbench.plugins import Catalog

PICTURES, CHARTS = ("grid", "errors"), ("bars", "scatter", "front")
SUFFIXES = (".png", ".pdf", ".svg")
SHORTEST_ID = 4  # characters of a cell's id


@dataclass(frozen=True)
class Request:
    """A request. ``rows``, ``images`` and ``zoom`` apply to pictures, ``cost`` to Pareto fronts ('' means calls)."""

    kind: str = "grid"
    metric: str = ""  # the first headline metric
    solvers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    rows: int = 4
    zoom: bool = False
    cost: str = ""
    across_machines: bool = False  # for scatter: whether old records may differ in the bytes of their measurements
    to: Path | None = None

    def __post_init__(self) -> None:
        if self.kind not in PICTURES + CHARTS:
            raise ConfigError(unknown("kind of figure", self.kind, PICTURES + CHARTS))
        if self.cost:
            self.check_cost()
        if self.to and self.to.suffix not in SUFFIXES:
            raise ConfigError(f"--to takes a file ending in {', '.join(SUFFIXES)}; got {self.to}")
        self.check_kind()

    def check_kind(self) -> None:
        """Raises ConfigError for an option that belongs to another kind of figure."""
        if self.zoom and self.kind != "grid":
            raise ConfigError(f"--zoom enlarges a part of a grid; leave it out for {self.kind}")
        if self.across_machines and self.kind != "scatter":
            raise ConfigError(f"--across-machines is of a scatter; leave it out for {self.kind}")
        if self.images and self.kind in CHARTS:
            raise ConfigError(f"--images chooses pictures; {self.kind} is of all images, leave it out")

    def check_cost(self) -> None:
        """Raises ConfigError if the kind has no cost axis, or for an unknown cost."""
        if self.kind != "front":
            raise ConfigError(f"--cost is the axis of a front; leave it out for {self.kind}")
        if self.cost not in COSTS:
            raise ConfigError(unknown("cost", self.cost, COSTS))


DEFAULT = Request()


def figure(cells: Sequence[LoadedCell], catalog: Catalog, out: Path, request: Request) -> Iterator[Path]:
    """Draw the requested figures of these cells; yields the files, below ``out`` unless one was named.

    Figures of the records that come with invbench go to the current folder.

    Raises ConfigError for solvers or a metric that no record has, or that the kind cannot show.
    """
    from invbench.store.released import results_folder

    released = (results_folder() / "reference").resolve()
    place = Path() if released in (out.resolve(), *out.resolve().parents) else out
    cells = select(cells, request.solvers)
    request = replace(request, metric=request.metric or first(catalog.for_tables()[0]))
    known = _metrics(cells, sets=request.kind in ("bars", "front"))
    if request.metric not in known:
        raise ConfigError(f"{unknown('metric', request.metric, known)}; 'invbench rescore' adds what records lack")
    if request.kind in PICTURES:
        yield from draw(cells, catalog, place, request)
        return
    from invbench.figures.canvas import save

    yield save(chart(cells, catalog, out, request), request.to or place / f"{request.kind}-{request.metric}.png")


def _metrics(cells: Sequence[LoadedCell], sets: bool) -> set[str]:
    """The recorded metrics, including those of sets if the kind can show them."""
    of_images = {r.metric for c in cells for r in c.rows if r.sample != MEAN}
    return of_images | ({s.metric for c in cells for s in c.sets} if sets else set())


def select(cells: Sequence[LoadedCell], names: Sequence[str]) -> list[LoadedCell]:
    """The cells with these solvers or beginnings of ids; all cells if none is named.

    Raises ConfigError for a name that no cell has.
    """
    for name in names:
        if not any(_is_called(cell, name) for cell in cells):
            raise ConfigError(unknown("solver or cell", name, {solver_of(cell) for cell in cells}))
    return [cell for cell in cells if not names or any(_is_called(cell, name) for name in names)]


def _is_called(cell: LoadedCell, name: str) -> bool:
    return name == solver_of(cell) or (len(name) >= SHORTEST_ID and cell.id.startswith(name))


def chart(cells: Sequence[LoadedCell], catalog: Catalog, out: Path, request: Request) -> Figure:
    """The bars, scatter or front of these cells. Raises ConfigError if they do not fit the kind."""
    from invbench.figures import charts
    from invbench.store.release import load_costs
    from invbench.store.released import results_folder

    metrics, _ = catalog.for_tables()
    higher = metrics[request.metric].higher_is_better if request.metric in metrics else False
    if request.kind == "bars":
        return charts.bars(cells, request.metric, higher, metrics)
    if request.kind == "scatter":
        if len(request.solvers) != 2:
            raise ConfigError(f"scatter needs two solvers, for example --solvers davi,ddrm; got {len(request.solvers)}")
        return charts.scatter(cells, request.metric, *request.solvers, request.across_machines)
    if higher is None:
        raise ConfigError(f"front needs a metric whose higher or lower values are better; {request.metric} has neither")
    costs = load_costs(results_folder() / "reference", out)
    return charts.front(cells, request.metric, higher, request.cost or "nfe", costs)


def draw(cells: Sequence[LoadedCell], catalog: Catalog, out: Path, request: Request = DEFAULT) -> Iterator[Path]:
    """Pictures for each measurement, beside the records, or a single one if a file was named.

    Raises ConfigError if that file is ambiguous.
    """
    from invbench.figures.pictures import figure_place
    from invbench.harness.rebuild import located, rebuild_bank

    groups = by_measurement(cells)
    if request.to and len(groups) > 1:
        raise ConfigError(
            f"--to names one file, the filters leave {len(groups)} measurements; filter by task, noise or seed"
        )
    refused: list[str] = []
    for group in groups:
        try:
            folder, end = figure_place(group[0].run.config, out)
            bank = rebuild_bank(located(group[0], group), catalog)
            yield from filter(None, _pictures(group, bank, catalog, folder, end, request))
        except (ConfigError, DataError, PluginError, StoreError) as error:
            if len(groups) == 1:
                raise
            refused.append(f"{' '.join(title_parts(group[0].run)[:2])}: {error}")
    if refused:
        raise StoreError(f"{len(refused)} of {len(groups)} measurements cannot be drawn: {'; '.join(refused)}")


def _pictures(
    group: Sequence[LoadedCell], bank: MeasurementBank, catalog: Catalog, folder: Path, end: str, request: Request
) -> Iterator[Path | None]:
    """The pictures of one measurement."""
    from invbench.figures.pictures import comparison, errors, samples_name, showable, spread

    to = request.to or folder / f"{'figure' if request.kind == 'grid' else request.kind}-{end}"
    metrics, _ = catalog.for_tables()
    metric = request.metric or first(metrics)
    if not showable(bank.dataset.x_shape):
        yield _plane(group, bank, catalog, to, request)
    elif request.kind == "errors":
        yield errors(bank, group, to, request.rows, request.images, metric, metrics=metrics)
    else:
        yield comparison(bank, group, to, request.rows, request.images, metric, request.zoom, metrics)
        for cell in [c for c in group if c.run.config.samples > 1 and not request.to]:
            yield spread(bank, cell, folder / samples_name(cell, end), request.rows)


def _plane(
    group: Sequence[LoadedCell], bank: MeasurementBank, catalog: Catalog, to: Path, request: Request
) -> Path | None:
    """Samples in the plane, if images have two pixels; None for other data that are not images.

    Raises ConfigError if a map of errors was requested.
    """
    from invbench.figures.pictures import plane
    from invbench.harness.rebuild import rebuild_posterior

    if request.kind == "errors":
        raise ConfigError(f"errors are mapped of images; {bank.dataset.name} has shape {bank.dataset.x_shape}")
    if math.prod(bank.dataset.x_shape) != 2:
        return None
    exact = rebuild_posterior(group[0].run, catalog, bank)
    return plane(bank, group, exact, to, request.rows, request.images)
