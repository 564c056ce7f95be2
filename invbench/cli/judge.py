"""The commands that compare and check records. They import what they need when they run."""

from __future__ import annotations

from pathlib import Path

import click

from invbench.cli import completion
from invbench.cli.read import (
    REFERENCE,
    across_machines_option,
    check_there,
    not_negative,
    out_option,
    print_tables,
    recorded_cells,
    wanted_of,
    wide_option,
)
from invbench.errors import ConfigError, unknown


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.argument("filters", nargs=-1, type=completion.FILTERS)
@click.option(
    "--fail-on", "rules", default="", help="Bounds such as psnr<-0.05,nfe!=0,seconds>1.3x; exit status 1 if exceeded."
)
@across_machines_option
@click.option("--format", "how", default="md", show_default=True, help="text, md, latex, csv or html.")
@wide_option
@click.pass_context
def compare(
    ctx: click.Context,
    base: Path,
    new: Path,
    filters: tuple[str, ...],
    rules: str,
    across_machines: bool,
    how: str,
) -> None:
    """Compare two results folders: invbench compare BASE NEW [task=sr4] [--fail-on RULES]

    Prints paired differences on the same images as a table for a pull request. Exits with 1 if a rule is broken, or if
    something in BASE is missing from NEW: a cell, an image, a metric that a rule names, a value that is not nan.
    """
    from invbench.analysis.compare import compare, parse_rules
    from invbench.analysis.table import FORMATS

    if how not in FORMATS:
        raise ConfigError(unknown("table format", how, FORMATS))
    table, failed = compare(base, new, parse_rules(rules), wanted_of(filters), across_machines)
    print_tables([table], how)
    ctx.exit(1 if failed else 0)


@click.command()
@click.argument("cell")
@out_option
def explain(cell: str, out: Path) -> None:
    """Print where a cell's numbers come from: command, configuration, hashes, machine.

    CELL is an id, the start of one, a folder, or a solver that has one cell there.
    """
    from invbench.harness.verify import explain, find_cell

    click.echo(explain(find_cell(cell, out)))


@click.command()
@click.argument("cell")
@click.option("--images", default=3, show_default=True, type=click.IntRange(0), help="Number of images to solve again.")
@click.option(
    "--tolerance",
    default=1e-4,
    show_default=True,
    help="Largest difference that still counts as equal.",
    callback=not_negative,
)
@click.option(
    "--device", default="auto", show_default=True, help="Device on which they are solved: auto, cpu, cuda, cuda:1."
)
@out_option
@click.pass_context
def verify(ctx: click.Context, cell: str, images: int, tolerance: float, device: str, out: Path) -> None:
    """Verify a cell's checksums, and solve some of its images again.

    CELL is an id, the start of one, a folder, or a solver that has one cell there. Differences are of values on
    [-1,1], and of scores where records were released without reconstructions.
    Exits with 1 if a file was changed or an image is not reproduced.
    """
    from invbench.harness.verify import find_cell, verify
    from invbench.plugins import load_catalog

    lines, good = verify(find_cell(cell, out), images, load_catalog(), tolerance, device)
    click.echo("\n".join(lines))
    ctx.exit(0 if good else 1)


@click.command()
@click.argument("first", type=completion.SOLVERS)
@click.argument("second", type=completion.SOLVERS)
@click.argument("filters", nargs=-1, type=completion.FILTERS)
@across_machines_option
@click.option("--format", "how", default="text", show_default=True, help="text, md, latex, csv or html.")
@wide_option
@out_option
def versus(first: str, second: str, filters: tuple[str, ...], across_machines: bool, how: str, out: Path) -> None:
    """Compare two solvers on the same images: invbench versus davi ddrm [task=sr4] ...

    Scores of several seeds are averaged image by image; images that are parts of one photograph count as one.
    """
    from invbench.analysis.table import FORMATS
    from invbench.analysis.versus import versus
    from invbench.plugins import load_catalog

    if first == second:
        raise ConfigError(f"expected two solvers, got {first} twice; 'table' compares its seeds and options")
    if how not in FORMATS:
        raise ConfigError(unknown("table format", how, FORMATS))
    metrics, _ = load_catalog().for_tables()
    higher = {name: bool(m.higher_is_better) for name, m in metrics.items() if m.higher_is_better is not None}
    print_tables([versus(recorded_cells(filters, out), first, second, higher, across_machines)], how)


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--benchmark", default="", help="Only claims about it; 'photos' serves as a proxy of the paper's.")
@click.option("--format", "how", default="text", show_default=True, help="text, md, latex, csv or html.")
@wide_option
@out_option
def claims(ids: tuple[str, ...], benchmark: str, how: str, out: Path) -> None:
    """Compare the DAVI paper's statements with the records: invbench claims [table1-realism ...] [--benchmark photos]

    Claims are printed cells, orders ("DAVI has the best FID"), margins ("by 12.33 points") and ratios ("20 times
    faster"). IDS are ids or the start of ids, such as cell/1. Records are comparable only with the paper's benchmark,
    task, noise, images, prior and NFE.

    \b
    reproduced        cell, margin: our 95 % interval over as many images contains the printed value; order: holds
                      against every method, p < 0.05 each on the same images (scores of sets: by the
                      jackknife, or intervals apart); ratio: even the lowest of any two images is above the bound
    within interval   consistent, but not confirmed: fewer images, the score of a set, not significant, or a cell
                      that the paper leaves unclear
    undecided         an order or ratio that our means do not show, but the difference is not significant
    contradicted      the interval excludes the printed value; a method is significantly ahead (Holm's correction)
                      that should not be; even the highest ratio is below the bound
    protocol differs  recorded with another noise, prior, NFE, option, metric or set of images, or has nan
    not run           records are missing; the commands are below the table

    A proxy is the same statement on other images, with another prior, other weights and another metric (kid_alex for
    FID): its verdict is about that experiment, not the paper's. The false-positive rate is 5 % for each claim.
    """
    from invbench.analysis.table import FORMATS
    from invbench.paper.claims import chosen, load_claims
    from invbench.paper.claims_table import claims_table
    from invbench.paper.records import of_trainings, with_released
    from invbench.plugins import load_catalog
    from invbench.store.reader import load_cells
    from invbench.store.release import load_costs
    from invbench.store.released import results_folder

    if how not in FORMATS:
        raise ConfigError(unknown("table format", how, FORMATS))
    check_there(out)
    named = chosen(load_claims(benchmark=benchmark), ids)
    metrics, _ = load_catalog().for_tables()
    cells = [*with_released(load_cells(out)), *of_trainings(named[0].layout.trainings(), out)]
    costs = load_costs(results_folder() / REFERENCE, out)
    print_tables([claims_table(named, cells, metrics, brief=not ids, costs=costs)], how)


COMMANDS = (compare, explain, verify, versus, claims)
