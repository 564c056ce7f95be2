"""Bars, in terminals and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from invbench.messages import without_colour

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def bar(title: str, enabled: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal or in a notebook; nothing elsewhere, or if it is switched off."""
    drawn = progress_bar("{task.description}") if enabled else None
    if drawn is None:
        yield lambda done, total: None
        return
    with drawn:
        task = drawn.add_task(title, total=None)
        yield lambda done, total: drawn.update(task, completed=done, total=total)


def progress_bar(before: str, after: str = "") -> Progress | None:
    """A bar between two texts, with counts and times, on standard error; None outside terminals and notebooks.

    In a notebook it needs ipywidgets.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, color_system=None if without_colour() else "auto")
    if not (find_spec("ipywidgets") if console.is_jupyter else console.is_terminal):
        return None
    columns = (TextColumn(before), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn(after), console=console, transient=True)
