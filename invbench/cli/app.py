"""The command line. Commands import what they need when they run, so that help and tables are instant."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from invbench import __version__
from invbench.cli import completion, console, judge, learn, read, restore, share, tables
from invbench.cli.describe import called, description, listing, tested
from invbench.cli.help import HELP, run_help
from invbench.cli.read import not_negative
from invbench.errors import ConfigError, InvbenchError, unknown
from invbench.messages import plain_warnings, without_colour

# Makes torch ask for large pages for large tensors: otherwise a network call at 256x256 makes 250,000 page faults, an
# eighth of its time on one thread. It is read at torch's first allocation, and inherited by child processes.
LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"


class Commands(click.Group):
    """A group that suggests the nearest command and prints what is wrong as one line, without a traceback."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands in groups, a sentence each."""
        for group, commands in HELP.items():
            with formatter.section(group):
                formatter.write_dl(list(commands.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or fail with a suggestion; refuse arguments that no command can accept."""
        typed = not ctx.resilient_parsing  # not while completing words
        if typed and args and not args[0].startswith("-") and args[0] not in self.commands:
            raise click.UsageError(unknown("command", args[0], self.commands), ctx)
        name, command, rest = super().resolve_command(ctx, args)
        if any("\0" in text for text in rest):
            raise ConfigError("an argument holds the character 0, which no name or value can have")
        if typed and command is not None:
            console.refuse_twice(command, ctx, rest)
        return name, command, rest

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command and exit; errors are messages."""
        os.environ.setdefault(LARGE_PAGES, "1")
        colour = {"color": False} if without_colour() else {}
        run: Callable[[], Any] = partial(super().main, *args, standalone_mode=False, **colour, **extra)
        if not standalone_mode:
            return run()
        with console.plain(), plain_warnings():
            status = _status(run)
            sys.exit(status if isinstance(status, int) else 0)


def _status(run: Callable[[], Any]) -> Any:
    """The exit status of a command; prints the message of an error."""
    try:
        return run()
    except InvbenchError as error:
        console.fail(str(error), 2)
    except click.Abort:
        click.echo("Aborted!", err=True)
        return 1
    except click.ClickException as error:
        if type(error).__name__ != "NoArgsIsHelpError":
            console.fail(error.format_message(), error.exit_code)
        error.show()
        return error.exit_code


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="invbench")
def main() -> None:
    """Benchmark solvers of noisy inverse problems with a diffusion prior.

    \b
    invbench run solver=ddrm task=sr4     restore photographs, print the table, draw the picture
    invbench table                        tables of everything recorded
    invbench list                         what is installed
    """


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("overrides", nargs=-1, type=completion.OVERRIDES)
@read.wide_option
@click.pass_context
def run(ctx: click.Context, overrides: tuple[str, ...]) -> None:
    """Run cells: invbench run solver=ddrm task=sr4 [key=value ...]."""
    from invbench.plugins import load_catalog

    catalog = load_catalog()
    if "-h" in overrides or "--help" in overrides:
        click.echo(run_help(catalog))
        return
    from invbench.cli import compute

    ctx.exit(compute.run(list(overrides), catalog))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=completion.OVERRIDES)
@read.wide_option
@click.option("--repeats", default=10, show_default=True, type=click.IntRange(1), help="Timed solves.")
@click.option(
    "--limit",
    default=60.0,
    show_default=True,
    callback=not_negative,
    help="Stop after this many seconds of timed solves.",
)
@click.pass_context
def bench(ctx: click.Context, overrides: tuple[str, ...], repeats: int, limit: float) -> None:
    """Measure the cost of solvers: invbench bench solver=davi,ddrm task=sr4 [batch_size=1] [key=value ...]

    Prints seconds per image (median, quartiles), network calls, GFLOP of the whole solve with backward passes, and
    memory. One image at a time unless batch_size is given. Takes every option of 'invbench run'.
    """
    from invbench.cli import costs
    from invbench.plugins import load_catalog

    ctx.exit(costs.bench(list(overrides), load_catalog(), repeats, limit))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=completion.OVERRIDES)
@read.wide_option
@click.pass_context
def plan(ctx: click.Context, overrides: tuple[str, ...]) -> None:
    """Forecast the cost of a run: invbench plan solver=dps,ddrm task=sr4,deblur n=1000

    Estimates network calls, arithmetic, hours on this machine and disk space from one solve of a batch without the
    network and the measured cost of a network call. Takes every option of 'invbench run'.
    """
    from invbench.cli import costs
    from invbench.plugins import load_catalog

    ctx.exit(costs.plan(list(overrides), load_catalog()))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("overrides", nargs=-1, type=completion.OVERRIDES)
@read.wide_option
@click.pass_context
def tune(ctx: click.Context, overrides: tuple[str, ...]) -> None:
    """Choose a solver's options: invbench tune solver=dps task=sr4 [objective=psnr] [key=value ...].

    Sweeps over the search space that the solver declares, or over given values (solver.zeta=0.3,1), on the tuning
    split of the dataset, never on the images that are reported. Prints the ranking and the lines for the solver's TOML
    file, and writes both beside the records. Takes every option of 'invbench run'; defaults: n=8, out=results/tune.
    """
    from invbench.cli.tune import tune
    from invbench.plugins import load_catalog

    ctx.exit(tune(list(overrides), load_catalog()))


COMMANDS = (
    *tables.COMMANDS,
    *read.COMMANDS,
    *judge.COMMANDS,
    *restore.COMMANDS,
    *learn.COMMANDS,
    *share.COMMANDS,
    *completion.COMMANDS,
)
for command in COMMANDS:
    main.add_command(command)


@main.command(name="list")
@click.argument("kind", required=False, type=completion.KINDS)
def list_(kind: str | None) -> None:
    """List what is installed: solvers, tasks, datasets, priors, metrics, trackers, benchmarks."""
    from invbench.declarations import KINDS
    from invbench.plugins import load_catalog

    catalog = load_catalog()
    kinds = [*KINDS, "benchmark"]
    if kind is not None and kind.removesuffix("s") not in kinds:
        raise ConfigError(unknown("kind", kind, kinds))
    for each in [kind.removesuffix("s")] if kind else kinds:
        click.secho(f"{each}s", bold=True)
        for name, where, summary in listing(catalog, each):
            click.echo(console.folded(f"  {name:<18} ", summary + where))
    if catalog.broken:
        click.secho("not usable", bold=True)
        for b in catalog.broken:
            click.echo(console.folded(f"  {b.name:<18} ", f"{b.distribution}: {b.reason}"))


@main.command()
@click.argument("name", type=completion.NAMES)
def info(name: str) -> None:
    """Describe a solver, task, dataset, prior, metric, tracker or benchmark, with its options and cost."""
    from invbench.plugins import load_catalog

    catalog = load_catalog()
    for plugin in called(name, catalog):
        click.echo(description(plugin))
    if name in catalog.benchmarks:
        b = catalog.benchmarks[name]
        click.echo(f"benchmark {b.name} v{b.version}: {b.summary}")
        click.echo(f"  prior {b.prior}; {b.n} images; headline tasks {', '.join(b.main_tasks)}")
        for task, fields in b.tasks.items():
            click.echo(f"  {task:<18} " + ", ".join(f"{k}={v}" for k, v in fields.items()))


@main.command()
@click.argument("name", type=completion.NAMES)
@click.option("--size", default="", help="CxHxW, shape of the images, of a task or prior; those of presets if empty.")
@click.pass_context
def check(ctx: click.Context, name: str, size: str) -> None:
    """Run the conformance tests on a plugin: independence of rows, reproducibility, adjoints, and so on.

    Prints the findings for every plugin of that name; the exit status is 1 if a check failed, or if none applied.
    The same checks run as tests on every installed plugin: pytest --pyargs invbench.testing
    """
    from invbench.declarations import KINDS
    from invbench.plugins import load_catalog

    catalog = load_catalog()
    broken = [b for b in catalog.broken if b.name in {name, *(f"{kind}_{name}" for kind in KINDS)}]
    for b in broken:
        click.echo(f"{b.kind} {b.name} of {b.distribution} cannot be used: {b.reason}", err=True)
    if broken and name not in catalog.names():
        ctx.exit(1)
    plugins = tested(name, catalog)

    from invbench.testing.report import check_and_print, check_apart, parse_size

    x_shape = parse_size(size, plugins)
    good = check_apart(name, plugins, x_shape) if catalog.installed else check_and_print(plugins, x_shape)
    ctx.exit(0 if good and not broken else 1)


@main.command()
@click.argument("kind", type=completion.STARTED)
@click.argument("name")
def new(kind: str, name: str) -> None:
    """Start a plugin of your own: invbench new solver|task|dataset|prior|metric NAME

    Writes the folder invbench-NAME: a working plugin to start from, with its tests, data and packaging.
    """
    from pathlib import Path

    from invbench.cli.scaffold import new_plugin
    from invbench.plugins import load_catalog

    click.echo(new_plugin(kind, name, Path(), load_catalog()))


@main.command()
@click.argument("name", required=False, type=completion.ARTIFACTS)
def fetch(name: str | None) -> None:
    """Download weights into the cache and verify them; without a name, list them."""
    from invbench.artifacts import fetch as get
    from invbench.artifacts import state
    from invbench.listing import printable
    from invbench.plugins import load_catalog

    plugins = load_catalog().plugins
    owners = [plugin for kind in ("prior", "solver", "metric") for plugin in plugins[kind].values()]
    artifacts = {a.name: a for owner in owners for a in owner.cls.artifacts}
    if name is None:
        for a in artifacts.values():
            where, size = state(a)
            click.echo(f"  {a.name:<34} {size:<8} {where:<16} {a.url}")
        return
    if name not in artifacts:
        raise ConfigError(unknown("artifact", name, artifacts))
    path, checked = get(artifacts[name])
    click.echo(f"{printable(path)}\n{checked}")


for each, text in [item for group in HELP.values() for item in group.items()]:
    main.commands[each].short_help = text
