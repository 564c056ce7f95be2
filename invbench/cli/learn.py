"""The commands that train networks and draw from them. They import what they need when they run."""

from __future__ import annotations

import click

from invbench.cli import completion
from invbench.cli.read import wide_option


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("overrides", nargs=-1, type=completion.OVERRIDES)
@wide_option
@click.option("--dry-run", is_flag=True, help="Estimate time and memory, and stop.")
@click.pass_context
def train(ctx: click.Context, overrides: tuple[str, ...], dry_run: bool) -> None:
    """Train a solver or a prior: invbench train solver=davi task=sr4 [key=value ...]."""
    from invbench.cli.train_request import Request, help_text
    from invbench.plugins import load_catalog

    catalog = load_catalog()
    if "-h" in overrides or "--help" in overrides:
        click.echo(help_text(catalog))
        return
    requests = Request.parse_all(overrides, catalog, dry_run)
    from invbench.harness.tracking import Trackers

    trackers = Trackers.of(requests[0].options.track, catalog)  # which is the same in all
    from invbench.cli.train import train_all

    ctx.exit(train_all(requests, catalog, trackers))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=completion.OVERRIDES)
@click.pass_context
def sample(ctx: click.Context, overrides: tuple[str, ...]) -> None:
    """Draw images from a prior: invbench sample prior=adm_photos n=64 [side=64] [nfe=100] [seed=0] [out=FOLDER].

    Writes one PNG per image and prints the folder, one for each combination of values; existing images are not drawn
    again. To train on them (DAVI-G): invbench train solver=davi task=sr4 +recipe=davi_g.
    """
    from invbench.cli.sample import sample_all
    from invbench.plugins import load_catalog

    ctx.exit(sample_all(list(overrides), load_catalog()))


COMMANDS = (train, sample)
