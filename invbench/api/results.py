"""The recorded results of a run, for Python and notebooks: a tidy frame, tables, pictures, reconstructions."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invbench.analysis.by_task import by_task_table
from invbench.analysis.cell import Spread
from invbench.analysis.columns import first
from invbench.analysis.comparable import by_measurement
from invbench.analysis.group import Group
from invbench.analysis.latex import Latex
from invbench.analysis.long_table import long_table
from invbench.analysis.table import Table, render_all
from invbench.analysis.tables import build_tables
from invbench.errors import DataError
from invbench.figures.drawing import Request, chart, draw, select
from invbench.plugins import Catalog
from invbench.store.reader import LoadedCell

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

COLUMNS = ["benchmark", "task", "seed", "solver", "cell", "image", "group", "sample", "metric", "protocol", "value"]


class Tables(list[Table]):
    """Tables that print as text, and show as HTML in a notebook."""

    def __str__(self) -> str:
        return render_all(self, "text")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "\n".join(table.render("html") for table in self)

    def render(self, how: str = "text", caption: str = "", label: str = "", siunitx: bool = False) -> str:
        """All of them as text, md, latex, html or csv.

        In LaTeX one table may have a caption, which is LaTeX itself, and a label, and columns S of siunitx.
        """
        return render_all(self, how, Latex(caption, label, siunitx))


@dataclass(frozen=True)
class Picture:
    """A picture in the file ``path``; a notebook shows it."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_png_(self) -> bytes | None:
        return self.path.read_bytes() if self.path.suffix == ".png" else None


@dataclass(frozen=True)
class Results:
    """Cells of the folder ``out``, each one solver on one task of a benchmark with one seed.

    ``faults`` are what went wrong, one line each. Notebooks show it as its tables.
    """

    cells: tuple[LoadedCell, ...]
    out: Path
    catalog: Catalog
    faults: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One number per row: benchmark, task, seed, solver, cell, image, group, sample, metric, protocol, value.

        The sample -1 is the mean of all samples; seconds and network calls are metrics, too.
        """
        import pandas as pd

        rows = [_rows(cell, name) for cell, name in self._named()]
        return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=COLUMNS)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per mean or score of a set of images, with its interval, n, protocol and cell."""
        return long_table(self.cells, self.catalog.for_tables()[0]).frame

    def table(self, metrics: Sequence[str] = (), spread: Spread = "interval", by_task: bool = False) -> Tables:
        """A table for each measurement, with all recorded metrics or only the given ones.

        ``spread`` is shown beside means: "interval", "std" or "none". ``by_task``: one table, with a row per solver
        and, for each task, a column per metric; seeds are averaged.
        """
        only = tuple(metrics.split(",") if isinstance(metrics, str) and metrics else metrics)
        known, floors = self.catalog.for_tables()
        if by_task and self.cells:
            return Tables([by_task_table(self.cells, known, only, spread)])
        return Tables(build_tables(self.cells, known, floors, only, spread))

    def figure(self, kind: str = "grid", to: str | Path | None = None, **options: Any) -> list[Picture] | Any:
        """Pictures of kind ``grid`` or ``errors``, drawn beside the records or at ``to``; or a matplotlib Figure.

        Figures are ``bars``, ``scatter`` and ``front``. Options are those of ``invbench figure``: ``metric``,
        ``rows``, ``images``, ``zoom``, ``cost``, ``solvers``.
        """
        own = {"metric": first(self.catalog.for_tables()[0]), **options}
        request = Request(kind=kind, to=Path(to) if to else None, **own)
        cells = select(self.cells, request.solvers)
        if not cells:
            raise DataError("there are no results to draw; the run's faults say why")
        if kind in ("bars", "scatter", "front"):
            return chart(cells, self.catalog, self.out, request)
        drawable = [cell for cell in cells if cell.images and all(map(cell.image_path, cell.images))]
        if not drawable:
            raise DataError("the reconstructions of these cells are not here; run the solvers to have them")
        return [Picture(path) for path in draw(drawable, self.catalog, self.out, request)]

    @cached_property
    def images(self) -> dict[str, dict[str, Tensor]]:
        """Reconstructions (samples, C, H, W) in [-1, 1], by solver and image; released records have none.

        If there are several measurements, keys begin with benchmark and task, and end with the seed.
        """
        several = len(by_measurement(self.cells)) > 1
        images_of: dict[str, dict[str, Tensor]] = {}
        for cell, name in self._named():
            config = cell.run.config
            key = f"{config.place}/{name}, seed {config.seed}" if several else name
            here = [image for image in cell.images if cell.image_path(image)]
            images_of[key] = {image: cell.reconstructions(image) for image in here}
        return images_of

    def __repr__(self) -> str:
        return str(self.table()) if self.cells else "no results"

    def _repr_html_(self) -> str:
        tables = self.table()._repr_html_() if self.cells else "<p>no results</p>"
        return tables + "".join(f"<p>{html.escape(line)}</p>" for line in self.faults)

    def _named(self) -> Iterator[tuple[LoadedCell, str]]:
        """Each cell, and its label among those of its measurement."""
        for group in map(Group, by_measurement(self.cells)):
            for cell in group.cells:
                yield cell, group.label(cell)


def _rows(cell: LoadedCell, name: str) -> pd.DataFrame:
    """The numbers of a cell."""
    config = cell.run.config
    about: dict[str, Any] = {
        "benchmark": config.benchmark.name,
        "task": config.task.name,
        "seed": config.seed,
        "solver": name,
        "cell": cell.id,
    }
    frame = cell.frame.astype({"image": str, "metric": str, "protocol": str})
    groups = frame["image"].map(cell.groups)
    return frame.assign(**about, group=groups)[COLUMNS]
