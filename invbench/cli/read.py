"""The commands that read records: figures, reports, releases. They import what they need when they run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invbench.cli import completion, console
from invbench.errors import ConfigError, unknown
from invbench.harness.places import folder

if TYPE_CHECKING:
    from invbench.analysis.latex import Latex
    from invbench.analysis.table import Table
    from invbench.store.reader import LoadedCell

OUT = "results/runs"
REFERENCE = "reference"
FILTERS = completion.READ


def _folder(_context: click.Context, _parameter: click.Parameter, value: str) -> Path:
    return records_folder(value)


def records_folder(value: str) -> Path:
    """The results folder of that name; of the released records, where they are installed. Raises ConfigError."""
    named = folder(value, "--out")
    if named.parts[:1] != (REFERENCE,):
        return named
    from invbench.store.released import results_folder

    return results_folder() / value


def not_negative(_context: click.Context, parameter: click.Parameter, value: float) -> float:
    """The number if it is 0 or more. Raises BadParameter for negative numbers and nan."""
    if not value >= 0:
        raise click.BadParameter(f"expected a number of 0 or more, got {value:g}", param=parameter)
    return value


out_option = click.option(
    "--out",
    default=OUT,
    show_default=True,
    callback=_folder,
    help=f"Results folder; '{REFERENCE}' names the released records that come with invbench.",
)
wide_option = click.option(
    "--wide",
    is_flag=True,
    expose_value=False,
    callback=lambda context, _, value: context.meta.update({console.WIDE: value}),
    help="Do not fold tables to the terminal's width.",
)

across_machines_option = click.option(
    "--across-machines",
    is_flag=True,
    help="Compare old records, without fingerprints, whose measurements differ in the last bits.",
)


@click.command()
@click.argument("filters", nargs=-1, type=completion.FILTERS)
@click.option(
    "--device", default="auto", show_default=True, help="Device on which metrics are computed: auto, cpu or cuda."
)
@out_option
def rescore(filters: tuple[str, ...], out: Path, device: str) -> None:
    """Add missing scores from the stored reconstructions: invbench rescore [benchmark=photos] [task=sr4] ...

    No solver is run. Use it after installing a metric or fetching its weights.
    """
    from invbench.device import choose_device
    from invbench.harness.rescore import rescore_all
    from invbench.plugins import load_catalog

    for line in rescore_all(recorded_cells(filters, out), load_catalog(), choose_device(device)):
        click.echo(line)


@click.command()
@click.argument("to", type=click.Path(path_type=Path))
@click.argument("filters", nargs=-1, type=completion.FILTERS)
@out_option
def release(to: Path, filters: tuple[str, ...], out: Path) -> None:
    """Write records to share: invbench release FOLDER [benchmark=photos] [task=sr4] ...

    The folder gets every number with its provenance and the costs that 'invbench bench' measured, but no
    reconstructions and no paths of this machine. Read it with --out FOLDER.
    """
    from invbench.store.release import release

    if "=" in to.name or to == Path():
        raise ConfigError(f"expected the folder to write, then filters; got {to}")
    cells = recorded_cells(filters, out)
    for line in release(cells, out, to):
        click.echo(line)


@click.command()
@click.argument("words", metavar="[KIND] [FILTERS]...", nargs=-1, type=completion.FILTERS)
@click.option("--metric", default="", help="Metric under pictures or in charts; psnr if empty.")
@click.option("--solvers", default="", help="Solvers, such as davi,ddrm, or the start of cell ids; all if empty.")
@click.option("--images", default="", help="Pictures: images by id, such as 0003,0007; the first if empty.")
@click.option("--rows", default=4, show_default=True, type=click.IntRange(1, 64), help="Pictures: number of images.")
@click.option("--zoom", is_flag=True, help="Grid: enlarge the square where the median solver errs most.")
@click.option("--cost", default="", help="Front: cost axis, nfe (default) or seconds.")
@across_machines_option
@click.option("--to", type=click.Path(path_type=Path), help="File to write (.png, .pdf, .svg); pictures: of one task.")
@click.option("--paper", default="", help="A figure of the DAVI paper, such as 11; NAME:11 for another paper.")
@out_option
def figure(words: tuple[str, ...], solvers: str, images: str, paper: str, out: Path, **options: Any) -> None:
    """Draw the records: invbench figure [KIND] [benchmark=photos] [task=sr4] ...

    \b
    grid     truth, measurement and reconstructions, the metric under each (default)
    errors   maps of the errors, on one colour scale
    bars     means with 95 % intervals, a panel per task
    scatter  two solvers on the same images: --solvers davi,ddrm
    front    the metric against network calls or seconds, and the Pareto front

    --paper N draws the grids of the paper's figure N, with its solvers and tasks.
    """
    from invbench.figures import drawing
    from invbench.plugins import load_catalog

    kind, filters = (words[0], words[1:]) if words and "=" not in words[0] else ("grid", words)
    request = drawing.Request(kind, solvers=names_of(solvers), images=names_of(images), **options)
    if paper:
        from invbench.cli.paper_figure import paper_figure

        lines = paper_figure(paper, wanted_of(filters), load_catalog(), out, request)
    else:
        lines = map(str, drawing.figure(recorded_cells(filters, out), load_catalog(), out, request))
    for line in lines:
        click.echo(line)


@click.command()
@click.argument("filters", nargs=-1, type=completion.FILTERS)
@click.option("--to", default="report.html", show_default=True, type=click.Path(path_type=Path), help="File to write.")
@click.option(
    "--images",
    default=16,
    show_default=True,
    type=click.IntRange(0),
    help="Number of images shown for each measurement.",
)
@out_option
def report(filters: tuple[str, ...], to: Path, images: int, out: Path) -> None:
    """Write one HTML page of the records: invbench report [benchmark=photos] [task=sr4] ... [--to report.html]

    The page has charts, sortable tables, the images of all solvers side by side, and the provenance of every number.
    It opens from disk and loads nothing else. Where it has thousands of pictures they are compressed with loss.
    """
    from invbench.analysis.comparable import by_measurement
    from invbench.plugins import load_catalog
    from invbench.report import build_section, check_path, write_page
    from invbench.report.browser import ROOM
    from invbench.report.charts import charts

    check_path(to)
    catalog, cells = load_catalog(), recorded_cells(filters, out)
    measurements = by_measurement(cells)
    with click.progressbar(measurements, label="measurements", file=sys.stderr) as groups:
        sections = [build_section(group, catalog, images, out, ROOM / len(measurements)) for group in groups]
    click.echo(write_page(sections, to, charts(cells, catalog.for_tables()[0])))


def recorded_cells(filters: tuple[str, ...], out: Path) -> list[LoadedCell]:
    from invbench.store.files import where_instead
    from invbench.store.reader import load_cells, recorded_names

    cells = load_cells(out, **wanted_of(filters))
    if not cells:
        chosen = " ".join(filters) or "anything"
        for key, value in wanted_of(filters).items():
            known = {names[key] for names in recorded_names(out)}
            for each in [value] if key == "noise" else value.split(","):
                if known and each not in known:
                    raise ConfigError(f"{unknown(f'recorded {key}', each, known)}, in {out}")
        advice = where_instead(out) or "make some with 'invbench run solver=ddrm task=sr4'"
        raise ConfigError(f"no records of {chosen} in {out}; {advice}")
    return cells


def check_there(out: Path) -> None:
    """Raise ConfigError if the user named a folder that does not exist: released records would be used instead."""
    if out != Path(OUT) and not out.is_dir():
        raise ConfigError(f"expected a results folder; {out} does not exist")


def print_tables(tables: Sequence[Table], how: str, latex: Latex | None = None) -> None:
    """Print tables: text fitted to the terminal, LaTeX with the options ``latex``.

    Notes of csv tables go to standard error.
    """
    from invbench.analysis.table import render_all

    click.echo(render_all(tables, how, latex, console.terminal_width()))
    for note in [note for t in tables for note in t.notes] if how == "csv" else ():
        click.echo(note, err=True)


def names_of(text: str) -> tuple[str, ...]:
    """The names in ``a,b``; none in an empty text. Raises ConfigError for a text of commas only."""
    names = tuple(name for name in (part.strip() for part in text.split(",")) if name)
    if text and not names:
        raise ConfigError(f"expected names such as a,b; got {text!r}")
    return names


def wanted_of(filters: tuple[str, ...]) -> dict[str, str]:
    """Filters by key. Raises ConfigError for one that is invalid, or given twice."""
    from invbench.noise import canonical

    by_key: dict[str, str] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or key not in FILTERS:
            raise ConfigError(f"expected {', '.join(f'{k}=...' for k in FILTERS)}; got {text!r}")
        if key in by_key:
            raise ConfigError(f"{key} is given twice; write {key}={by_key[key]},{value}")
        by_key[key] = canonical(value) if key == "noise" else value
    return by_key


COMMANDS = (rescore, release, figure, report)
