"""Tables as text, Markdown, LaTeX, HTML and csv. No torch."""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd

from invbench.errors import ConfigError, unknown

FORMATS = {"text": "simple", "md": "github", "latex": "latex_booktabs", "html": "html", "csv": "csv"}
RAW = {"latex": "latex_raw", "html": "unsafehtml"}
LATEX_ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$"}


@dataclass(frozen=True)
class Table:
    """Solvers on the same measurements: one row each, with what is needed to read it."""

    title: str
    frame: pd.DataFrame
    notes: tuple[str, ...]
    raw: bool = False  # cells and headers are written in the format already

    def render(self, how: str = "text") -> str:
        """As text, md, latex, html or csv. Raises ConfigError for another format."""
        if how not in FORMATS:
            raise ConfigError(unknown("table format", how, FORMATS))
        if how == "csv":
            return self.frame.to_csv(index=False)
        from tabulate import tabulate

        style = {**FORMATS, **RAW}[how] if self.raw else FORMATS[how]
        body = tabulate(self.frame.to_dict("list"), headers="keys", tablefmt=style, disable_numparse=True)
        if how == "html":
            notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
            return f"<h3>{html.escape(self.title)}</h3>\n{body}\n{notes}"
        if how == "latex":
            for arrow, command in LATEX_ARROWS.items():
                body = body.replace(arrow, command)
        comment = "% " if how == "latex" else ""
        head = f"### {self.title}\n" if how == "md" else f"{comment}{self.title}"
        gap = "\n" if how == "md" else ""
        return "\n".join([head, body, *(f"{gap}{comment}{note}" for note in self.notes)])
