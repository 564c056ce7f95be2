"""Progress of runs and trainings: a bar on a terminal, elsewhere lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from invbench.api.progress import progress_bar


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; elsewhere a line per batch."""
    bar = progress_bar("{task.description}")
    if bar is None:
        yield lambda done, total: click.echo(f"{title}: {done}/{total} images", err=True)
        return
    with bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
