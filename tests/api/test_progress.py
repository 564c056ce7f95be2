"""Bars: where they are drawn."""

from __future__ import annotations

import pytest
from rich.console import Console

from invbench.api import progress


@pytest.mark.parametrize(
    ("terminal", "notebook", "widgets", "drawn"),
    [
        (True, False, False, True),
        (False, False, True, False),
        (True, True, False, False),
        (False, True, True, True),
    ],
)
def test_a_bar_needs_a_terminal_or_a_notebook_with_ipywidgets(
    terminal: bool, notebook: bool, widgets: bool, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Console, "is_terminal", terminal)
    monkeypatch.setattr(progress, "find_spec", lambda name: object() if widgets and name == "ipywidgets" else None)
    before = Console.__init__

    def made(self: Console, **options: bool) -> None:
        before(self, **options)
        self.is_jupyter = notebook

    monkeypatch.setattr(Console, "__init__", made)
    assert (progress.progress_bar("title") is not None) == drawn
