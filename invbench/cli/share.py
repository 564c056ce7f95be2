"""The commands that publish records, and compare those of several people."""

from __future__ import annotations

from pathlib import Path

import click

from invbench.cli.read import out_option, recorded_cells, records_folder, wanted_of
from invbench.errors import ConfigError


@click.command()
@click.argument("words", metavar="FOLDER... [FILTERS]...", nargs=-1)
@click.option(
    "--to", default="leaderboard.html", show_default=True, type=click.Path(path_type=Path), help="File to write."
)
def leaderboard(words: tuple[str, ...], to: Path) -> None:
    """Write one page of several people's records: invbench leaderboard alice bob [benchmark=photos] ...

    FOLDER was written by 'invbench release'; its name is shown beside its rows. 'reference' names the released records
    that come with invbench. The page has charts, a sortable table for each measurement and the provenance of every
    number. It opens from disk and loads nothing else.
    """
    from invbench.plugins import load_catalog
    from invbench.report import check_path, write_page
    from invbench.report.charts import charts
    from invbench.report.leaderboard import gathered, sections

    check_path(to)
    folders = [records_folder(word) for word in words if "=" not in word]
    if not folders:
        raise ConfigError("expected the folders of released records, as: invbench leaderboard alice bob")
    cells, owners = gathered(folders, wanted_of(tuple(word for word in words if "=" in word)))
    catalog = load_catalog()
    overview = charts(cells, catalog.for_tables()[0])
    click.echo(write_page(sections(cells, owners, catalog), to, overview, "invbench leaderboard"))


@click.command()
@click.argument("to")
@click.argument("filters", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Print the files that would be written, and stop.")
@out_option
def publish(to: str, filters: tuple[str, ...], dry_run: bool, out: Path) -> None:
    """Publish records: invbench publish hf:OWNER/NAME [benchmark=photos] [task=sr4] ...

    Releases them as 'invbench release' does, writes a card with their tables, and commits both to a dataset repository
    of the Hugging Face Hub (log in first with 'hf auth login'), or writes them to a folder if TO is one.
    """
    from invbench.plugins import load_catalog
    from invbench.report import publish

    if "=" in to:
        raise ConfigError(f"expected hf:OWNER/NAME or a folder, then filters; got {to}")
    publish.check_place(to)
    for line in publish.publish(recorded_cells(filters, out), out, to, load_catalog(), dry_run):
        click.echo(line)


COMMANDS = (leaderboard, publish)
