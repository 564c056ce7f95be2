"""The commands that measure and forecast costs: bench, plan."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from invbench.cli.console import terminal_width
from invbench.cli.sweep import compose
from invbench.errors import ConfigError, InvbenchError
from invbench.harness.checks import tracker_names
from invbench.harness.config import Choice, build
from invbench.harness.experiments import expanded
from invbench.harness.overrides import unquoted
from invbench.plugins import Catalog
from invbench.store.schema import BenchCost


def bench(overrides: list[str], catalog: Catalog, repeats: int, limit: float) -> int:
    """Measure what each solver of the jobs costs on its own, print the table and keep the numbers."""
    from invbench.harness.bench import cost_table, keep
    from invbench.harness.environment import session

    titles: list[str] = []
    overrides = expanded(overrides)
    if tracker_names(overrides):
        raise ConfigError("track is for 'invbench run' and 'invbench train'; leave it out: bench exports nothing")
    command = shlex.join(["invbench", "bench", *overrides, f"--repeats={repeats}", f"--limit={limit:g}"])

    def handle(choice: Choice) -> Iterator[BenchCost]:
        try:
            each, options = _benched(choice, catalog, 1)
            place = f"{each.cell.benchmark.name}/{each.cell.task.name}"
            if reason := each.refusal():
                click.echo(f"{place}/{each.cell.solver.name}: skipped, it {reason}", err=True)
                return
            click.echo(f"{place}/{each.cell.solver.name}: measuring", err=True)
            cost = each.cost(repeats, limit)
            keep(cost, each.cell, options.out, session(replace(options, command=command, batch_size=each.batch)))
            titles.append(f"Cost on {place}")
            yield cost
        except InvbenchError as error:
            click.echo(f"error: {error}", err=True)

    costs = compose(overrides, catalog, handle)
    if not costs:
        return 1
    click.echo(cost_table(costs, ", ".join(dict.fromkeys(titles)), _device(overrides)).render(width=terminal_width()))
    return 0


def plan(overrides: list[str], catalog: Catalog) -> int:
    """Print what the jobs would cost, without running them."""
    from invbench.harness.bench import Forecast, forecast, forecast_table

    overrides = expanded(overrides)

    def handle(choice: Choice) -> Iterator[Forecast]:
        try:
            each, options = _benched(choice, catalog, choice.config.batch_size)
            if reason := each.refusal():
                click.echo(f"{each.cell.task.name}/{each.cell.solver.name}: would be skipped, it {reason}", err=True)
                return
            click.echo(f"{each.cell.task.name}/{each.cell.solver.name}: counting", err=True)
            yield forecast(each, min(options.n, len(each.bank.ids())))
        except InvbenchError as error:
            click.echo(f"error: {error}", err=True)

    forecasts = compose(overrides, catalog, handle)
    if not forecasts:
        return 1
    click.echo(forecast_table(forecasts, _device(overrides)).render(width=terminal_width()))
    return 0


def _benched(choice: Choice, catalog: Catalog, batch: int) -> tuple[Any, Any]:
    """The cell of a job, set up to measure its cost; a batch size set by the user takes precedence."""
    from invbench.harness.bench import Bench
    from invbench.harness.here import how_to_run

    cell = build(choice, catalog)
    options = how_to_run(choice, cell, "")
    size = options.batch_size if "batch_size" in choice.written else batch
    return Bench(cell, size, options.device, bool(options.compile)), options


def _device(overrides: Sequence[str]) -> str:
    """The device of a measured cost, in words."""
    from invbench.device import choose_device, describe

    devices = [text.partition("=")[2] for text in overrides if text.startswith("device=")]
    return describe(choose_device(unquoted(devices[-1]) if devices else "auto"))
