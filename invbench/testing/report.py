"""The findings about plugins as tables."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Sequence

import click
from tabulate import tabulate

from invbench.errors import ConfigError
from invbench.harness.isolation import Ended, Send, apart
from invbench.operator import Shape
from invbench.plugins import Plugin, load_catalog
from invbench.testing.findings import Finding
from invbench.testing.plugins import KITS, SIZED, check_plugin

WIDTH = 100  # maximum width of the sentences
LEAST = 30  # minimum width, however narrow the terminal


def parse_size(text: str, plugins: Sequence[Plugin]) -> Shape:
    """The shape that CxHxW names; () of an empty text. Raises ConfigError, also for plugins without such a shape."""
    if not text:
        return ()
    if not re.fullmatch("[1-9][0-9]*x[1-9][0-9]*x[1-9][0-9]*", text):
        raise ConfigError(f"--size takes CxHxW, such as 1x28x28; got {text!r}")
    if not any(plugin.kind in SIZED for plugin in plugins):
        raise ConfigError(f"--size is for a task or a prior; {plugins[0].name} is a {plugins[0].kind}")
    channels, height, width = map(int, text.split("x"))
    return channels, height, width


def check_and_print(plugins: Sequence[Plugin], x_shape: Shape = (), say: Callable[[str], None] = click.echo) -> bool:
    """Run the conformance tests on every plugin and print a table of each; whether none failed, and some applied."""
    good = True
    for plugin in plugins:
        findings = check_plugin(plugin, x_shape)
        say(report(plugin, findings) + "\n")
        statuses = {finding.status for finding in findings}
        if "pass" not in statuses:
            say(f"{plugin.kind} {plugin.name}: nothing was checked; the reasons stand above\n")
        good = good and "pass" in statuses and "fail" not in statuses
    return good


def check_apart(name: str, plugins: Sequence[Plugin], x_shape: Shape = ()) -> bool:
    """The same in a separate process, since third-party plugins may exit or crash."""
    if all(plugin.distribution == "invbench" for plugin in plugins):
        return check_and_print(plugins, x_shape)
    try:
        return bool(apart(_check, (name, x_shape), lambda kind, text: click.echo(text)))
    except Ended as ended:
        click.echo(f"error: {name}: a check {ended}", err=True)
        return False


def _check(send: Send, name: str, x_shape: Shape) -> bool:
    """The work of the other process."""
    plugins = [named[name] for kind, named in load_catalog().plugins.items() if name in named and kind in KITS]
    return check_and_print(plugins, x_shape, lambda text: send("table", text))


def report(plugin: Plugin, findings: Sequence[Finding]) -> str:
    """A heading with the number of failures, and a row for each check."""
    counts = {status: sum(f.status == status for f in findings) for status in ("pass", "fail", "n/a")}
    outcome = ", ".join(f"{n} {status}" for status, n in counts.items())
    title = f"{plugin.kind} {plugin.name} ({plugin.distribution} {plugin.version}): {outcome}"
    rows = [(f.check, f.status, f.sentence) for f in findings]
    return title + "\n" + tabulate(rows, ["check", "", "what was found"], maxcolwidths=[None, None, _width(findings)])


def _width(findings: Sequence[Finding]) -> int:
    """The width of the sentences with which a row fits the terminal, if there is one."""
    if not sys.stdout.isatty():
        return WIDTH
    beside = max(len(f.check) for f in findings) + len("  pass  ")
    return max(LEAST, min(WIDTH, shutil.get_terminal_size().columns - beside))
