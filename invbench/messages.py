"""Warnings as the commands print them, and whether in colour."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from invbench.errors import one_line


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings as one line each, and no line twice."""
    printed_lines: set[str] = set()

    def show(message: Warning | str, *_args: object, **_kw: object) -> None:
        if str(message) not in printed_lines:
            printed_lines.add(str(message))
            click.echo(f"warning: {one_line(str(message))}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


def without_colour() -> bool:
    """Whether colour is switched off, by an environment variable NO_COLOR that is not empty (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))
