"""One self-contained HTML page of the records: charts, tables, pictures, and the provenance of every number."""

from __future__ import annotations

import base64
import math
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invbench import __version__
from invbench.analysis.comparable import label, title_parts
from invbench.analysis.table import Table
from invbench.analysis.tables import build_tables
from invbench.atomic import write_atomic
from invbench.errors import ConfigError, StoreError
from invbench.figures.pictures import figures_of
from invbench.harness.verify import explain
from invbench.report.browser import ROOM, Browser, browse
from invbench.report.charts import Chart
from invbench.store.reader import LoadedCell

if TYPE_CHECKING:
    from invbench.plugins import Catalog

FIGURE_BYTES = 2**19  # larger figures are not embedded
ENTRY = re.compile(r"(?P<main>[-+]?(?:\.?\d|nan|inf)\S*)(?: (?P<interval>\[[^\]]*\]))?(?: (?P<mark>.+))?")


@dataclass(frozen=True)
class Section:
    """The part of the page about one measurement."""

    cells: Sequence[LoadedCell]
    parts: Sequence[str]  # the measurement in words: benchmark, task, noise, ...
    tables: Sequence[Table]
    browser: Browser
    figures: Mapping[str, str]  # file name -> data URI
    provenance: Sequence[Mapping[str, str]]


def build_section(cells: Sequence[LoadedCell], catalog: Catalog, images: int, out: Path, room: float = ROOM) -> Section:
    """Tables, the first ``images`` pictures, figures and provenance of comparable cells, with records below ``out``.

    Pictures are compressed with loss where they have more than ``room`` bytes.
    """
    return Section(
        cells=cells,
        parts=title_parts(cells[0].run),
        tables=build_tables(cells, *catalog.for_tables()),
        browser=browse(cells, catalog, images, room),
        figures=_figures(cells, out),
        provenance=[_provenance(cell, cells, out) for cell in cells],
    )


def write_page(
    sections: Sequence[Section],
    path: Path,
    overview: Sequence[Chart] = (),
    title: str = "invbench report",
) -> Path:
    """Write the page; ``overview`` are charts of all sections.

    Raises ConfigError for a path that is not .html, StoreError if it cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    check_path(path)
    loader = PackageLoader("invbench", "report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["entry"] = entry
    page = environment.get_template("page.html").render(
        sections=sections, overview=overview, facts=_facts(sections), contents=_contents(sections), title=title
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, page.encode())
    except OSError as error:
        raise StoreError(f"cannot write the report to {path}: {error.strerror}; choose another --to FILE") from None
    return path


def check_path(path: Path) -> None:
    """Raises ConfigError if the name does not end in .html."""
    if path.suffix not in (".html", ".htm"):
        raise ConfigError(f"--to takes a file ending in .html; got {path}")


def entry(text: str) -> dict[str, Any]:
    """A table's text in parts: leading number (None if there is none), interval and mark; other text is not divided.

    >>> entry("23.85 [23.10, 24.61] best")
    {'value': 23.85, 'main': '23.85', 'interval': '[23.10, 24.61]', 'mark': 'best'}
    """
    match = ENTRY.fullmatch(text)
    main, interval, mark = match.group("main", "interval", "mark") if match else (text, None, None)
    return {"value": _number(main), "main": main, "interval": interval, "mark": mark}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _facts(sections: Sequence[Section]) -> dict[str, str]:
    """The summary under the title, by name."""
    cells = [cell for section in sections for cell in section.cells]
    statuses = Counter(cell.run.status for cell in cells)
    images = {(cell.run.config.dataset.name, image) for cell in cells for image in cell.images}
    return {
        "Benchmarks": ", ".join(sorted({section.parts[0] for section in sections})),
        "Measurements": str(len(sections)),
        "Cells": f"{len(cells)} ({', '.join(f'{n} {status}' for status, n in statuses.items())})",
        "Images": f"{len(images):,}",
        "Recorded": _days(cells),
        "Made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by invbench {__version__}",
    }


def _contents(sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Benchmark and task of each measurement, and what distinguishes it from others with the same ones."""
    alike = [[other.parts for other in sections if other.parts[:2] == section.parts[:2]] for section in sections]
    return [
        (
            ", ".join(section.parts[:2]),
            " · ".join(part for part in section.parts[2:] if not all(part in o for o in others)),
        )
        for section, others in zip(sections, alike, strict=True)
    ]


def _days(cells: Sequence[LoadedCell]) -> str:
    """The first and the last day on which cells were recorded."""
    days = sorted(session.started[:10] for cell in cells for session in cell.run.sessions)
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "-"


def _provenance(cell: LoadedCell, cells: Sequence[LoadedCell], out: Path) -> dict[str, str]:
    return {
        "name": label(cell, cells),
        "cell": cell.id,
        "status": cell.run.status,
        "command": shlex.join(["invbench", "explain", cell.id, "--out", str(out)]),
        "text": explain(cell),
    }


def _figures(cells: Sequence[LoadedCell], out: Path) -> dict[str, str]:
    small = [path for path in figures_of(cells, out) if path.stat().st_size <= FIGURE_BYTES]
    return {path.name: _uri(path.read_bytes()) for path in small}


def _uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
